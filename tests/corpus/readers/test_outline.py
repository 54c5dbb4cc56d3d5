"""From headings to sections, by hand."""

from __future__ import annotations

from lattice.corpus.readers.outline import Heading, first_title, heading_paths, section_at, sections_of


def test_a_heading_closes_those_of_its_level_and_deeper() -> None:
    headings = [Heading(i, level, f"h{i}") for i, level in enumerate([2, 1, 3, 2, 2, 1])]
    assert list(heading_paths(headings)) == [
        ("h0",),
        ("h1",),
        ("h1", "h2"),
        ("h1", "h3"),
        ("h1", "h4"),
        ("h5",),
    ]


def test_sections_begin_at_the_line_asked_for_and_drop_blank_lines_around() -> None:
    lines = ["skipped", "", "above", "", "head", "text", ""]
    above, below = sections_of(lines, [Heading(4, 1, "head")], first=1)
    assert (above.heading, above.text, above.location.start, above.location.end) == ((), "above", 3, 3)
    assert (below.heading, below.text, below.location.start, below.location.end) == (("head",), "head\ntext", 5, 6)


def test_blank_lines_make_no_section() -> None:
    assert section_at(["", " "], 0, 2, ()) is None
    assert sections_of([""], ()) == ()


def test_the_title_is_the_first_heading_of_level_one() -> None:
    assert first_title([Heading(0, 2, "a"), Heading(1, 1, "b"), Heading(2, 1, "c")]) == "b"
    assert first_title([]) is None
