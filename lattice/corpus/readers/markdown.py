"""Markdown: ATX and setext headings, front matter, and fences whose content is never taken for a heading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lattice.corpus.readers.outline import Heading, first_title, section_at, sections_of
from lattice.corpus.readers.source import Parsed, TextReader
from lattice.types import Section

_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_VERBATIM = re.compile(r" {0,3}<(?:!--|(pre|script|style|textarea)\b)", re.IGNORECASE)
_NO_PARAGRAPH = re.compile(r"(?:\t| {4}| {0,3}(?:[>|<]|[-*+][ \t]|\d{1,9}[.)][ \t]|(?:[-*_][ \t]*){3,}$))")
_IN_LIST_OR_QUOTE = -1  # a line that continues one starts no paragraph that could become a heading
_MAX_HEADING = 300  # characters; what follows in a longer one helps nobody
_MAX_SETEXT_LINES = 3  # longer than that it is a paragraph that somebody ruled off, not a heading

_INLINE = (
    (re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])"), r"\1"),  # links and images leave their text
    (re.compile(r"\{[#.][^{}]*\}\s*$"), ""),  # attributes: {#anchor}
    (re.compile(r"</?[A-Za-z][^<>]*>"), ""),
    (re.compile(r"`+([^`]*)`+"), r"\1"),
    (re.compile(r"(?<![\w\\])[*_]{1,3}(?=\S)(.+?)(?<=[^\s\\])[*_]{1,3}(?!\w)"), r"\1"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)
_DATA_URI = re.compile(r"(data:[\w.+-]{1,50}/[\w.+-]{1,50};base64,)[A-Za-z0-9+/=]{100,}")

_FRONT_MATTER_LINES = 200  # front matter is short; a rule at the top of a long text is none
_KEY = re.compile(r"([A-Za-z_][\w-]{0,40})[ \t]{0,8}[:=](?:\s+|$)(.*)")
# The keys whose values are words about the document; the others steer the site that shows it.
_TELLING_KEYS = (
    "abstract aliases author authors categories category date description keywords subject subtitle summary tags topics"
)
_TELLING = frozenset(_TELLING_KEYS.split())


def parse(text: str) -> Parsed:
    """Cut Markdown at its headings; the title is that of the front matter, else the first heading of level 1."""
    lines = _DATA_URI.sub(r"\1…", text).split("\n")
    matter = _front_matter_end(lines)
    headings = list(find_headings(lines, matter))
    title, telling = _front_matter(lines[:matter])
    about = _about(lines, matter, telling)
    return Parsed(title or first_title(headings), about + sections_of(lines, headings, matter))


def find_headings(lines: Sequence[str], first: int = 0) -> Iterator[Heading]:
    """Yield the headings of Markdown lines in order, from the 0-based line `first` on."""
    closing: re.Pattern[str] | None = None
    paragraph: int | None = None
    for number in range(first, len(lines)):
        line = lines[number]
        if closing is not None:
            closing = None if closing.search(line) else closing
            continue
        closing = _closing(line)
        heading = None if closing else _atx(line, number) or _setext(lines, paragraph, number)
        if heading is not None:
            yield heading
        paragraph = None if closing or heading else _paragraph(line, number, paragraph)


def plain(heading: str) -> str:
    """Take the inline markup out of a heading: links, emphasis, code marks, attributes."""
    heading = heading[:_MAX_HEADING]
    for pattern, replacement in _INLINE:
        heading = pattern.sub(replacement, heading)
    return " ".join(heading.split())


def _paragraph(line: str, number: int, current: int | None) -> int | None:
    if not line.strip():
        return None
    if _NO_PARAGRAPH.match(line):
        return _IN_LIST_OR_QUOTE
    return number if current is None else current


def _closing(line: str) -> re.Pattern[str] | None:
    fence = _FENCE.match(line)
    if fence is not None:
        return re.compile(rf" {{0,3}}{re.escape(fence[1][0])}{{{len(fence[1])},}}[ \t]*$")
    verbatim = _VERBATIM.match(line)
    if verbatim is None:
        return None
    end = re.compile(f"</{verbatim[1]}>" if verbatim[1] else "-->", re.IGNORECASE)
    return None if end.search(line, verbatim.end()) else end


def _atx(line: str, number: int) -> Heading | None:
    mark = _ATX.match(line)
    if mark is None:
        return None
    words = line[mark.end() :].strip()
    bare = words.rstrip("#")
    closed = bare != words and (not bare or bare.endswith((" ", "\t")))
    text = plain(bare if closed else words)
    return Heading(number, len(mark[1]), text) if text else None


def _setext(lines: Sequence[str], paragraph: int | None, number: int) -> Heading | None:
    if paragraph is None or paragraph == _IN_LIST_OR_QUOTE or number - paragraph > _MAX_SETEXT_LINES:
        return None
    rule = _SETEXT.match(lines[number])
    if rule is None:
        return None
    text = plain(" ".join(lines[paragraph:number]))
    return Heading(paragraph, 1 if "=" in rule[1] else 2, text) if text else None


def _front_matter_end(lines: Sequence[str]) -> int:
    opening = lines[0].rstrip()
    if opening not in {"---", "+++"}:
        return 0
    closings = {"---", "..."} if opening == "---" else {"+++"}
    for number in range(1, min(len(lines), _FRONT_MATTER_LINES)):
        if lines[number].rstrip() in closings:
            has_keys = any(_KEY.match(line) for line in lines[1:number])
            return number + 1 if has_keys else 0
    return 0


def _front_matter(lines: Sequence[str]) -> tuple[str | None, list[str]]:
    title: str | None = None
    telling: list[str] = []
    is_telling = False
    for line in lines[1:-1]:
        entry = _KEY.match(line)
        key = entry[1].casefold() if entry else None
        if entry and key == "title":
            title = entry[2].strip().strip("\"'").strip() or None
        if key is not None:
            is_telling = key in _TELLING
        if is_telling and line.strip():
            telling.append(line.strip())
    return title, telling


def _about(lines: Sequence[str], end: int, telling: list[str]) -> tuple[Section, ...]:
    whole = section_at(lines, 0, end, ()) if telling else None
    return () if whole is None else (Section((), "\n".join(telling), whole.location),)


READER = TextReader(parse)
