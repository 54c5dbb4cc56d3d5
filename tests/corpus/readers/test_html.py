"""HTML: what a person sees of a page, below which headings, on which lines of the source."""

from __future__ import annotations

import pytest

from lattice.corpus.readers.html import parse
from lattice.errors import UnreadableFile

PAGE = """<!DOCTYPE html>
<html><head>
<title>A page &amp; more</title>
<style>p { color: red }</style>
</head>
<body>
<nav><a href="/">Home</a></nav>
<h1>Top</h1>
<p>First <b>bold</b>ly
wrapped &lt;text&gt;.</p>
<script>
var unseen = "<p>";
</script>
<h2
  class="x > y">Inner</h2>
<ul><li>one</li><li>two<p>deep</p>tail</li></ul>
<!-- a
comment -->
<pre>
  code
    more</pre>
<table><tr><td>left</td><td>right</td></tr></table>
line<br>break
</body></html>
"""


def test_blocks_stand_below_their_headings_on_their_lines() -> None:
    parsed = parse(PAGE)
    assert parsed.title == "A page & more"
    assert [(s.heading, s.text, s.location.start, s.location.end) for s in parsed.sections] == [
        (("Top",), "Top", 8, 8),
        (("Top",), "First boldly wrapped <text>.", 9, 10),
        (("Top", "Inner"), "Inner", 15, 15),
        (("Top", "Inner"), "one", 16, 16),
        (("Top", "Inner"), "two", 16, 16),
        (("Top", "Inner"), "deep", 16, 16),
        (("Top", "Inner"), "tail", 16, 16),
        (("Top", "Inner"), "  code\n    more", 20, 21),
        (("Top", "Inner"), "left right", 22, 22),
        (("Top", "Inner"), "line break", 23, 23),
    ]


def test_text_behind_a_dropped_element_keeps_its_line() -> None:
    (section,) = parse("<p>a <script>\n\n\n</script>\nb</p>").sections
    assert (section.text, section.location.start, section.location.end) == ("a b", 1, 5)


def test_the_title_falls_back_to_the_first_heading_of_level_one() -> None:
    assert parse("<h2>no</h2><h1>Yes <i>it</i></h1><h1>later</h1>").title == "Yes it"
    assert parse("<title> </title><p>words").title is None


def test_markup_inside_attributes_is_not_taken_for_tags() -> None:
    (section,) = parse('<p title=\'<p class="x">\' data-x="a > b">words</p>').sections
    assert section.text == "words"


def test_broken_markup_is_read_as_browsers_read_it() -> None:
    parsed = parse("<p>one<p>two<div>three</p><td>four <b>five")
    assert [section.text for section in parsed.sections] == ["one", "two", "three", "four five"]


def test_a_fragment_and_a_bare_text_are_pages_too() -> None:
    assert [section.text for section in parse("just words").sections] == ["just words"]
    assert parse("").sections == ()
    assert parse("<script>only()</script>").sections == ()


def test_a_page_without_bottom_is_refused_before_the_parser_sees_it() -> None:
    with pytest.raises(UnreadableFile, match="nested"):
        parse("<div>" * 200_000 + "deep")
    assert [section.text for section in parse("<div>" * 5000 + "deep").sections] == ["deep"]
    assert parse("<b>word</b> " * 20_000).sections


def test_unclosed_tags_and_quotes_end_soon() -> None:
    # Whoever goes back over them again and again hangs here for minutes.
    parse("<a " * 5_000)
    parse("<p " * 200_000)
    parse("<p \"'" * 100_000)
