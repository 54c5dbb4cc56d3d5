"""What a search believes at a moment: the latent and path relevance of every node it has heard of.

A leaf's expectation is the prior's. An inner node's is the share of the evidence that lies below it *beyond chance*: of
all squared relevance above the floor (as read where the judge has read, as expected where not), the part q found below
a node that holds the part r of all leaves counts as (q − r) / (1 − r). So the root expects nothing, nor does a node
with its fair share, and the prior's word for a subtree fades where the judge has looked.
"""

from __future__ import annotations

from collections.abc import Iterable

from lattice.traversal.calibration import Calibration, Latent, Observation, fit
from lattice.traversal.prior import Prior
from lattice.traversal.relevance import path_relevance, without_depth
from lattice.traversal.steps import Ranked
from lattice.types import Node, Tree


class Belief:
    """Observations so far and all that follows from them; `observe` adds a slate and refits.

    A judge whose scores depend on the slate has a bias b a slate. One that scores each candidate by itself still has
    one bias a query (some queries are hard to predict from any text): all its slates count as one. Leaves and inner
    nodes, which a judge may read in different ways, have a bias each.
    """

    def __init__(
        self,
        tree: Tree,
        prior: Prior,
        calibration: Calibration,
        alpha: float,
        context: float,
        *,
        slate_dependent: bool = False,
    ) -> None:
        self._tree, self._calibration = tree, calibration
        self._slate_dependent = slate_dependent
        self._alpha, self._context = alpha, context
        self._floor = prior.floor
        self._expected = {hit.leaf: hit.expected for hit in prior.hits}
        self._nodes: dict[int, Node] = {}
        self._opened: set[int] = set()
        self._history: list[Observation] = []
        self._raw: dict[int, float] = {}
        self._slates = 0
        self._latent = Latent({}, {}, {})
        self._evidence: dict[int, float] = {}
        self._paths: dict[int, float] = {}
        self._root = tree.root()
        self._learn([self._root.id, *self._expected])
        self._weigh()

    def observe(self, origin: int | None, scores: Iterable[tuple[int, float]]) -> None:
        """Add the raw scores of one slate (the children of `origin`, or seeds) and refit everything."""
        scored = list(scores)
        self._learn(node for node, _ in scored)
        for node, score in scored:
            self._history.append(Observation(2 * self._slates + self._nodes[node].is_leaf, node, score))
        self._slates += self._slate_dependent
        self._raw.update(scored)
        if origin is not None:
            self._opened.add(origin)
        self._weigh()
        expected = {node: self.expectation(node) for node in self._raw}
        self._latent = fit(self._history, expected, self._calibration)
        self._weigh()

    def expectation(self, node: int) -> float:
        """Give μ: what is expected of a node without its own judgement."""
        if self._nodes[node].is_leaf:
            return self._expected.get(node, self._floor)
        total = self._evidence.get(self._root.id, 0.0)
        chance = self._nodes[node].leaves / max(1, self._root.leaves)
        if total <= 0.0 or chance >= 1.0:
            return self._floor
        share = self._evidence.get(node, 0.0) / total
        return self._floor + (1.0 - self._floor) * max(0.0, (share - chance) / (1.0 - chance))

    def latent(self, node: int) -> float:
        """Give ŝ: the fitted relevance of a judged node, the expectation of any other."""
        judged = self._latent.relevance.get(node)
        return self.expectation(node) if judged is None else judged

    def path(self, node: int) -> float:
        """Give p̂, the path relevance of a node, comparable over depths."""
        return without_depth(self._path(node), self._nodes[node].depth, self._alpha)

    def raw(self, node: int) -> float:
        """Give the last raw score of a judged node."""
        return self._raw[node]

    def is_judged(self, node: int) -> bool:
        """Whether the judge has read the node."""
        return node in self._raw

    def relevance(self, leaf: int) -> float:
        """Give what a leaf is ranked by: its latent relevance, with a share of its parent's path relevance."""
        parent = self._nodes[leaf].parent
        if parent is None or parent == self._root.id:
            return self.latent(leaf)  # that everything lies below the root says nothing about a leaf
        return (1.0 - self._context) * self.latent(leaf) + self._context * self.path(parent)

    def ranking(self) -> tuple[Ranked, ...]:
        """Rank every leaf that the prior or the judge knows of, ties by id."""
        leaves = (node for node in self._expected.keys() | self._raw.keys() if self._nodes[node].is_leaf)
        ranked = sorted((-self.relevance(leaf), leaf) for leaf in leaves)
        # A fitted value can leave [0, 1] by a little; the order is told before it is cut.
        return tuple(
            Ranked(leaf, max(0.0, min(1.0, -value)), leaf in self._raw, self.latent(leaf)) for value, leaf in ranked
        )

    def unread_seeds(self, limit: int) -> list[int]:
        """Give the prior's best leaves that nobody has read, best first by what is believed now."""
        unread = [leaf for leaf in self._expected if leaf not in self._raw]
        return sorted(unread, key=lambda leaf: (-self.relevance(leaf), leaf))[:limit]

    def frontier(self) -> list[int]:
        """List the inner nodes that have been heard of and not been opened."""
        return [node.id for node in self._nodes.values() if not node.is_leaf and node.id not in self._opened]

    def unread_children(self, node: int) -> tuple[int, ...]:
        """Give the children of a node that the judge has not read."""
        return tuple(child.id for child in self._tree.children(node) if child.id not in self._raw)

    def anchors(self, origin: int | None, nodes: tuple[int, ...], limit: int) -> tuple[int, ...]:
        """Give judged nodes that make a slate comparable with earlier ones (method §2).

        For leaves, the `limit` best leaves so far; for inner nodes, the best judged sibling of the node opened.
        """
        if all(self._node(node).is_leaf for node in nodes):
            judged = [node for node in self._raw if self._nodes[node].is_leaf and node not in nodes]
            return tuple(sorted(judged, key=lambda node: (-self.latent(node), node))[:limit])
        parent = None if origin is None else self._nodes[origin].parent
        siblings = [node for node in self._raw if self._nodes[node].parent == parent and node != origin]
        return tuple(sorted(siblings, key=lambda node: (-self.latent(node), node))[:1])

    def _node(self, node: int) -> Node:
        if node not in self._nodes:
            self._nodes[node] = self._tree.node(node)
        return self._nodes[node]

    def _learn(self, nodes: Iterable[int]) -> None:
        """Hear of nodes and of all their ancestors."""
        for node in nodes:
            above: int | None = node
            while above is not None and above not in self._nodes:
                above = self._node(above).parent

    def _weigh(self) -> None:
        """Add up the evidence below every node: relevance above the floor, read or expected."""
        self._evidence.clear()
        self._paths.clear()
        for leaf in self._expected.keys() | self._raw.keys():
            if not self._nodes[leaf].is_leaf:
                continue
            above: int | None = leaf
            # Squared, so that a long tail of weak hits, which lies anywhere, does not outweigh a few strong ones.
            weight = max(0.0, self.latent(leaf) - self._floor) ** 2
            while above is not None:
                self._evidence[above] = self._evidence.get(above, 0.0) + weight
                above = self._nodes[above].parent

    def _path(self, node: int) -> float:
        if node not in self._paths:
            known = self._nodes[node]
            above = known.parent
            self._paths[node] = (
                1.0 if above is None else path_relevance(self._path(above), self.latent(node), self._alpha)
            )
        return self._paths[node]
