"""Cutting a text into pieces of a bounded number of words, at the coarsest joints that will do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lattice.tokens import UNSPACED

Grain = Literal["paragraph", "sentence", "line", "word"]

# Scripts without spaces write a word in about two characters. A run of 32 other characters and more is an address, a
# hash or minified code, which costs a model as much as several words.
_WORD = re.compile(rf"[{UNSPACED}]{{1,2}}|[^\s{UNSPACED}]{{1,32}}")

_PARAGRAPH_END = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(
    r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]]))\s+"
    r"|(?<=[。！？])(?![。！？」』）])"
    r"|\n(?=[ \t]*(?:[-*+•|]|\d{1,9}[.)])[ \t])"  # an item of a list, a row of a table
)
_LINE_END = re.compile(r"\n")
_JOINTS: tuple[tuple[Grain, re.Pattern[str]], ...] = (
    ("paragraph", _PARAGRAPH_END),
    ("sentence", _SENTENCE_END),
    ("line", _LINE_END),
)
_TINY = 4  # neighbours that together hold less than a fourth of a short passage are one piece: fewer pieces to weigh


@dataclass(frozen=True, slots=True)
class Piece:
    """The characters [start, end) of a text, trimmed but for indentation; `grain` is the joint before them."""

    start: int
    end: int
    words: int
    grain: Grain


def count_words(text: str) -> int:
    """Count words: at least one a run of non-spaces, one a pair of characters in scripts written without spaces."""
    return len(_WORD.findall(text))


def cut(text: str, min_words: int, max_words: int) -> list[Piece]:
    """Cut `text` into pieces of at most `max_words`, which in order hold every character that is no white space.

    Paragraphs stay whole where they fit, else sentences and list items, else lines; what is longer still is cut
    between words into quarters of `max_words`.
    """
    pieces: list[Piece] = []
    for piece in _fit(text, 0, len(text), 0, "paragraph", max_words):
        last = pieces[-1] if pieces else None
        if last and (last.words + piece.words) * _TINY <= min_words:
            pieces[-1] = Piece(last.start, piece.end, last.words + piece.words, last.grain)
        else:
            pieces.append(piece)
    return pieces


def _fit(text: str, start: int, end: int, level: int, grain: Grain, max_words: int) -> Iterator[Piece]:
    """Cut [start, end) at the joints of `level` (an index into `_JOINTS`) and deeper; `grain` is the joint before."""
    if level == len(_JOINTS):
        yield from _between_words(text, start, end, grain, max(1, max_words // 4))
        return
    name, joint = _JOINTS[level]
    for part_start, part_end in _spans(text, start, end, joint):
        words = len(_WORD.findall(text, part_start, part_end))
        if words <= max_words:
            yield Piece(part_start, part_end, words, grain)
        else:
            yield from _fit(text, part_start, part_end, level + 1, grain, max_words)
        grain = name


def _spans(text: str, start: int, end: int, joint: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Yield the non-blank spans between the joints of [start, end), trimmed."""
    for match in joint.finditer(text, start, end):
        yield from _trimmed(text, start, match.start())
        start = match.end()
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield [start, end) without the white space around it, but with the indentation of its first line; or nothing."""
    part = text[start:end]
    if not part or part.isspace():
        return
    first = start + len(part) - len(part.lstrip())
    line = text.rfind("\n", start, first) + 1
    if not line and (start == 0 or text[start - 1] == "\n"):
        line = start
    yield (line if line or start == 0 else first), start + len(part.rstrip())


def _between_words(text: str, start: int, end: int, grain: Grain, step: int) -> Iterator[Piece]:
    first, words = start, 0
    last = start
    for match in _WORD.finditer(text, start, end):
        if words == step:
            yield Piece(first, last, words, grain)
            first, words, grain = match.start(), 0, "word"
        last = match.end()
        words += 1
    if words:
        yield Piece(first, last, words, grain)
