"""What lexical and vector search expect before anyone reads: μ, the prior's calibrated expectation of a passage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PriorHit:
    """A leaf that lexical or vector search found, and the relevance in [0, 1] expected of it."""

    leaf: int
    expected: float


@dataclass(frozen=True, slots=True)
class Prior:
    """What is expected before anyone reads: hits, best first, and the floor for everything that is not among them."""

    hits: tuple[PriorHit, ...] = ()
    floor: float = 0.05


# Shares of the fused score, and what it is worth; chosen on the tuning collections (benchmarks/fit_likelihood.py).
LEXICAL_SHARE = 0.7
FLOOR, TOP = 0.05, 0.75


def fuse(
    lexical: Sequence[tuple[int, float]], similar: Sequence[tuple[int, float]], limit: int
) -> list[tuple[int, float]]:
    """Fuse BM25 scores and cosine similarities into scores in [0, 1], best first, ties by id.

    Each list is scaled by its own best, so that a query's fused scores compare with one another.
    """
    by_words, by_vector = _scaled(lexical), _scaled(similar)
    fused = {
        passage: LEXICAL_SHARE * by_words.get(passage, 0.0) + (1 - LEXICAL_SHARE) * by_vector.get(passage, 0.0)
        for passage in by_words.keys() | by_vector.keys()
    }
    return sorted(fused.items(), key=lambda item: (-item[1], item[0]))[:limit]


def _scaled(scores: Sequence[tuple[int, float]]) -> dict[int, float]:
    best = max((score for _, score in scores), default=0.0)
    return {passage: score / best for passage, score in scores if score > 0.0} if best > 0.0 else {}


def prior_of(fused: Sequence[tuple[int, float]], leaf_of: Mapping[int, int]) -> Prior:
    """Make the prior of fused scores in [0, 1]; `leaf_of` maps a passage to its leaf."""
    hits = tuple(PriorHit(leaf_of[passage], FLOOR + (TOP - FLOOR) * score) for passage, score in fused)
    return Prior(hits, FLOOR)
