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


# What a fused score is worth; chosen on the tuning collections (benchmarks/fit_likelihood.py).
FLOOR, TOP = 0.05, 0.75


# What the best match of words that a model expects in an answer is worth beside the best match of the user's own words:
# it may lift a passage, and never past what the user said by itself (benchmarks/understanding.py).
VOCABULARY_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the fused score: of words against vectors, and of the whole document against the passage alone.

    `terms` is the share of sparse vectors in that of the vectors, where there are any. The others were chosen on the
    tuning collections, where the optimum is flat (benchmarks/first_stage.py).
    """

    words: float = 0.7
    documents: float = 0.5
    terms: float = 0.5


DEFAULT_SHARES = Shares()


@dataclass(frozen=True, slots=True)
class Found:
    """What was found by words (BM25) and by vectors (cosine): (id, score), of passages or of documents.

    `terms` is what was found by sparse vectors (dot product), where an index has them.
    """

    words: Sequence[tuple[int, float]] = ()
    vectors: Sequence[tuple[int, float]] = ()
    terms: Sequence[tuple[int, float]] = ()


def fuse(
    passages: Found, documents: Found, document_of: Mapping[int, int], limit: int, shares: Shares = DEFAULT_SHARES
) -> list[tuple[int, float]]:
    """Score the passages found, in [0, 1], best first, ties by id.

    A passage says where the words stand; its document has words together that no passage of it has. Each list is
    scaled by its own best, so that a query's fused scores compare with one another.
    """
    own, whole = _mixed(passages, shares), _mixed(documents, shares)
    fused = {
        passage: (1 - shares.documents) * score + shares.documents * whole.get(document_of[passage], 0.0)
        for passage, score in own.items()
    }
    return sorted(fused.items(), key=lambda item: (-item[1], item[0]))[:limit]


def added(own: Sequence[tuple[int, float]], more: Sequence[tuple[int, float]], share: float) -> list[tuple[int, float]]:
    """Add to what was found by the user's words what was found by others: at most `share` of the best own score."""
    best = max((score for _, score in own), default=0.0) or 1.0
    extra = _scaled(more)
    total = dict(own)
    for one, score in extra.items():
        total[one] = total.get(one, 0.0) + share * best * score
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))


def _mixed(found: Found, shares: Shares) -> dict[int, float]:
    words, vectors, terms = _scaled(found.words), _scaled(found.vectors), _scaled(found.terms)
    of_terms = (1 - shares.words) * shares.terms if terms else 0.0
    of_vectors = 1 - shares.words - of_terms
    return {
        one: shares.words * words.get(one, 0.0) + of_vectors * vectors.get(one, 0.0) + of_terms * terms.get(one, 0.0)
        for one in words.keys() | vectors.keys() | terms.keys()
    }


def _scaled(scores: Sequence[tuple[int, float]]) -> dict[int, float]:
    best = max((score for _, score in scores), default=0.0)
    return {one: score / best for one, score in scores if score > 0.0} if best > 0.0 else {}


def prior_of(fused: Sequence[tuple[int, float]], leaf_of: Mapping[int, int]) -> Prior:
    """Make the prior of fused scores in [0, 1]; `leaf_of` maps a passage to its leaf."""
    hits = tuple(PriorHit(leaf_of[passage], FLOOR + (TOP - FLOOR) * score) for passage, score in fused)
    return Prior(hits, FLOOR)
