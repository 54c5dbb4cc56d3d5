"""A split by vectors alone: spherical k-means into parts of bounded size, for where no model can say what belongs."""

from __future__ import annotations

import math

from lattice.index_builder.duplicates import reunited
from lattice.index_builder.fill import FILL, Groups, ordered
from lattice.index_builder.kmeans import balanced
from lattice.types import Matrix


def divided(vectors: Matrix, limit: int, seed: int) -> Groups:
    """Part the rows of `vectors` (n, d), n > `limit` ≥ 2, L2-normalised or zero, into 2 to `limit` groups.

    Each is small enough that the tree over all is as shallow as it can be; near-duplicates share a group where they
    fit. Groups stand in the order of their first rows, rows ascending.
    """
    count = len(vectors)
    room = limit
    while room * limit < count:
        room *= limit
    # The lowest nodes are filled, and the root is thin for it. With as many children on every level, a judge who knows
    # has seen .386 in place of .935 of the relevant on pony-docs-rebuilt after 20 slates: they show fewer passages.
    wanted = min(limit, max(2, math.ceil(count / (FILL * room))))
    found = ordered(balanced(vectors, wanted, room, seed))
    return _bounded(reunited(found, vectors, room), found, limit)


def _bounded(groups: Groups, before: Groups, limit: int) -> Groups:
    """Give the groups, or those of before where sets of near-duplicates have made too many or too few of them."""
    return groups if 2 <= len(groups) <= limit else before
