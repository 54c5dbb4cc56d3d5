"""The nearest neighbours of every vector of a set: exact while that is quick, approximate above."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lattice.types import Matrix

# Exact search compares all pairs: 20,000 vectors take some seconds, and time grows with the square of their number.
EXACT_UP_TO = 20_000
# Rows compared in one matrix product: 512 rows against 20,000 are 41 MB.
BLOCK = 512
# Equal vectors may differ by this much after a float32 product of some hundred terms; closer than that is a tie.
TIE = 1e-6
# hnswlib's graph: links a vector, and the width of the beam while building and while searching.
LINKS = 16
BUILD_BEAM = 120
SEARCH_BEAM = 80

Indices = npt.NDArray[np.int64]


def neighbours(vectors: Matrix, k: int, seed: int, exact_up_to: int = EXACT_UP_TO) -> tuple[Indices, Matrix]:
    """Give the `k` nearest other rows of each row of `vectors` (n, d), L2-normalised, by cosine.

    Returns indices (n, k) and similarities (n, k), the nearest first and ties by index, with k lowered to n - 1 where
    there are no more rows. Exact up to `exact_up_to` rows; above that one thread builds and searches an HNSW graph.
    """
    k = max(0, min(k, len(vectors) - 1))
    if k == 0:
        return np.zeros((len(vectors), 0), dtype=np.int64), np.zeros((len(vectors), 0), dtype=np.float32)
    if len(vectors) <= exact_up_to:
        return _exact(vectors, k)
    return _approximate(vectors, k, seed)


def _exact(vectors: Matrix, k: int) -> tuple[Indices, Matrix]:
    indices = np.empty((len(vectors), k), dtype=np.int64)
    similarities = np.empty((len(vectors), k), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, min(start + BLOCK, len(vectors)))
        block = vectors[rows] @ vectors.T
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = -np.inf
        indices[rows] = _nearest(block, k)
        similarities[rows] = np.take_along_axis(block, indices[rows], axis=1)
    return indices, similarities


def _nearest(block: Matrix, k: int) -> Indices:
    found = np.argpartition(block, -k, axis=1)[:, -k:].astype(np.int64)
    last = np.take_along_axis(block, found, axis=1).min(axis=1, keepdims=True)
    crowded = np.count_nonzero(block >= last - TIE, axis=1) > k
    for row in np.flatnonzero(crowded):
        # What is not clear is tied: a second comparison would round otherwise, and leave a row out.
        clear = block[row] > last[row] + TIE
        tied = ~clear & (block[row] >= last[row] - TIE)
        found[row] = np.concatenate([np.flatnonzero(clear), np.flatnonzero(tied)])[:k]
    return _sorted(found, np.take_along_axis(block, found, axis=1))


def _sorted(found: Indices, similarities: Matrix) -> Indices:
    order = np.lexsort((found, -np.round(similarities, 6)), axis=1)
    return np.asarray(np.take_along_axis(found, order, axis=1), dtype=np.int64)


def _approximate(vectors: Matrix, k: int, seed: int) -> tuple[Indices, Matrix]:
    import hnswlib

    graph = hnswlib.Index(space="ip", dim=vectors.shape[1])
    graph.init_index(max_elements=len(vectors), M=LINKS, ef_construction=BUILD_BEAM, random_seed=seed)
    graph.add_items(vectors, num_threads=1)
    graph.set_ef(max(SEARCH_BEAM, 2 * k))
    # One more than asked for, because a row usually finds itself.
    labels, _ = graph.knn_query(vectors, k=k + 1, num_threads=1)
    found = _without_self(labels.astype(np.int64))
    found = _sorted(found, _cosines(vectors, found))
    return found, _cosines(vectors, found)


def _without_self(labels: Indices) -> Indices:
    own = labels == np.arange(len(labels))[:, None]
    own[~own.any(axis=1), -1] = True
    return np.asarray(labels[~own].reshape(len(labels), -1), dtype=np.int64)


def _cosines(vectors: Matrix, found: Indices) -> Matrix:
    blocks = [slice(start, start + BLOCK) for start in range(0, len(found), BLOCK)]
    return np.concatenate([np.einsum("nd,nkd->nk", vectors[rows], vectors[found[rows]]) for rows in blocks])
