"""The nodes that a search by evidence has heard of, a row each, in arrays that grow."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lattice.traversal.calibration import Array
from lattice.types import Node

LOG_BRANCHING = math.log(12.5)  # a level for every so many leaves: a little over the usual branching of 12


class Level(NamedTuple):
    """The rows of one depth, the rows of their parents, and the part of its parent's leaves that each holds."""

    rows: npt.NDArray[np.intp]
    parent: npt.NDArray[np.intp]
    part: Array


class Heard:
    """What does not depend on scores, a row for each node heard of, in arrays that grow."""

    def __init__(self, discount: float, branches: float) -> None:
        self.count = 0
        self._discount, self._branches = discount, branches
        self._integers = np.zeros((3, 512), dtype=np.intp)  # id, parent's row, depth
        self._numbers = np.zeros((3, 512))  # leaves below, children, what reading the children is worth
        self._flags = np.zeros((2, 512), dtype=bool)  # is a leaf, is opened
        self._levels: list[list[int]] = []
        self._arrays: list[Level] = []

    def add(self, node: Node, parent: int) -> None:
        """Add a node below the row of its parent."""
        if self.count == self._integers.shape[1]:
            self._integers, self._numbers, self._flags = (
                np.concatenate([one, np.zeros_like(one)], axis=1)
                for one in (self._integers, self._numbers, self._flags)
            )
        self._integers[:, self.count] = node.id, parent, node.depth
        leaves = max(1, node.leaves)
        self._numbers[:, self.count] = (
            leaves,
            0,
            self._branches * self._discount ** int(math.log(leaves) / LOG_BRANCHING),
        )
        self._flags[0, self.count] = node.is_leaf
        while len(self._levels) <= node.depth:
            self._levels.append([])
        self._levels[node.depth].append(self.count)
        self.count += 1

    def open(self, row: int, children: int) -> None:
        """Note that a node was opened, and how many children it has."""
        self._flags[1, row] = True
        self._numbers[1, row] = children

    def levels(self) -> list[Level]:
        """Give every level, from the root's."""
        for depth, members in enumerate(self._levels):
            if depth == len(self._arrays) or len(members) > len(self._arrays[depth].rows):
                rows = np.array(members, dtype=np.intp)
                parent = self.parent[rows]
                self._arrays[depth : depth + 1] = [Level(rows, parent, self.leaves[rows] / self.leaves[parent])]
        return self._arrays

    @property
    def value(self) -> Array:
        """What reading the children of a row is worth where it is hot."""
        return self._numbers[2, : self.count]

    @property
    def ids(self) -> npt.NDArray[np.intp]:
        """Node ids."""
        return self._integers[0, : self.count]

    @property
    def parent(self) -> npt.NDArray[np.intp]:
        """Rows of the parents; the root's is its own."""
        return self._integers[1, : self.count]

    @property
    def depth(self) -> npt.NDArray[np.intp]:
        """Depths."""
        return self._integers[2, : self.count]

    @property
    def leaves(self) -> Array:
        """Leaves at or below."""
        return self._numbers[0, : self.count]

    @property
    def children(self) -> Array:
        """Children, once a node is opened."""
        return self._numbers[1, : self.count]

    @property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        """Which rows are leaves."""
        return self._flags[0, : self.count]

    @property
    def is_opened(self) -> npt.NDArray[np.bool_]:
        """Which were opened."""
        return self._flags[1, : self.count]

    @property
    def is_frontier(self) -> npt.NDArray[np.bool_]:
        """Which could be opened."""
        return ~(self.is_leaf | self.is_opened)
