"""Markdown: what is a heading, what only looks like one, and where sections begin and end."""

from __future__ import annotations

import pytest

from lattice.corpus.readers.markdown import find_headings, parse, plain
from lattice.types import Location


def headings(text: str) -> list[tuple[int, int, str]]:
    return [(heading.line + 1, heading.level, heading.text) for heading in find_headings(text.split("\n"))]


def test_headings_nest_and_sections_hold_their_lines_verbatim() -> None:
    parsed = parse("intro\n\n# A\n\none\n\n### C\n## B\n\n  two\n\n# D\n")
    assert parsed.title == "A"
    assert [(s.heading, s.text, s.location.start, s.location.end) for s in parsed.sections] == [
        ((), "intro", 1, 1),
        (("A",), "# A\n\none", 3, 5),
        (("A", "C"), "### C", 7, 7),
        (("A", "B"), "## B\n\n  two", 8, 10),
        (("D",), "# D", 12, 12),
    ]


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        ("# One", 1, "One"),
        ("   ###### Six", 6, "Six"),
        ("## Closed ##", 2, "Closed"),
        ("# C#", 1, "C#"),
        ("#\tTab", 1, "Tab"),
        ("# `code` and *stress* and [link](url)", 1, "code and stress and link"),
        ("# snake_case_name and 2 * 3 * 4", 1, "snake_case_name and 2 * 3 * 4"),
        ("## Anchored {#here}", 2, "Anchored"),
        ("## <a name='x'></a>Tagged", 2, "Tagged"),
        ("# \\*literal\\*", 1, "*literal*"),
    ],
)
def test_atx_headings(line: str, level: int, text: str) -> None:
    assert headings(line) == [(1, level, text)]


@pytest.mark.parametrize(
    "text",
    [
        "#tag",
        "####### seven",
        "    # indented code",
        "#",
        "```\n# in a fence\n```",
        "~~~~ sh\n# in a fence\n~~~\n# still in\n~~~~",
        "```python\n# in a fence that never ends",
        "<!--\n# in a comment\n-->",
        "<pre>\n# in HTML\n</pre>",
        "- item\n---",
        "> quote\n---",
        "text\n\n---",
        "| a |\n---",
        "one\ntwo\nthree\nfour\n---",
        "- item\ncontinued\n---",
        "a - b\n- - -",
    ],
)
def test_what_only_looks_like_a_heading(text: str) -> None:
    assert headings(text) == []


def test_setext_headings_begin_with_their_paragraph() -> None:
    assert headings("Title\n=====\n\ntext\n\nSub\ntitle\n---\n") == [(1, 1, "Title"), (6, 2, "Sub title")]


def test_headings_go_on_after_a_fence_and_after_a_one_line_comment() -> None:
    assert headings("```\n# no\n```\n# yes\n<!-- # no -->\n## too") == [(4, 1, "yes"), (6, 2, "too")]


def test_a_backtick_fence_is_not_closed_by_tildes_nor_opened_by_inline_code() -> None:
    assert headings("```\n~~~\n# no\n```\n``` inline ```\n# yes") == [(6, 1, "yes")]


def test_front_matter_gives_the_title_and_what_tells_about_the_document() -> None:
    parsed = parse("---\ntitle: 'My note'\nlayout: post\ntags:\n  - red\n  - blue\nid: 7\n---\n# Heading\n\nwords")
    assert parsed.title == "My note"
    about, body = parsed.sections
    assert (about.heading, about.text, about.location) == ((), "tags:\n- red\n- blue", Location("lines", 1, 8))
    assert (body.heading, body.location) == (("Heading",), Location("lines", 9, 11))


def test_front_matter_in_toml_and_without_a_title() -> None:
    assert parse('+++\ntitle = "T"\n+++\nwords').title == "T"
    assert parse("---\nlayout: post\n---\n# H\n").title == "H"
    assert len(parse("---\nlayout: post\n---\n# H\n").sections) == 1


@pytest.mark.parametrize("text", ["---\nno keys here\n---\nwords", "---\nkey: never closed\n\nwords", "---"])
def test_a_rule_at_the_top_is_no_front_matter(text: str) -> None:
    assert "".join(section.text for section in parse(text).sections).startswith("---")


def test_a_document_without_headings_has_no_title_and_one_section() -> None:
    parsed = parse("\n\nwords\n")
    assert parsed.title is None
    assert [(s.heading, s.text, s.location.start) for s in parsed.sections] == [((), "words", 3)]


def test_pictures_inside_the_text_are_left_out() -> None:
    parsed = parse(f"before ![x](data:image/png;base64,{'A' * 5000}=) after")
    assert parsed.sections[0].text == "before ![x](data:image/png;base64,…) after"


def test_an_empty_text_has_no_sections() -> None:
    assert parse("").sections == ()
    assert parse("\n \n").sections == ()


def test_marks_of_any_depth_are_taken_out_of_headings_in_bounded_work() -> None:
    # Without the bound this takes the square of the depth, and the test hangs.
    assert len(plain("[*" * 100_000)) <= 300
