"""The stretch of a long text that a reader should see first: where the query's words stand densest."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import accumulate

from lattice.tokens import STOPWORDS, stem, tokens

_RUN = re.compile(r"\S+")
_SENTENCE_END = (".", "!", "?", "。", "！", "？", ":")
# A run without spaces counts a word for every so many characters, so that unspaced scripts are cut as well.
_CHARACTERS_A_WORD = 12


def query_stems(query: str) -> frozenset[str]:
    """Give the distinct content stems of a query, or all its stems where it holds function words only."""
    words = [token.word for token in tokens(query)]
    return frozenset(stem(word) for word in words if word not in STOPWORDS) or frozenset(map(stem, words))


def best_window(text: str, stems: Collection[str], max_words: int) -> tuple[int, int]:
    """Give the characters [start, end) of the stretch of at most `max_words` words that holds most of `stems`.

    A distinct stem counts more than any repetition. Of the first run of equally good stretches the middle one is taken,
    so that the matches have company on both sides, moved back to the beginning of a sentence where that keeps them all.
    """
    runs = _pieces(text)
    if not runs:
        return 0, 0
    if len(runs) <= max_words:
        return runs[0][0], runs[-1][1]
    found = _stems_of_runs(text, runs, frozenset(stems))
    earliest, latest = _densest(found, max_words)
    first = _sentence_start(text, runs, (earliest + latest + 1) // 2, earliest)
    return runs[first][0], runs[first + max_words - 1][1]


def first_words(text: str, words: int) -> str:
    """Give the beginning of a text, at most `words` words long."""
    runs = _pieces(text)
    return text if len(runs) <= words else text[: runs[words - 1][1]]


def _pieces(text: str) -> list[tuple[int, int]]:
    pieces = []
    for match in _RUN.finditer(text):
        start, end = match.span()
        step = end - start if match.group().isascii() and end - start < 4 * _CHARACTERS_A_WORD else _CHARACTERS_A_WORD
        pieces += [(at, min(at + step, end)) for at in range(start, end, step)]
    return pieces


def _stems_of_runs(text: str, runs: list[tuple[int, int]], wanted: frozenset[str]) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in runs]
    at = 0
    for token in tokens(text):
        while at + 1 < len(runs) and runs[at][1] <= token.start:
            at += 1
        reduced = stem(token.word)
        if reduced in wanted:
            found[at].append(reduced)
    return found


def _densest(found: list[list[str]], size: int) -> tuple[int, int]:
    """Give the first and the last beginning of the first run of the best stretches of `size` words."""
    counts: dict[str, int] = {}
    total = list(accumulate(map(len, found), initial=0))
    earliest = latest = 0
    best = (-1, -1)
    for end in range(len(found)):
        for word in found[end]:
            counts[word] = counts.get(word, 0) + 1
        begin = end - size + 1
        if begin > 0:
            _forget(counts, found[begin - 1])
        if begin < 0:
            continue
        score = (len(counts), total[end + 1] - total[begin])
        if score > best:
            best, earliest, latest = score, begin, begin
        elif score == best and latest == begin - 1:
            latest = begin
    return (0, 0) if best[0] == 0 else (earliest, latest)


def _forget(counts: dict[str, int], gone: list[str]) -> None:
    for word in gone:
        counts[word] -= 1
        if not counts[word]:
            del counts[word]


def _sentence_start(text: str, runs: list[tuple[int, int]], first: int, earliest: int) -> int:
    for at in range(first, earliest - 1, -1):
        if at == 0 or text[runs[at - 1][1] - 1] in _SENTENCE_END or "\n\n" in text[runs[at - 1][1] : runs[at][0]]:
            return at
    return first
