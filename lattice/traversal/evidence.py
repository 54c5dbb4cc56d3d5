"""One model of a whole tree: which nodes hold something relevant, given the prior and every slate that was read.

A node is *hot* when a relevant leaf lies below it. The root is; of a hot node's k children each is hot by itself with
the odds of `branches` in k, at least one of them; nothing below a cold node is hot. A score tells hot from cold as a
Gaussian with one mean for each would: Λ_v, the likelihood ratio of a node's own scores. Two passes over the nodes that
have been heard of then give every probability exactly (sum-product on a tree):

upwards    λ_v = (Π(1 − q + q·Λ_c·λ_c) − (1 − q)^k) / (1 − (1 − q)^k)   over the k children of an opened node,
           λ_v = 1 + Σ n_c·(Λ_c·λ_c − 1) / n_v                          where only some of its n_v leaves are known of,
downwards  P(c) = P(v)·P(c hot | v hot, everything below v).

So a leaf that was found lifts its ancestors by what it is worth and no more, siblings compete, a branch that was read
in vain sinks, and evidence below any node is what it is beyond chance: the mean over its leaves.

The prior counts as signal detection: hit r of n leaves lies where the r-th of n draws of a normal does, and a relevant
leaf is drawn d' higher. How much d' is, is learnt in each search from the hits that have been read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from lattice.traversal.calibration import Array, Calibration
from lattice.traversal.prior import Prior
from lattice.traversal.refit import Refit
from lattice.traversal.search import Costs, SearchSettings, explore
from lattice.traversal.steps import Opening, Ranking, Step
from lattice.types import Judge, Node, Tree

_STRENGTHS = (0.0, 1.0, 2.0, 3.0)  # d' that a prior may have
_DOUBTS = (0.5, 0.35, 0.1, 0.05)  # how probable each is before anything was read
_MOST = 12.0  # natural logarithm of the largest likelihood ratio that one node's evidence may reach
_SURE = 0.9  # the most that an unopened node lends to one that is known below it
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Model:
    """What is taken for granted of judges and trees; measured in simulation (docs/simulation.md).

    `leaf_gap` and `node_gap` are how much higher the hot score on average, `noise` the standard deviation of one score,
    `spread` that of what cold nodes are worth. `branches` is how many children of a hot node are hot. `discount` is
    what a level between a node and its leaves costs its promise. `lift` and `path` weigh the two passes, the logarithms
    of what they carry: 1 is the model, 0 does without one.
    """

    leaf_gap: float = 0.5
    node_gap: float = 0.3
    noise: float = 0.12
    spread: float = 0.1
    branches: float = 1.5
    discount: float = 0.85
    lift: float = 1.0
    path: float = 1.0


DEFAULT_MODEL = Model()


def search_by_evidence(
    query: str,
    tree: Tree,
    judge: Judge,
    prior: Prior,
    settings: SearchSettings,
    costs: Costs | None = None,
    model: Model = DEFAULT_MODEL,
) -> Iterator[Step]:
    """Yield the ranking after every iteration, from the prior's to the last within the budget.

    For judges whose scores depend on the slate: `settings` counts but for alpha, context and depth_discount, which
    `model` replaces. `costs` and OutOfTime are those of `lattice.traversal.search.search`.
    """
    belief = Evidence(tree, prior, settings.calibration, model)
    size, beam = settings.seed_slate, settings.beam
    yield from explore(query, tree, judge, belief, lambda: belief.openings(size, beam), settings, costs)


class Evidence:
    """Every node heard of, and the probability that it is hot; `observe` adds a slate and passes messages anew.

    The work of a slate is linear in the nodes heard of, whatever the size of the tree.
    """

    def __init__(self, tree: Tree, prior: Prior, calibration: Calibration, model: Model) -> None:
        self._tree, self._model, self._floor = tree, model, prior.floor
        self._refit = Refit(calibration, prior.floor)
        self._root = tree.root()
        self._ids: list[int] = []
        self._row: dict[int, int] = {}
        self._nodes: dict[int, Node] = {}
        self._children: dict[int, tuple[int, ...]] = {}
        self._raw: dict[int, float] = {}
        self._static = _Static()
        self._learn(self._root)
        for hit in prior.hits:
            self._learn(tree.node(hit.leaf))
        self._hits = np.array([self._row[hit.leaf] for hit in prior.hits], dtype=np.intp)
        self._claims = _claims(len(self._hits), self._root.leaves)
        self._pass()

    def observe(self, origin: int | None, scores: Iterable[tuple[int, float]]) -> None:
        """Add the raw scores of one slate (the children of `origin` and anchors, or seeds)."""
        scored = list(scores)
        for node, _ in scored:
            self._learn(self._known(node))
        if origin is not None:
            self._static.open(self._row[origin], len(self._children_of(origin)))
        self._raw.update(scored)
        self._refit.add([self._row[node] for node, _ in scored], [score for _, score in scored])
        self._pass()

    def openings(self, size: int, beam: int) -> list[Opening]:
        """List what could be read next, best first by the relevant leaves that it is expected to lead to.

        That is the next `beam` seed slates of `size` leaves, and the best `beam` unopened nodes.
        """
        seeds = self._best_unread(size * beam)
        found = [
            Opening(float(self._hot[part].sum()), None, tuple(self._ids[row] for row in part))
            for part in (seeds[i : i + size] for i in range(0, len(seeds), size))
        ]
        promise = np.where(self._static.is_frontier, self._hot * self._static.value(self._model), -1.0)
        for row in np.argsort(-promise, kind="stable"):
            children = self._children_of(self._ids[row]) if promise[row] >= 0.0 else ()
            unread = tuple(child for child in children if child not in self._raw)
            found += [Opening(float(promise[row]), self._ids[row], unread)] if unread else []
            if promise[row] < 0.0 or sum(one.origin is not None for one in found) == beam:
                break
        return sorted(found, key=lambda opening: (-opening.promise, opening.origin or 0))

    def latent(self, node: int) -> float:
        """Give ŝ, the fitted relevance of a judged node; what the prior expects at least, of any other."""
        return float(self._latent[self._row[node]])

    def path(self, node: int) -> float:
        """Give the probability that something relevant lies at or below the node."""
        return float(self._hot[self._row[node]])

    def raw(self, node: int) -> float:
        """Give the last raw score of a judged node."""
        return self._raw[node]

    def is_judged(self, node: int) -> bool:
        """Whether the judge has read the node."""
        return node in self._raw

    def frontier(self) -> list[int]:
        """List the inner nodes that have been heard of and not been opened."""
        return [self._ids[row] for row in np.flatnonzero(self._static.is_frontier)]

    def anchors(self, origin: int | None, nodes: tuple[int, ...], limit: int) -> tuple[int, ...]:
        """Give the best judged nodes at the level of `nodes`; where there are none, the best sibling of `origin`."""
        depth = self._nodes[nodes[0]].depth
        judged = [node for node in self._raw if self._nodes[node].depth == depth and node not in nodes]
        if judged:
            return tuple(sorted(judged, key=lambda node: (-self.latent(node), node))[:limit])
        above = [node for node in self._raw if self._nodes[node].depth == depth - 1 and node != origin]
        return tuple(sorted(above, key=lambda node: (-self.latent(node), node))[: min(1, limit)])

    def ranking(self) -> Ranking:
        """Rank every leaf that the prior or the judge knows of, by probability, ties by id."""
        rows = np.flatnonzero(self._static.is_leaf)
        ids = self._static.ids[rows]
        order = np.lexsort((ids, -self._hot[rows]))
        rows = rows[order]
        return Ranking(ids[order], self._hot[rows], self._counts[rows] > 0, self._latent[rows])

    def _pass(self) -> None:
        """Refit, and pass messages up and down."""
        known, model = self._static, self._model
        self._latent, self._counts = self._refit.relevance(known.count)
        ratio = self._own_ratios()
        ratio[self._hits] += self._prior_ratios(ratio[self._hits])
        upward = np.zeros(known.count)
        self._shares = np.ones(known.count)
        for rows in reversed(known.levels()[1:]):
            ratio[rows] = np.clip(ratio[rows] + upward[rows], -_MOST, _MOST)
            self._lift(rows, np.exp(ratio[rows]), upward)
        self._hot = np.ones(known.count)
        for rows in known.levels()[1:]:
            self._hot[rows] = self._hot[known.parent[rows]] ** model.path * self._shares[rows]

    def _lift(self, rows: npt.NDArray[np.intp], ratio: Array, upward: Array) -> None:
        """Take one level's likelihood ratios to its parents, and keep each child's share: P(c hot | parent hot)."""
        known, model = self._static, self._model
        parent = known.parent[rows]
        opened = known.is_opened[parent]
        chance = np.minimum(0.8, model.branches / np.maximum(1.0, known.children[parent]))
        factor = np.where(opened, 1.0 - chance + chance * ratio, 1.0)
        product = np.exp(np.bincount(parent, np.log(factor), known.count))
        extra = np.where(opened, 0.0, known.leaves[rows] * (ratio - 1.0))
        mean = np.maximum(0.05, 1.0 + np.bincount(parent, extra, known.count) / known.leaves)
        none = (1.0 - chance) ** known.children[parent]
        rest = np.maximum(1e-12, product[parent] - none)
        grown = model.branches * known.leaves[rows] * ratio / (known.leaves[parent] * mean[parent])
        self._shares[rows] = np.where(
            opened, np.minimum(1.0, chance * ratio * product[parent] / factor / rest), np.minimum(_SURE, grown)
        )
        grown_or_mean = np.where(opened, rest / np.maximum(1e-12, 1.0 - none), mean[parent])
        upward[parent] = model.lift * np.log(grown_or_mean)

    def _own_ratios(self) -> Array:
        """Give log Λ of every row: 0 where nothing was read."""
        known, model = self._static, self._model
        read = self._counts > 0
        ratio = np.zeros(known.count)
        if not read.any():
            return ratio
        weight = self._refit.prior_weight
        # The fit draws scores to μ; what they say by themselves is what tells hot from cold.
        plain = self._latent + weight / np.maximum(1.0, self._counts) * (self._latent - self._floor)
        gap = np.where(known.is_leaf, model.leaf_gap, model.node_gap)
        variance = model.noise**2 / np.maximum(1.0, self._counts) + model.spread**2
        middle = float(np.median(plain[read]))
        for depth in np.unique(known.depth[read]):
            level = read & (known.depth == depth)
            # Most of a level is cold, so its median is what the cold score; a few nodes say little of it.
            size = int(level.sum())
            cold = (float(np.median(plain[level])) * size + 6.0 * middle) / (size + 6.0)
            ratio[level] = (gap * (plain - cold - gap / 2) / variance)[level]
        return np.clip(ratio, -8.0, 8.0)

    def _prior_ratios(self, own: Array) -> Array:
        """Give what the prior's word for each hit is worth, a log likelihood ratio, over the d' that it may have."""
        if not len(own):
            return own
        read = self._counts[self._hits] > 0
        base = min(0.5, self._model.branches ** math.log(max(2, self._root.leaves), 12) / self._root.leaves)
        chance = np.minimum(0.9, base * np.exp(self._claims))
        heard = np.where(read[:, None], np.log(1.0 - chance + chance * np.exp(own)[:, None]), 0.0).sum(axis=0)
        weight = np.array(_DOUBTS) * np.exp(heard - heard.max())
        expected: Array = np.exp(self._claims) @ (weight / weight.sum())
        return np.log(expected)

    def _best_unread(self, limit: int) -> npt.NDArray[np.intp]:
        unread = self._hits[self._counts[self._hits] == 0] if len(self._hits) else self._hits
        return unread[np.argsort(-self._hot[unread], kind="stable")[:limit]]

    def _known(self, node: int) -> Node:
        return self._nodes.get(node) or self._tree.node(node)

    def _children_of(self, node: int) -> tuple[int, ...]:
        if node not in self._children:
            children = self._tree.children(node)
            self._nodes.update((child.id, child) for child in children)
            self._children[node] = tuple(child.id for child in children)
        return self._children[node]

    def _learn(self, node: Node) -> None:
        """Hear of a node and of all its ancestors."""
        if node.id in self._row:
            return
        if node.parent is not None and node.parent not in self._row:
            self._learn(self._known(node.parent))
        self._nodes[node.id] = node
        self._row[node.id] = len(self._ids)
        self._ids.append(node.id)
        self._static.add(node, 0 if node.parent is None else self._row[node.parent])


def _claims(hits: int, leaves: int) -> Array:
    """Give the log likelihood ratio of each hit's rank, a column for each d': d'·z − d'²/2."""
    total = max(leaves, hits + 1)
    places = [_NORMAL.inv_cdf(1.0 - (rank + 0.5) / total) for rank in range(hits)]
    strengths = np.array(_STRENGTHS)
    return np.outer(np.array(places), strengths) - strengths**2 / 2.0


class _Static:
    """What does not depend on scores, a row for each node heard of, in arrays that grow."""

    def __init__(self) -> None:
        self.count = 0
        self._integers = np.zeros((3, 512), dtype=np.intp)  # id, parent's row, depth
        self._leaves = np.zeros((2, 512))  # leaves below, children
        self._flags = np.zeros((2, 512), dtype=bool)  # is a leaf, is opened
        self._levels: list[list[int]] = []

    def add(self, node: Node, parent: int) -> None:
        if self.count == self._integers.shape[1]:
            self._integers, self._leaves, self._flags = (
                np.concatenate([one, np.zeros_like(one)], axis=1) for one in (self._integers, self._leaves, self._flags)
            )
        self._integers[:, self.count] = node.id, parent, node.depth
        self._leaves[0, self.count] = max(1, node.leaves)
        self._flags[0, self.count] = node.is_leaf
        while len(self._levels) <= node.depth:
            self._levels.append([])
        self._levels[node.depth].append(self.count)
        self.count += 1

    def open(self, row: int, children: int) -> None:
        self._flags[1, row] = True
        self._leaves[1, row] = children

    def levels(self) -> list[npt.NDArray[np.intp]]:
        return [np.array(rows, dtype=np.intp) for rows in self._levels]

    def value(self, model: Model) -> Array:
        levels = np.floor(np.log(self.leaves) / math.log(12.5))
        return model.branches * model.discount**levels

    @property
    def ids(self) -> npt.NDArray[np.intp]:
        return self._integers[0, : self.count]

    @property
    def parent(self) -> npt.NDArray[np.intp]:
        return self._integers[1, : self.count]

    @property
    def depth(self) -> npt.NDArray[np.intp]:
        return self._integers[2, : self.count]

    @property
    def leaves(self) -> Array:
        return self._leaves[0, : self.count]

    @property
    def children(self) -> Array:
        return self._leaves[1, : self.count]

    @property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        return self._flags[0, : self.count]

    @property
    def is_opened(self) -> npt.NDArray[np.bool_]:
        return self._flags[1, : self.count]

    @property
    def is_frontier(self) -> npt.NDArray[np.bool_]:
        return ~(self.is_leaf | self.is_opened)
