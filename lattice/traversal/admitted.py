"""A tree that shows only what filters admit, so that a search need not know of filters.

What holds no admitted leaf is not there. A node of which one child is left is that child: opening it would cost a slate
and decide nothing. And a node of which very little is left is described by its names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lattice.traversal.windows import first_words
from lattice.types import Candidate, Node, Tree

# A partly admitted node with no more leaves than this is described by their names, which then tell all of it. With more
# left, a choice of names says less of it than the description of the whole does (docs/benchmarks.md).
NAMED_UP_TO = 5
# As long as a description that was written at the build: 40 words.
NAME_WORDS = 8
BETWEEN_NAMES = "; "


@dataclass(frozen=True, slots=True)
class Admission:
    """What filters admit of one build.

    `passages` and `documents` hold a byte each, from id 1 on: 1 where it is admitted, else 0. `leaves[n]` counts the
    admitted leaves at or below node n. `nothing` says, for a person, which filter left nothing; None where something is
    left.
    """

    passages: bytes
    documents: bytes
    leaves: Sequence[int]
    nothing: str | None = None


def count_leaves(outline: Sequence[tuple[int, int | None, int | None]], passages: bytes | bytearray) -> list[int]:
    """Count the admitted leaves at or below every node, by id; `outline` is (id, parent, passage), parents first."""
    counts = [0] * (1 + max((node for node, _, _ in outline), default=0))
    for node, parent, passage in reversed(outline):
        if passage is not None:
            counts[node] = passages[passage - 1]
        if parent is not None:
            counts[parent] += counts[node]
    return counts


class AdmittedTree:
    """The admitted part of a tree; satisfies `types.Tree`.

    Nodes keep their ids. Parents, depths and numbers of leaves are those of the part. A node that is not whole and has
    at most `named_up_to` leaves left is described by their names.
    """

    def __init__(self, tree: Tree, admission: Admission, named_up_to: int = NAMED_UP_TO) -> None:
        self._tree, self._leaves = tree, admission.leaves
        self._named_up_to = named_up_to
        self._root = replace(tree.root(), leaves=admission.leaves[tree.root().id])
        self._seen: dict[int, Node] = {self._root.id: self._root}
        self._names: dict[int, str] = {}

    def root(self) -> Node:
        """Give the root."""
        return self._root

    def node(self, node: int) -> Node:
        """Give one node; KeyError where nothing at or below it is admitted."""
        if node not in self._seen:
            bare = self._tree.node(node)
            if not self._leaves[node]:
                raise KeyError(node)
            parent = self._parent(bare)
            self._seen[node] = replace(bare, parent=parent.id, depth=parent.depth + 1, leaves=self._leaves[node])
        return self._seen[node]

    def children(self, node: int) -> tuple[Node, ...]:
        """Give the children that are left, in their order; for one that is left with one child, that child."""
        parent = self._branching(node) if node == self._root.id else node
        below = self._below(parent)
        if node == self._root.id and not below and self._tree.node(parent).is_leaf:
            return (self.node(parent),)
        return tuple(self.node(self._branching(child.id)) for child in below)

    def candidates(self, nodes: tuple[int, ...]) -> tuple[Candidate, ...]:
        """Give what a judge reads for each of the nodes, in the order asked."""
        return tuple(
            replace(one, text=self._named(one.node), index_terms=frozenset()) if self._is_little(one.node) else one
            for one in self._tree.candidates(nodes)
        )

    def _below(self, node: int) -> list[Node]:
        return [child for child in self._tree.children(node) if self._leaves[child.id]]

    def _branching(self, node: int) -> int:
        """Give the first node at or below one that is a leaf or has more than one child left."""
        while len(below := self._below(node)) == 1:
            node = below[0].id
        return node

    def _parent(self, bare: Node) -> Node:
        """Give the nearest node above that has more than one child left; the root stands for the first such node."""
        assert bare.parent is not None
        above = self._tree.node(bare.parent)
        while above.parent is not None and self._leaves[above.id] == self._leaves[bare.id]:
            above = self._tree.node(above.parent)
        return self._root if self._leaves[above.id] == self._root.leaves else self.node(above.id)

    def _is_little(self, node: int) -> bool:
        return not self._is_whole(node) and self._leaves[node] <= self._named_up_to

    def _is_whole(self, node: int) -> bool:
        return self._leaves[node] == self._tree.node(node).leaves

    def _named(self, node: int) -> str:
        if node not in self._names:
            names = (first_words(self._tree.node(piece).description, NAME_WORDS) for piece in self._pieces(node))
            self._names[node] = BETWEEN_NAMES.join(dict.fromkeys(names))
        return self._names[node]

    def _pieces(self, node: int) -> list[int]:
        """Give the largest nodes at or below one of which nothing is left out."""
        if self._is_whole(node):
            return [node]
        return [piece for child in self._below(node) for piece in self._pieces(child.id)]
