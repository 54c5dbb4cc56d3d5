from __future__ import annotations

from dataclasses import replace

import click

from lattice.cli.render import beginning, headings, hit_lines, passage_lines, place, usage_words
from lattice.types import Location, Node, Passage, Usage
from tests.cli.values import HIT, PAGE_HIT


def test_a_hit_has_its_place_headings_and_snippet() -> None:
    assert [click.unstyle(line) for line in hit_lines(HIT, 0)] == [
        "  1  0.81  docs/actors.md:12",
        "           Actors › Memory",
        "           … why an actor leaks memory when its mailbox grows …",
    ]


def test_the_words_of_the_query_are_bold() -> None:
    snippet = hit_lines(HIT, 0)[-1]
    assert click.style("actor", bold=True) in snippet
    assert click.style("memory", bold=True) in snippet


def test_a_hit_that_nobody_has_read_is_marked_and_a_page_is_named() -> None:
    assert click.unstyle(hit_lines(PAGE_HIT, 0)[0]) == "  2 ~0.81  a.pdf, page 3"


def test_a_hit_is_wrapped_to_the_terminal_with_its_marks_in_place() -> None:
    lines = hit_lines(HIT, 40)
    assert all(len(click.unstyle(line)) <= 40 for line in lines)
    assert len(lines) > 3
    assert click.style("memory", bold=True) in "".join(lines)


def test_a_hostile_snippet_and_path_cannot_command_the_terminal() -> None:
    hostile = replace(HIT, snippet="\x1b]0;owned\x07 actor", path="a\x1b[2J.md", heading=("x\x1b[H",), marks=())
    shown = click.unstyle("\n".join(hit_lines(hostile, 0)))
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_the_title_stands_once_before_the_headings() -> None:
    assert headings("Actors", ("Actors", "Memory")) == "Actors › Memory"
    assert headings("actors.txt", ("Memory",)) == "actors.txt › Memory"
    assert headings("", ()) == ""


def test_place_is_what_editors_open() -> None:
    assert place("a/b.md", Location("lines", 3, 9)) == "a/b.md:3"
    assert place("a/b.pdf", Location("page", 3, 4)) == "a/b.pdf, page 3"


def test_a_newline_in_a_path_breaks_no_line() -> None:
    assert place("a\nb\t.md", Location("lines", 3, 9)) == "a\ufffdb\ufffd.md:3"
    assert len(hit_lines(replace(HIT, path="a\nb.md"), 0)[0].splitlines()) == 1


def test_usage_names_what_was_generated_only_when_something_was() -> None:
    assert usage_words(Usage(evaluated=1200, reused=30, seconds=1.26)) == "1,200 tokens read, 30 reused, 1.3 s"
    assert "5 written" in usage_words(Usage(evaluated=1, generated=5))


def passage(position: int, text: str) -> Passage:
    return Passage("a.md", position, "A", ("A", "B"), text, Location("lines", position + 1, position + 4), "")


def test_a_passage_stands_between_the_beginnings_of_its_neighbours() -> None:
    before, shown, after = passage(0, "word " * 30), passage(1, "line one\n\nline two"), passage(2, "short")
    node = Node(4, 1, "passage", "A › B", 1, 1, passage=2)
    lines = [click.unstyle(line) for line in passage_lines(shown, node, [before], [after])]
    assert lines == [
        "a.md:2  n4, lines 2-5",
        "A › B",
        "",
        f"a.md:1  {'word ' * 20}…",
        "",
        "line one\n\nline two",
        "",
        "a.md:3  short",
    ]


def test_a_beginning_is_cut_only_where_there_is_more() -> None:
    assert beginning(passage(0, "two words")) == "a.md:1  two words"
