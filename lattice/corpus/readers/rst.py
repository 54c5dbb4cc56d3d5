"""reStructuredText: section titles by their underlines, whose levels follow the order of first appearance."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lattice.corpus.readers.outline import Heading, first_title, sections_of
from lattice.corpus.readers.source import Parsed, TextReader

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*[ \t]*$")
_SHORTEST = 4  # a shorter underline counts only when it is as long as its title, as in docutils
_ROLE = re.compile(r":[A-Za-z][\w:+.-]{0,60}:(?=`)")
_TARGET = re.compile(r"`([^`<]*?)\s*<[^`>]*>`_{0,2}")
_MARKS = re.compile(r"(?<!\w)(?:``|[`*|]{1,2})(?=\S)|(?<=\S)(?:``|[`*|]{1,2})_{0,2}(?!\w)")

_Style = tuple[str, bool]


def parse(text: str) -> Parsed:
    """Cut reStructuredText at its section titles; the first of the outermost level is the document's title."""
    lines = text.split("\n")
    headings = list(find_headings(lines))
    return Parsed(first_title(headings), sections_of(lines, headings))


def find_headings(lines: Sequence[str]) -> Iterator[Heading]:
    """Yield the section titles in order; a style (character, with or without overline) has the level of its turn."""
    levels: dict[_Style, int] = {}
    number = 0
    while number < len(lines):
        style = _style_at(lines, number)
        if style is None:
            number += 1
            continue
        overlined = style[1]
        title = plain(lines[number + overlined])
        yield Heading(number, levels.setdefault(style, len(levels) + 1), title)
        number += 2 + overlined


def plain(title: str) -> str:
    """Take roles, link targets and inline marks out of a title."""
    return " ".join(_MARKS.sub("", _TARGET.sub(r"\1", _ROLE.sub("", title))).split())


def _style_at(lines: Sequence[str], number: int) -> _Style | None:
    if number and lines[number - 1].strip():
        return None
    over, under, last = (lines[number + i] if number + i < len(lines) else "" for i in range(3))
    if _is_title(under, last) and _ADORNMENT.match(over) and over.rstrip() == last.rstrip():
        return over[0], True
    if _is_title(over, under) and not over[0].isspace():
        return under[0], False
    return None


def _is_title(title: str, underline: str) -> bool:
    if not title.strip() or _ADORNMENT.match(title) or not _ADORNMENT.match(underline):
        return False
    return len(underline.rstrip()) >= min(len(title.rstrip()), _SHORTEST)


READER = TextReader(parse)
