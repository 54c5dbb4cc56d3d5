"""Large sets are first parted by bisecting k-means, so that the work grows with their number and not its square."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lattice.models.embedders import normalised
from lattice.types import Matrix

# Rounds of two-means; the boundary hardly moves after that.
ROUNDS = 10
# The smaller half holds at least this share, so that the parts are few and none is tiny.
SMALLEST = 0.25


def parts(vectors: Matrix, at_most: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """Part the rows of `vectors` (n, d), L2-normalised or zero, into parts of at most `at_most` rows, rows ascending.

    Bisecting spherical k-means (Steinbach, Karypis and Kumar 2000) with a bound on how uneven a cut may be. Depends on
    the vectors and the seed alone.
    """
    found = []
    waiting = [np.arange(len(vectors), dtype=np.int64)]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= at_most:
            found.append(rows)
        else:
            left, right = _halves(vectors[rows], seed)
            waiting += [rows[right], rows[left]]
    return found


def _halves(vectors: Matrix, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    centres = vectors[np.random.default_rng(seed).choice(len(vectors), 2, replace=False)]
    low = max(1, int(SMALLEST * len(vectors)))
    for _ in range(ROUNDS):
        # Rounded, so that rows that are alike are ties, which keep their order.
        nearer = np.round(vectors @ (centres[0] - centres[1]), 5)
        order = np.argsort(-nearer, kind="stable")
        cut = int(np.clip(np.count_nonzero(nearer > 0), low, len(vectors) - low))
        left, right = np.sort(order[:cut]), np.sort(order[cut:])
        centres = normalised(np.array([vectors[left].sum(axis=0), vectors[right].sum(axis=0)]))
    return left, right
