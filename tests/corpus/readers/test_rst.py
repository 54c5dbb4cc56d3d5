"""reStructuredText: section titles and their levels."""

from __future__ import annotations

import pytest

from lattice.corpus.readers.rst import find_headings, parse, plain


def headings(text: str) -> list[tuple[int, int, str]]:
    return [(heading.line + 1, heading.level, heading.text) for heading in find_headings(text.split("\n"))]


def test_levels_follow_the_order_of_first_appearance() -> None:
    text = "=====\nTitle\n=====\n\nA\n=\n\nB\n~\n\nC\n=\n\nD\n~\n"
    assert headings(text) == [(1, 1, "Title"), (5, 2, "A"), (8, 3, "B"), (11, 2, "C"), (14, 3, "D")]


def test_sections_hold_their_title_lines() -> None:
    parsed = parse("Title\n=====\n\nwords\n\nPart\n----\nmore\n")
    assert parsed.title == "Title"
    assert [(s.heading, s.text, s.location.start, s.location.end) for s in parsed.sections] == [
        (("Title",), "Title\n=====\n\nwords", 1, 4),
        (("Title", "Part"), "Part\n----\nmore", 6, 8),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "words\n\n-----\n\nwords",
        "a paragraph\nof two lines\n============",
        "  indented\n  ========",
        "=====  =====\na      b\n=====  =====",
        "+-----+\n| a   |\n+-----+",
        "A long title\n==",
        "::\n\n    # no\n    ====",
        "----",
    ],
)
def test_what_only_looks_like_a_title(text: str) -> None:
    assert headings(text) == []


def test_a_short_underline_counts_below_a_title_as_short() -> None:
    assert headings("Ab\n==") == [(1, 1, "Ab")]
    assert headings("A longer title\n====") == [(1, 1, "A longer title")]


def test_an_indented_title_needs_its_overline() -> None:
    assert headings("=======\n Title\n=======\n") == [(1, 1, "Title")]


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("The ``code`` way", "The code way"),
        (":mod:`asyncio` --- Asynchronous", "asyncio --- Asynchronous"),
        ("See `here <https://example.org>`_", "See here"),
        ("*Stress* and **strength**", "Stress and strength"),
        ("2 * 3", "2 * 3"),
    ],
)
def test_inline_marks_are_taken_out_of_titles(title: str, words: str) -> None:
    assert plain(title) == words
