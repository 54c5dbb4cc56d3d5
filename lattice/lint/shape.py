"""What can be told of a tree by looking at it: shape, balance, empty nodes, siblings that are alike."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lattice.lint.report import Finding, Shape
from lattice.lint.words import terms_of
from lattice.types import Matrix, Node

# Two descriptions that share this much of their words (Jaccard), or two passages whose vectors have this cosine, cannot
# be told apart: at 14 terms a description one differing term leaves .87.
ALIKE_WORDS = 0.8
ALIKE_VECTORS = 0.995
# Below it the way down divides nearly nothing: of 12 children one holds more than 85%.
UNBALANCED = 0.3
# A node over fewer passages is cheap to read whole, however it is divided.
FEWEST_LEAVES = 12


@dataclass(frozen=True)
class Outline:
    """A tree, or a part of it, in memory: the nodes parents first, the topmost at the beginning."""

    nodes: tuple[Node, ...]

    @cached_property
    def by_id(self) -> dict[int, Node]:
        """The nodes by their ids."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def children(self) -> dict[int, tuple[Node, ...]]:
        """The children of every node that has any, in order."""
        found: dict[int, list[Node]] = {}
        for node in self.nodes[1:]:
            assert node.parent is not None
            found.setdefault(node.parent, []).append(node)
        return {parent: tuple(below) for parent, below in found.items()}

    @property
    def top(self) -> Node:
        """The topmost node."""
        return self.nodes[0]

    def trail(self, node: int) -> tuple[int, ...]:
        """Give the nodes from the topmost down to `node`, both included."""
        found = [node]
        while found[-1] != self.top.id:
            above = self.by_id[found[-1]].parent
            assert above is not None
            found.append(above)
        return tuple(reversed(found))


def outline_of(nodes: Sequence[Node], top: int) -> Outline:
    """Give the part of a tree that hangs on `top`; `nodes` stand parents first."""
    kept: set[int] = {top}
    found = []
    for node in nodes:
        if node.id == top or node.parent in kept:
            kept.add(node.id)
            found.append(node)
    return Outline(tuple(found))


def shape_of(outline: Outline) -> Shape:
    """Count what a tree is made of."""
    leaves = [node for node in outline.nodes if node.is_leaf]
    inner = [node for node in outline.nodes if not node.is_leaf]
    balances = [value for node in inner if (value := balance(outline.children.get(node.id, ()))) is not None]
    return Shape(
        leaves=len(leaves),
        inner=len(inner),
        depths=_counts(node.depth for node in leaves),
        branching=_counts(len(outline.children.get(node.id, ())) for node in inner),
        balance=math.fsum(balances) / len(balances) if balances else None,
    )


def balance(children: Sequence[Node]) -> float | None:
    """Give H / ln k of how the leaves divide among k children; None where there are fewer than two."""
    total = sum(child.leaves for child in children)
    if len(children) < 2 or total == 0:
        return None
    shares = [child.leaves / total for child in children if child.leaves]
    return -math.fsum(share * math.log(share) for share in shares) / math.log(len(children))


def empty_nodes(outline: Outline) -> Iterator[Finding]:
    """Find nodes without a description, and inner nodes without a passage below; an empty index has none."""
    for node in outline.nodes:
        if not node.is_leaf and node.leaves == 0 and node.parent is not None:
            yield Finding("empty", (node.id,), "no passage below it")
        elif not node.description.strip():
            yield Finding("empty", (node.id,), "no description")


def unbalanced_nodes(outline: Outline) -> Iterator[Finding]:
    """Find inner nodes whose leaves are nearly all below one child, or that have but one child to choose."""
    for parent, below in outline.children.items():
        node = outline.by_id[parent]
        if node.leaves < FEWEST_LEAVES:
            continue
        value = balance(below)
        if value is None or value < UNBALANCED:
            most = max(below, key=lambda child: child.leaves)
            yield Finding("unbalanced", (parent,), f"{most.leaves:,} of {node.leaves:,} passages below n{most.id}")


def alike_siblings(outline: Outline, vectors: Matrix) -> Iterator[Finding]:
    """Find two siblings of the same kind that read alike: nodes by their descriptions, passages by their vectors.

    `vectors` (n, d) holds the passages' vectors, that with id i in row i - 1.
    """
    for below in outline.children.values():
        yield from _alike_nodes([node for node in below if not node.is_leaf])
        yield from _alike_leaves([node for node in below if node.is_leaf], vectors)


def _alike_nodes(nodes: Sequence[Node]) -> Iterator[Finding]:
    words = {node.id: frozenset(terms_of(node.description)) for node in nodes}
    for one, other in itertools.combinations(nodes, 2):
        shared = _jaccard(words[one.id], words[other.id])
        if shared >= ALIKE_WORDS:
            yield Finding("alike", (one.id, other.id), f"their descriptions share {shared:.0%} of their words")


def _alike_leaves(nodes: Sequence[Node], vectors: Matrix) -> Iterator[Finding]:
    import numpy as np

    if len(nodes) < 2:
        return
    rows = vectors[[node.passage - 1 for node in nodes if node.passage is not None]]
    lengths = np.linalg.norm(rows, axis=1)
    cosines = rows @ rows.T / np.maximum(np.outer(lengths, lengths), 1e-12)
    for i, j in np.argwhere(np.triu(cosines >= ALIKE_VECTORS, 1)).tolist():
        yield Finding("alike", (nodes[i].id, nodes[j].id), f"the cosine of their vectors is {cosines[i, j]:.3f}")


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0


def _counts(values: Iterator[int]) -> dict[int, int]:
    counted: Mapping[int, int] = Counter(values)
    return {value: counted[value] for value in sorted(counted)}
