"""How many groups of at most M a set is parted into, and what keeps them from being too small."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from lattice.types import Matrix

# How full groups should be: full ones cannot take a better fit, half-empty ones make the tree deeper.
FILL = 0.83
# Filled to this, groups are still fair; allowed where it saves a level of the tree.
DENSE = 0.95

Groups = list[list[int]]


def target(count: int, limit: int) -> int:
    """Give the number of groups to aim for: filled to FILL, or to DENSE where the tree then needs a level less."""
    usual, dense = max(2.0, FILL * limit), max(2.0, DENSE * limit)
    return math.ceil(count / (dense if _levels(count, dense, limit) < _levels(count, usual, limit) else usual))


def _levels(count: int, width: float, limit: int) -> int:
    levels = 0
    while count > limit:
        count, levels = math.ceil(count / width), levels + 1
    return levels


def ordered(groups: Iterable[Iterable[int]]) -> Groups:
    """Give the groups that hold any row in the order of their first rows, rows ascending."""
    return sorted(rows for group in groups if (rows := sorted(int(row) for row in group)))


def joined(groups: Groups, vectors: Matrix, limit: int) -> Groups:
    """Join groups that are at most half full to those most like them that have room, the smallest first."""
    found = ordered(groups)
    sizes = np.array([len(group) for group in found])
    sums = np.array([vectors[group].sum(axis=0, dtype=np.float64) for group in found])
    while len(found) and 2 * sizes.min() <= limit:
        small = int(sizes.argmin())
        similar = np.round(sums @ sums[small] / sizes, 6)
        similar[sizes + sizes[small] > limit] = -np.inf
        similar[small] = -np.inf
        other = int(similar.argmax())
        if similar[other] == -np.inf:
            break
        found[other] += found[small]
        sums[other] += sums[small]
        sizes[other] += sizes[small]
        # Gone; a size above any limit keeps it from being looked at again.
        found[small], sizes[small] = [], limit + 1
    return ordered(found)
