"""From a document to its passages: the cheapest way to cut it, found by dynamic programming.

Cutting and joining both have a price. It is free to cut where a section ends, dearer between paragraphs, sentences,
lines and words; it is free to join within a section, dearer across headings the further they are apart; and a passage
shorter than asked for is dearest of all. So short sections join their siblings and long ones fall into even parts.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from lattice.corpus.pieces import Piece, cut
from lattice.corpus.readers.source import digest
from lattice.errors import UsageError
from lattice.types import Document, Location, Passage, Section

_CUT = {"paragraph": 1.0, "sentence": 3.0, "line": 3.0, "word": 6.0}
_CUT_AT_PAGE = 0.5  # a page often ends inside a thought, but it is where a reader looks a passage up
_CUT_BEHIND_LEAD = 4.0  # a heading, or a line that ends in a colon, belongs to what follows
_LEAD_WORDS = 12  # a longer paragraph under a heading can stand alone
_JOIN_LEVEL = 1.0  # a level of headings left or entered
_JOIN_PAGE = 1.0
_SHORT = 20.0  # above the price of any sane cut or join; as much again for a passage without any word
_SIZE = 0.5  # price of a passage of full length, growing with its square: even parts are cheaper than uneven ones
_MAX_PIECES = 80  # pieces a passage: bounds the work on texts of one-word paragraphs


@dataclass(frozen=True, slots=True)
class _Placed:
    """A piece, the section that it stands in, and the prices of cutting before it and of joining it to the last."""

    piece: Piece
    section: int
    cut: float
    join: float


def split(document: Document, min_words: int = 40, max_words: int = 200) -> tuple[Passage, ...]:
    """Split a document into passages of `min_words` to `max_words` where it allows, never above `max_words`.

    In order, the passages hold every word of the document once. A passage over several sections has the heading path
    that they share. Lines are those of the text itself where a section holds its lines verbatim, else the section's.
    Raise `UsageError` unless 1 <= min_words <= max_words.
    """
    if not 1 <= min_words <= max_words:
        raise UsageError(f"Passages of {min_words} to {max_words} words cannot be made; give 1 <= minimum <= maximum.")
    placed = _place(document.sections, min_words, max_words)
    ends = _cheapest_ends(placed, min_words, max_words)
    lines = [_line_ends(section) for section in document.sections]
    return tuple(
        _passage(document, position, placed[start:end], lines)
        for position, (start, end) in enumerate(pairwise([0, *ends]))
    )


def _place(sections: Sequence[Section], min_words: int, max_words: int) -> list[_Placed]:
    placed: list[_Placed] = []
    for number, section in enumerate(sections):
        for i, piece in enumerate(cut(section.text, min_words, max_words)):
            before = placed[-1] if placed else None
            if before is None:
                placed.append(_Placed(piece, number, 0.0, 0.0))
            elif i == 0:
                placed.append(_Placed(piece, number, *_between(sections, before, number)))
            else:
                lead = _CUT_BEHIND_LEAD if _is_lead(sections, placed) else 0.0
                placed.append(_Placed(piece, number, _CUT[piece.grain] + lead, 0.0))
    return placed


def _between(sections: Sequence[Section], before: _Placed, number: int) -> tuple[float, float]:
    """Price a cut and a join between the last piece of a section and the first of the section `number`."""
    left, right = sections[before.section], sections[number]
    apart = len(left.heading) + len(right.heading) - 2 * len(_common([left.heading, right.heading]))
    if apart:
        return 0.0, _JOIN_LEVEL * apart
    if right.location.kind == "page":
        return _CUT_AT_PAGE, _JOIN_PAGE
    starts_section = before.section == 0 or sections[before.section - 1].heading != left.heading
    lead = _CUT_BEHIND_LEAD if starts_section and before.piece.words <= _LEAD_WORDS else 0.0
    return _CUT["paragraph"] + lead, 0.0


def _is_lead(sections: Sequence[Section], placed: Sequence[_Placed]) -> bool:
    """Whether the last of `placed` is a heading, or announces what follows."""
    last = placed[-1]
    if sections[last.section].text.endswith(":", last.piece.start, last.piece.end):
        return True
    starts_section = len(placed) == 1 or placed[-2].section != last.section
    return starts_section and last.piece.words <= _LEAD_WORDS


def _cheapest_ends(placed: Sequence[_Placed], min_words: int, max_words: int) -> list[int]:
    """Give the exclusive end of each passage, as indices into `placed`, for the cheapest way to cut."""
    words = [0, *accumulate(place.piece.words for place in placed)]
    joins = [0.0, *accumulate(place.join for place in placed)]
    cost = [0.0]
    back = [0]
    reach = max(_MAX_PIECES, min_words)
    for end in range(1, len(placed) + 1):
        best, best_start = float("inf"), end - 1
        for start in range(end - 1, max(-1, end - 1 - reach), -1):
            length = words[end] - words[start]
            if length > max_words:
                break
            price = cost[start] + joins[end] - joins[start + 1] + _SIZE * (length / max_words) ** 2
            if length < min_words:
                price += _SHORT * (2 - length / min_words)
            if start:
                price += placed[start].cut
            if price < best:
                best, best_start = price, start
        cost.append(best)
        back.append(best_start)
    return _trace(back)


def _trace(back: Sequence[int]) -> list[int]:
    ends: list[int] = []
    at = len(back) - 1
    while at > 0:
        ends.append(at)
        at = back[at]
    return ends[::-1]


def _line_ends(section: Section) -> list[int] | None:
    """Give where in the section's text its lines end; None when the text is not its lines verbatim."""
    location = section.location
    if location.kind != "lines" or section.text.count("\n") != location.end - location.start:
        return None
    return [i for i, character in enumerate(section.text) if character == "\n"]


def _passage(
    document: Document, position: int, placed: Sequence[_Placed], lines: Sequence[list[int] | None]
) -> Passage:
    sections = document.sections
    heading = _common([sections[place.section].heading for place in placed])
    text = _text(sections, placed)
    locations = [_locate(sections[place.section], place.piece, lines[place.section]) for place in placed]
    location = Location(
        locations[0].kind, min(place.start for place in locations), max(place.end for place in locations)
    )
    content = unicodedata.normalize(
        "NFC", "\n".join(" ".join(part.split()) for part in (document.title, *heading, text))
    )
    content_hash = digest(content.encode("utf-8", "surrogatepass"))
    return Passage(document.path, position, document.title, heading, text, location, content_hash)


def _text(sections: Sequence[Section], placed: Sequence[_Placed]) -> str:
    """Give the text from the first to the last piece: verbatim within a section, a blank line between sections."""
    spans: dict[int, tuple[int, int]] = {}
    for place in placed:
        start, _ = spans.get(place.section, (place.piece.start, 0))
        spans[place.section] = (start, place.piece.end)
    return "\n\n".join(sections[number].text[start:end] for number, (start, end) in spans.items())


def _locate(section: Section, piece: Piece, ends: list[int] | None) -> Location:
    if ends is None:
        return section.location
    first = section.location.start
    return Location("lines", first + bisect_left(ends, piece.start), first + bisect_left(ends, piece.end - 1))


def _common(headings: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Give the longest path that all the heading paths begin with."""
    shortest, longest = min(headings), max(headings)
    same = 0
    while same < len(shortest) and shortest[same] == longest[same]:
        same += 1
    return shortest[:same]
