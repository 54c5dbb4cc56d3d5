"""What a person sees of a hit: the stretch of the passage that answers to the query, with its words marked."""

from __future__ import annotations

import re

from lattice.tokens import stem, tokens
from lattice.traversal.windows import best_window, query_stems

SNIPPET_WORDS = 40
_SPACE = re.compile(r"\s+")
_GAP = "…"


def snippet(query: str, text: str, max_words: int = SNIPPET_WORDS) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Give the best stretch of `text` on one line, and the characters [start, end) in it that match the query."""
    stems = query_stems(query)
    start, end = best_window(text, stems, max_words)
    shown = _SPACE.sub(" ", text[start:end]).strip()
    before = f"{_GAP} " if text[:start].strip() else ""
    after = f" {_GAP}" if text[end:].strip() else ""
    shown = f"{before}{shown}{after}"
    return shown, _marks(shown, stems)


def _marks(text: str, stems: frozenset[str]) -> tuple[tuple[int, int], ...]:
    marks: list[tuple[int, int]] = []
    for start, end in sorted({(t.start, t.end) for t in tokens(text) if stem(t.word) in stems}):
        if marks and start <= marks[-1][1]:
            marks[-1] = (marks[-1][0], max(end, marks[-1][1]))
        else:
            marks.append((start, end))
    return tuple(marks)
