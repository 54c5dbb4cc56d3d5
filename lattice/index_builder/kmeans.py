"""Balanced spherical k-means: groups of bounded size around centres, by cosine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lattice.index_builder.fill import Groups, joined, target
from lattice.models.embedders import normalised
from lattice.types import Matrix

# Rounds of placing rows and moving centres; groups hardly change after that many.
ROUNDS = 10
# Centres that a row asks at a time, the nearest first; who finds all of them full asks the next.
CHOICES = 16
# Numbers in one block of products: 64 MB.
BLOCK = 1 << 24

Numbers = npt.NDArray[np.int64]


def kmeans(vectors: Matrix, limit: int, seed: int) -> Groups:
    """Part the rows of `vectors` (n, d), L2-normalised or zero, into groups of at most `limit` (at least 2) rows.

    Spherical k-means (Dhillon and Modha 2001) whose centres take no more than `limit` rows: pairs of row and centre
    are taken in the order of their cosines, and a row goes to the first centre that has room for it.
    """
    return joined(balanced(vectors, target(len(vectors), limit), limit, seed), vectors, limit)


def balanced(vectors: Matrix, count: int, capacity: int, seed: int) -> Groups:
    """Part the rows of `vectors` (n, d) into `count` groups of at most `capacity` rows; count · capacity ≥ n.

    Groups may be empty. Rows that are all alike go to groups in their order.
    """
    drawn = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:count])
    centres = vectors[drawn]
    labels = np.full(len(vectors), -1)
    for _ in range(ROUNDS):
        found = _placed(vectors, centres, capacity)
        if np.array_equal(found, labels):
            break
        labels = found
        centres = normalised(_sums(vectors, labels, count))
    order = np.argsort(labels, kind="stable")
    return [part.tolist() for part in np.split(order, np.searchsorted(labels[order], np.arange(1, count)))]


def _sums(vectors: Matrix, labels: Numbers, count: int) -> Matrix:
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    sums[present] = np.add.reduceat(vectors[order], starts, axis=0)
    return sums


def _placed(vectors: Matrix, centres: Matrix, capacity: int) -> Numbers:
    labels = np.full(len(vectors), -1)
    room = np.full(len(centres), capacity)
    while len(rows := np.flatnonzero(labels < 0)):
        free = np.flatnonzero(room > 0)
        _fill(labels, room, *_preferences(vectors, rows, centres, free))
    return labels


def _fill(labels: Numbers, room: Numbers, rows: list[int], wanted: list[int]) -> None:
    taken, left = labels.tolist(), room.tolist()
    for row, centre in zip(rows, wanted, strict=True):
        if taken[row] < 0 and left[centre]:
            taken[row] = centre
            left[centre] -= 1
    labels[:], room[:] = taken, left


def _preferences(vectors: Matrix, rows: Numbers, centres: Matrix, free: Numbers) -> tuple[list[int], list[int]]:
    """Give pairs of rows and of the `CHOICES` free centres nearest to each, by falling cosine, ties in their order."""
    choices = min(CHOICES, len(free))
    similar, chosen = [], []
    step = max(1, BLOCK // len(free))
    for start in range(0, len(rows), step):
        # Rounded, so that equal pairs are ties, which the lower numbers win.
        block = np.round(vectors[rows[start : start + step]] @ centres[free].T, 5)
        best = np.sort(np.argpartition(-block, choices - 1, axis=1)[:, :choices], axis=1)
        similar.append(np.take_along_axis(block, best, axis=1))
        chosen.append(best)
    order = np.argsort(-np.concatenate(similar).ravel(), kind="stable")
    wanted = free[np.concatenate(chosen).ravel()]
    return np.repeat(rows, choices)[order].tolist(), wanted[order].tolist()
