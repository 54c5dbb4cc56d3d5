"""The tree, from its leaves up: a document's passages by its headings, documents by their likeness, level by level."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from lattice.index_builder.clustering import clusters
from lattice.types import Matrix, NodeKind, Passage


@dataclass(frozen=True, slots=True)
class Branch:
    """A node that has no number yet: its children in order, or the 0-based index of its passage.

    `headings` are what the author called it: the title of a document, the headings that a section holds.
    """

    kind: NodeKind
    children: tuple[Branch, ...] = ()
    passage: int | None = None
    headings: tuple[str, ...] = ()

    def leaves(self) -> Iterator[int]:
        """Yield the indices of the passages below, in order."""
        if self.passage is not None:
            yield self.passage
        for child in self.children:
            yield from child.leaves()


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring passages below one heading; `heading` is empty where they have none at this level."""

    heading: str
    leaves: tuple[int, ...]


def grow(passages: Sequence[Passage], vectors: Matrix, branching: int, seed: int) -> Branch:
    """Grow the tree of `passages`, which stand in the order of (document, position), with `vectors` (n, d).

    Every node has at most `branching` (the paper's M, at least 2) children, and at least two unless it is the root of
    fewer than two passages.
    """
    units = documents(passages, branching)
    rows = np.array([_mean(vectors[list(unit.leaves())]) for unit in units], dtype=np.float32)
    while len(units) > branching:
        groups = clusters(rows, branching, seed)
        units = [_joined([units[i] for i in group]) for group in groups]
        rows = np.array([_mean(rows[group]) for group in groups], dtype=np.float32)
    if len(units) == 1 and units[0].children:
        return Branch("root", units[0].children, headings=units[0].headings)
    return Branch("root", tuple(units))


def documents(passages: Sequence[Passage], branching: int) -> list[Branch]:
    """Give one branch a document: its only passage as a leaf, or a node of kind "document" over its passages."""
    units = []
    for _, group in groupby(range(len(passages)), key=lambda i: passages[i].document):
        leaves = tuple(group)
        title = passages[leaves[0]].title
        units.append(_branch("document", passages, leaves, 0, branching, (title,) if title else ()))
    return units


def _branch(
    kind: NodeKind,
    passages: Sequence[Passage],
    leaves: tuple[int, ...],
    level: int,
    limit: int,
    headings: tuple[str, ...],
) -> Branch:
    if len(leaves) == 1:
        return Branch("passage", passage=leaves[0])
    if len(leaves) <= limit:
        return Branch(kind, tuple(Branch("passage", passage=leaf) for leaf in leaves), headings=headings)
    return Branch(kind, _divided(passages, leaves, level, limit), headings=headings)


def _divided(passages: Sequence[Passage], leaves: tuple[int, ...], level: int, limit: int) -> tuple[Branch, ...]:
    if all(len(passages[leaf].heading) <= level for leaf in leaves):
        return _packed([Branch("passage", passage=leaf) for leaf in leaves], limit)
    runs = _runs(passages, leaves, level)
    if len(runs) == 1:
        return _divided(passages, leaves, level + 1, limit)
    sections = []
    for group in _fused(runs, limit) if len(runs) > limit else [[run] for run in runs]:
        members = tuple(leaf for run in group for leaf in run.leaves)
        headings = tuple(run.heading for run in group if run.heading)
        sections.append(_branch("section", passages, members, level + (len(group) == 1), limit, headings))
    return _packed(sections, limit)


def _runs(passages: Sequence[Passage], leaves: tuple[int, ...], level: int) -> list[_Run]:
    def heading(leaf: int) -> str:
        path = passages[leaf].heading
        return path[level] if level < len(path) else ""

    return [_Run(name, tuple(group)) for name, group in groupby(leaves, key=heading)]


def _fused(runs: list[_Run], limit: int) -> list[list[_Run]]:
    groups: list[list[_Run]] = []
    size = limit + 1
    for run in runs:
        if size + len(run.leaves) > limit:
            groups.append([])
            size = 0
        groups[-1].append(run)
        size += len(run.leaves)
    return groups


def _packed(branches: list[Branch], limit: int) -> tuple[Branch, ...]:
    while len(branches) > limit:
        count = math.ceil(len(branches) / limit)
        bounds = [len(branches) * i // count for i in range(count + 1)]
        branches = [_section(branches[start:end]) for start, end in pairwise(bounds)]
    return tuple(branches)


def _section(parts: list[Branch]) -> Branch:
    if len(parts) == 1:
        return parts[0]
    return Branch("section", tuple(parts), headings=tuple(name for part in parts for name in part.headings))


def _joined(units: list[Branch]) -> Branch:
    return units[0] if len(units) == 1 else Branch("cluster", tuple(units))


def _mean(rows: Matrix) -> Matrix:
    total = rows.sum(axis=0)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length if length > 0 else total, dtype=np.float32)
