"""Groups of at most M vectors: size-capped agglomerative merging on the graph of nearest neighbours."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lattice.index_builder.fill import Groups, target
from lattice.index_builder.neighbours import neighbours
from lattice.models.embedders import normalised
from lattice.types import Matrix

# Neighbours a group looks at for a partner, in each round of merging.
NEIGHBOURS = 20
Sum = npt.NDArray[np.float64]


@dataclass(slots=True)
class _Merging:
    """Groups while they merge: `members`, the `sums` of their vectors, and which groups are `near` each."""

    limit: int
    members: dict[int, list[int]]
    sums: dict[int, Sum]
    following: int
    near: dict[int, set[int]] = field(default_factory=dict)
    queue: list[tuple[float, int, int]] = field(default_factory=list)

    def propose(self, a: int, b: int) -> None:
        """Queue the pair by the mean similarity between their members, if it fits in one group."""
        size_a, size_b = len(self.members[a]), len(self.members[b])
        if size_a + size_b <= self.limit:
            # Rounded, so that equal pairs are ties, which the lower ids win.
            similarity = round(float(self.sums[a] @ self.sums[b]) / (size_a * size_b), 6)
            heapq.heappush(self.queue, (-similarity, min(a, b), max(a, b)))

    def merge(self, a: int, b: int) -> None:
        """Make one new group of two, near to all that either was near to."""
        new, self.following = self.following, self.following + 1
        self.members[new] = self.members.pop(a) + self.members.pop(b)
        self.sums[new] = self.sums.pop(a) + self.sums.pop(b)
        self.near[new] = {other for other in self.near.pop(a) | self.near.pop(b) if other in self.members}
        for other in sorted(self.near[new]):
            self.near[other].add(new)
            self.propose(new, other)


def agglomerative(vectors: Matrix, limit: int, seed: int) -> Groups:
    """Part the rows of `vectors` (n, d), L2-normalised or zero, into groups of 1 to `limit` (at least 2) rows.

    Average linkage: the two groups A, B with the largest mean similarity Σ_A x · Σ_B y / (|A| |B|) merge while they
    fit, until about n / (FILL · limit) are left. A group of one is left only where no other group has room. Groups
    stand in the order of their first rows, rows ascending.
    """
    wanted = target(len(vectors), limit)
    rows = vectors.astype(np.float64)
    groups = _Merging(limit, {i: [i] for i in range(len(rows))}, dict(enumerate(rows)), len(rows))
    while len(groups.members) > wanted and _merge_round(groups, wanted, seed):
        pass
    _dissolve(groups, rows, wanted)
    return sorted(sorted(members) for members in groups.members.values())


def _merge_round(groups: _Merging, wanted: int, seed: int) -> bool:
    before = len(groups.members)
    _link(groups, seed)
    while groups.queue and len(groups.members) > wanted:
        _, a, b = heapq.heappop(groups.queue)
        if a in groups.members and b in groups.members:
            groups.merge(a, b)
    return len(groups.members) < before


def _link(groups: _Merging, seed: int) -> None:
    open_groups = sorted(
        (group for group, members in groups.members.items() if len(members) < groups.limit),
        key=lambda group: min(groups.members[group]),
    )
    centroids = np.array([groups.sums[group] for group in open_groups], dtype=np.float32)
    found, _ = neighbours(normalised(centroids), NEIGHBOURS, seed)
    groups.near, groups.queue = {group: set() for group in open_groups}, []
    pairs = {(min(i, j), max(i, j)) for i, row in enumerate(found.tolist()) for j in row}
    # Following one another counts as near too: equal and unknown vectors, whose nearest neighbours are all the same few
    # rows, still find partners, and those stand beside them in the corpus.
    pairs |= set(pairwise(range(len(open_groups))))
    for i, j in sorted(pairs):
        a, b = open_groups[i], open_groups[j]
        groups.near[a].add(b)
        groups.near[b].add(a)
        groups.propose(a, b)


def _dissolve(groups: _Merging, rows: Sum, wanted: int) -> None:
    by_size = sorted(groups.members, key=lambda group: (len(groups.members[group]), min(groups.members[group])))
    for group in by_size:
        members = groups.members[group]
        # An earlier one may have grown by what was placed in it.
        if len(groups.members) <= wanted and len(members) > 1:
            continue
        room = sum(groups.limit - len(others) for others in groups.members.values()) - groups.limit + len(members)
        if room < len(members):
            break
        del groups.members[group], groups.sums[group]
        for row in members:
            _place(groups, row, rows[row])


def _place(groups: _Merging, row: int, vector: Sum) -> None:
    free = [group for group in groups.members if len(groups.members[group]) < groups.limit]
    sizes = np.array([len(groups.members[group]) for group in free])
    similarities = np.round(np.array([groups.sums[group] for group in free]) @ vector / sizes, 6)
    best = free[int(similarities.argmax())]
    groups.members[best].append(row)
    groups.sums[best] = groups.sums[best] + vector
