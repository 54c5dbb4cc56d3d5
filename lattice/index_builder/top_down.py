"""The tree, from its root down: a model sorts summaries into topics; where it can't, vectors do (method.md §1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lattice.index_builder.branches import Branch
from lattice.index_builder.divisive import divided
from lattice.index_builder.fill import FILL
from lattice.index_builder.grafting import layered_in_parts
from lattice.index_builder.levels import Levels, levels_by_rule
from lattice.index_builder.organising import Organising, Progress, Split
from lattice.index_builder.summaries import ExtractiveSummarizer
from lattice.index_builder.topics import Topic, selected
from lattice.jobs import HERE, Workers
from lattice.types import Group, Matrix

# More than these are first grouped by likeness, bottom-up, into pseudo-leaves: a model has to read each.
MOST_UNITS = 5_000


@dataclass(frozen=True, slots=True)
class TopDown:
    """Organises branches top-down; made once for a corpus. `openings[i]` are the first words of passage i.

    `branching` is the paper's M; `clusterer` makes the pseudo-leaves where there are more than `most_units`, and
    `workers` do that where there are very many.
    """

    organising: Organising
    extractive: ExtractiveSummarizer
    openings: Sequence[str]
    branching: int
    seed: int
    clusterer: str
    report: Progress
    most_units: int = MOST_UNITS
    workers: Workers = HERE

    def gather(self, units: list[Branch], rows: Matrix) -> list[Branch]:
        """Give at most `branching` branches over all units, whose vectors are `rows` (n, d), L2-normalised or zero."""
        bounds = (self.branching, self.seed, self.clusterer, self.most_units)
        units, rows = layered_in_parts(units, rows, *bounds, self.workers)
        if len(units) <= self.branching:
            return list(units)
        texts = [self.shown(unit) for unit in units]
        levels = self.organising.summaries(texts, self.report)
        if levels is not None:
            units = [replace(unit, summaries=one if all(one) else ()) for one, unit in zip(levels, units, strict=True)]
            levels = [self._filled(one, unit) for one, unit in zip(levels, units, strict=True)]
        root = _Node(Topic(tuple(range(len(units)))))
        self._divide(root, rows, levels)
        return [_branch(child, units) for child in root.children]

    def _divide(self, root: _Node, rows: Matrix, levels: Sequence[Levels] | None) -> None:
        waiting = [root]
        while waiting:
            splits = [self._split(node, rows, levels) for node in waiting]
            found = self.organising.topics(splits, self.branching, self.report)
            for node, split, topics in zip(waiting, splits, found, strict=True):
                parts = topics or [Topic(tuple(part)) for part in divided(split.vectors, self.branching, self.seed)]
                node.children = [node.child(part) for part in parts]
            waiting = [child for node in waiting for child in node.children if len(child.members) > self.branching]

    def _split(self, node: _Node, rows: Matrix, levels: Sequence[Levels] | None) -> Split:
        own = [levels[place] for place in node.members] if levels is not None else []
        return Split(selected(own, self.branching), rows[list(node.members)], node.path)

    def shown(self, unit: Branch) -> str:
        """Give what a model is shown of a unit: what it is called and its first words, or its description."""
        if unit.passage is None:
            return self.extractive.describe(_group(unit))
        title, opening = self.extractive.titles[unit.passage], self.openings[unit.passage]
        return opening if opening.startswith(title) else f"{title}: {opening}"

    def _filled(self, levels: Levels, unit: Branch) -> Levels:
        if all(levels):
            return levels
        self.organising.by_rule += 1
        leaves = list(unit.leaves())
        title = self.extractive.titles[leaves[0]] if unit.passage is not None else " ".join(unit.headings)
        return levels_by_rule(title, self.extractive.terms(leaves))


def organised_units(count: int, branching: int) -> int:
    """Give about how many units are organised of so many: pseudo-leaves, where these are more than MOST_UNITS."""
    while count > MOST_UNITS:
        count = math.ceil(count / (FILL * branching))
    return count


@dataclass(slots=True)
class _Node:
    """A topic in the tree: the places of its units among all, the names on the way to it, its own topics."""

    topic: Topic
    path: str = ""
    children: list[_Node] = field(default_factory=list)

    @property
    def members(self) -> tuple[int, ...]:
        return self.topic.members

    def child(self, part: Topic) -> _Node:
        """Give the node of a topic whose members are counted among this node's."""
        own = Topic(tuple(self.members[place] for place in part.members), part.name, part.said)
        return _Node(own, " > ".join(name for name in (self.path, part.name) if name))


def _branch(node: _Node, units: Sequence[Branch]) -> Branch:
    if len(node.members) == 1:
        return units[node.members[0]]
    below = [_branch(child, units) for child in node.children] or [units[place] for place in node.members]
    return Branch("cluster", tuple(below), name=node.topic.name, said=node.topic.said)


def _group(unit: Branch) -> Group:
    return Group([list(child.leaves()) for child in unit.children], unit.headings, (), unit.said)
