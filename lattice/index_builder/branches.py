"""The tree while it grows: branches without numbers, and what is done with several of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lattice.index_builder.clustering import clusters
from lattice.types import Matrix, NodeKind


@dataclass(frozen=True, slots=True)
class Branch:
    """A node that has no number yet: its children in order, or the 0-based index of its passage.

    `headings` are what the author called it: the title of a document, the headings that a section holds. `name` and
    `said` are what a model called it and said of it, when it made it; `summaries` are those of five lengths that a
    model wrote of it (`levels`).
    """

    kind: NodeKind
    children: tuple[Branch, ...] = ()
    passage: int | None = None
    headings: tuple[str, ...] = ()
    name: str = ""
    said: str = ""
    summaries: tuple[str, ...] = ()

    def leaves(self) -> Iterator[int]:
        """Yield the indices of the passages below, in order."""
        if self.passage is not None:
            yield self.passage
        for child in self.children:
            yield from child.leaves()


def gathered(units: Sequence[Branch], rows: Matrix, branching: int, seed: int, clusterer: str) -> list[Branch]:
    """Cluster branches, whose vectors are `rows`, level by level until at most `branching` are left."""
    return layered(units, rows, branching, seed, clusterer, branching)[0]


def layered(
    units: Sequence[Branch], rows: Matrix, branching: int, seed: int, clusterer: str, at_most: int
) -> tuple[list[Branch], Matrix]:
    """Cluster branches, whose vectors are `rows`, level by level until at most `at_most` are left, with theirs."""
    found = list(units)
    while len(found) > at_most:
        groups = clusters(rows, branching, seed, clusterer)
        found = [_joined([found[i] for i in group]) for group in groups]
        rows = np.array([mean(rows[group]) for group in groups], dtype=np.float32)
    return found, rows


def mean(rows: Matrix) -> Matrix:
    """Give the direction of the sum of `rows`, (d,); zero where the sum is."""
    total = rows.sum(axis=0)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length if length > 0 else total, dtype=np.float32)


def _joined(units: list[Branch]) -> Branch:
    return units[0] if len(units) == 1 else Branch("cluster", tuple(units))
