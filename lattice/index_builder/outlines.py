"""A document's own structure: its passages by its headings, then by position."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from lattice.index_builder.branches import Branch
from lattice.types import NodeKind, Passage


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring passages below one heading; `heading` is empty where they have none at this level."""

    heading: str
    leaves: tuple[int, ...]


def documents(passages: Sequence[Passage], branching: int, loose: int = 1) -> list[Branch]:
    """Give one branch a document, a node of kind "document" over its passages.

    A document of `loose` passages or fewer gives these as leaves instead.
    """
    units = []
    for _, group in groupby(range(len(passages)), key=lambda i: passages[i].document):
        leaves = tuple(group)
        if len(leaves) <= loose:
            units += [Branch("passage", passage=leaf) for leaf in leaves]
            continue
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
