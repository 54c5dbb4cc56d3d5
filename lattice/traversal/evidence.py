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
from lattice.traversal.heard import LOG_BRANCHING, Heard, Level
from lattice.traversal.prior import Prior
from lattice.traversal.refit import Refit
from lattice.traversal.search import Costs, SearchSettings, explore
from lattice.traversal.steps import Opening, Ranking, Step
from lattice.types import Judge, Node, Tree

CALIBRATION = Calibration(prior_weight=1.0, bias_weight=1.0)

_STRENGTHS = (0.0, 1.0, 2.0, 3.0)  # d' that a prior may have
_DOUBTS = np.array([0.5, 0.35, 0.1, 0.05])  # how probable each is before anything was read
_MOST = 10.0  # natural logarithm of the largest likelihood ratio that one node's evidence may reach
_LIKELY = 0.8  # the most that a child is hot by itself, however few there are
_SURE = 0.9  # the most that an unopened node lends to one that is known below it
_LEAST = 0.05  # of a likelihood ratio of a node only some of whose leaves were read
_TINY = 1e-12
_FINITE = 600.0  # whose exponential is
_FEW = 6  # nodes of a level weigh as much as all that were read elsewhere
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Model:
    """What is taken for granted of judges and trees; measured in simulation (docs/simulation.md).

    `leaf_gap` and `node_gap` are how much higher the hot score on average, `noise` the standard deviation of one score,
    `spread` that of what cold nodes are worth. `branches` is how many children of a hot node are hot. `discount` is
    what a level between a node and its leaves costs its promise. `lift` and `path` weigh the two passes, the logarithms
    of what they carry: 1 is the model, 0 does without. Descriptions on a path err together: half the lift. `enough` is
    the relevant leaves that a slate must be expected to lead to: where none is, a search is settled. `blind` is the
    chance, before anything was read, that the judge cannot tell hot from cold at all: then it is not heard.
    """

    leaf_gap: float = 0.5
    node_gap: float = 0.3
    noise: float = 0.12
    spread: float = 0.1
    branches: float = 1.5
    discount: float = 0.85
    lift: float = 0.5
    path: float = 1.0
    enough: float = 0.01
    blind: float = 0.3


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

    For judges whose scores depend on the slate: `settings` counts but for alpha, context, leaf_share and how large
    the margin is, which `model` replaces. `costs` and OutOfTime are those of `lattice.traversal.search.search`.
    """
    belief = Evidence(tree, prior, settings.calibration or CALIBRATION, model)
    size, beam = settings.seed_slate, settings.beam
    yield from explore(
        query,
        tree,
        judge,
        belief,
        lambda: belief.openings(size, beam),
        settings,
        costs,
        lambda openings, _: settings.margin is not None and openings[0].promise < model.enough,
    )


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
        self._static = Heard(model.discount, model.branches)
        self._learn(self._root)
        for hit in prior.hits:
            self._learn(tree.node(hit.leaf))
        self._hits = np.array([self._row[hit.leaf] for hit in prior.hits], dtype=np.intp)
        leaves = max(2, self._root.leaves)
        self._claims = _claims(len(self._hits), leaves)
        # How many relevant leaves a tree of that height has by the model, and so how probable any leaf is.
        self._rate = min(0.5, model.branches ** (math.log(leaves) / LOG_BRANCHING) / leaves)
        self._unseen, self._expected = self._by_the_prior()
        self._unseen_means = self._means
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
        promise = np.where(self._static.is_frontier, self._hot * self._static.value, -1.0)
        for _ in range(beam):
            opening = self._best_unopened(promise)
            found += [] if opening is None else [opening]
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
        return self._best_judged(depth, nodes, limit) or self._best_judged(depth - 1, (origin,), min(1, limit))

    def ranking(self) -> Ranking:
        """Rank every leaf that the prior or the judge knows of, by probability, ties by id."""
        rows = np.flatnonzero(self._static.is_leaf)
        ids = self._static.ids[rows]
        order = np.lexsort((ids, -self._hot[rows]))
        rows = rows[order]
        return Ranking(ids[order], self._hot[rows], self._counts[rows] > 0, self._latent[rows])

    def _pass(self) -> None:
        """Refit, and pass messages up and down: with what was read and without, each as far as it is believed."""
        self._latent, self._counts = self._refit.relevance(self._static.count)
        own, opened = self._own_ratios(), self._static.is_opened
        self._hot, found = self._marginals(own, self._prior_ratios(own[self._hits]), opened)
        if self._model.blind == 0.0:
            return
        self._follow_unseen()
        odds = (1.0 / self._model.blind - 1.0) * math.exp(min(_FINITE, found - self._expected))
        self._hot = (odds * self._hot + self._unseen) / (odds + 1.0)

    def _by_the_prior(self) -> tuple[Array, float]:
        """Give what `_marginals` says where nothing that was read or opened counts: as if the judge were blind."""
        nothing = np.zeros(self._static.count)
        ratio = np.log(self._claims @ (_DOUBTS / _DOUBTS.sum())) if len(self._hits) else nothing[:0]
        return self._marginals(nothing, ratio, np.zeros(len(nothing), dtype=bool))

    def _follow_unseen(self) -> None:
        """Add to P by the prior alone the rows heard of since: none is a hit, so no other row's changes with them."""
        known, since = self._static, len(self._unseen)
        if known.count == since:
            return
        self._unseen = np.concatenate([self._unseen, np.empty(known.count - since)])
        for row in range(since, known.count):
            parent = known.parent[row]
            mean = self._unseen_means[parent] if parent < len(self._unseen_means) else 1.0
            share = self._model.branches * known.leaves[row] / known.leaves[parent] / mean
            self._unseen[row] = self._unseen[parent] ** self._model.path * min(_SURE, share)

    def _marginals(self, own: Array, prior: Array, is_opened: npt.NDArray[np.bool_]) -> tuple[Array, float]:
        """Give P of every row, and the logarithm of how much likelier what is known of them is than by chance."""
        known, ratio = self._static, own.copy()
        ratio[self._hits] += prior
        upward, self._shares, self._means = np.zeros(known.count), np.ones(known.count), np.ones(known.count)
        levels = known.levels()[1:]
        for level in reversed(levels):
            ratio[level.rows] = np.clip(ratio[level.rows] + upward[level.rows], -_MOST, _MOST)
            self._lift(level, np.exp(ratio[level.rows]), upward, is_opened)
        hot = np.ones(known.count)
        for level in levels:
            hot[level.rows] = hot[level.parent] ** self._model.path * self._shares[level.rows]
        return hot, float(upward[0])

    def _lift(self, level: Level, ratio: Array, upward: Array, is_opened: npt.NDArray[np.bool_]) -> None:
        """Take one level's likelihood ratios to its parents, and keep each child's share: P(c hot | parent hot)."""
        known, model, parent = self._static, self._model, level.parent
        opened, children = is_opened[parent], known.children[parent]
        chance = np.minimum(_LIKELY, model.branches / np.maximum(1.0, children))
        none = (1.0 - chance) ** children
        factor = 1.0 - chance + chance * ratio
        # Where a parent is opened all its children are known of; where it is not, the others count as chance has it.
        product = np.exp(np.minimum(_FINITE, np.bincount(parent, np.log(factor), known.count)[parent]))
        mean = np.maximum(_LEAST, 1.0 + np.bincount(parent, level.part * (ratio - 1.0), known.count)[parent])
        self._means[parent] = mean
        some = np.maximum(_TINY, product - none)
        share = np.where(opened, chance * ratio * product / (factor * some), model.branches * level.part * ratio / mean)
        self._shares[level.rows] = np.minimum(np.where(opened, 1.0, _SURE), share)
        upward[parent] = model.lift * np.log(np.where(opened, some / np.maximum(_TINY, 1.0 - none), mean))

    def _own_ratios(self) -> Array:
        """Give log Λ of every row: 0 where nothing was read."""
        known, model = self._static, self._model
        ratio = np.zeros(known.count)
        rows = np.flatnonzero(self._counts)
        if not len(rows):
            return ratio
        counts, depths, is_leaf = self._counts[rows], known.depth[rows], known.is_leaf[rows]
        # The fit draws scores to μ; what they say by themselves is what tells hot from cold.
        plain = self._latent[rows] + self._refit.prior_weight / counts * (self._latent[rows] - self._floor)
        gap = np.where(is_leaf, model.leaf_gap, model.node_gap)
        middle, cold = _middle(plain), np.empty(len(rows))
        for depth in set(depths.tolist()):
            level = depths == depth
            size = np.count_nonzero(level)
            # Most of a level is cold, so its median is what the cold score; a few nodes say little of it.
            cold[level] = (_middle(plain[level]) * size + _FEW * middle) / (size + _FEW)
        ratio[rows] = gap * (plain - cold - gap / 2) / (model.noise**2 / counts + model.spread**2)
        return np.clip(ratio, -_MOST, _MOST)

    def _prior_ratios(self, own: Array) -> Array:
        """Give what the prior's word for each hit is worth, a log likelihood ratio, over the d' that it may have."""
        if not len(own):
            return own
        read = np.flatnonzero(self._counts[self._hits])
        chance = np.minimum(_SURE, self._rate * self._claims[read])
        heard = np.log(1.0 - chance + chance * np.exp(own[read])[:, None]).sum(axis=0)
        weight = _DOUBTS * np.exp(heard - heard.max())
        expected: Array = self._claims @ (weight / weight.sum())
        return np.log(expected)

    def _best_judged(self, depth: int, without: tuple[int | None, ...], limit: int) -> tuple[int, ...]:
        rows = np.flatnonzero((self._static.depth == depth) & (self._counts > 0))
        best = rows[np.lexsort((self._static.ids[rows], -self._latent[rows]))]
        return tuple([self._ids[row] for row in best if self._ids[row] not in without][:limit])

    def _best_unread(self, limit: int) -> npt.NDArray[np.intp]:
        unread = self._hits[self._counts[self._hits] == 0]
        best: npt.NDArray[np.intp] = unread[np.argsort(-self._hot[unread], kind="stable")[:limit]]
        return best

    def _best_unopened(self, promise: Array) -> Opening | None:
        """Give the most promising node that has unread children; what was looked at is struck off `promise`."""
        while True:
            row = int(promise.argmax())
            if promise[row] < 0.0:
                return None
            node, worth = self._ids[row], float(promise[row])
            promise[row] = -1.0
            unread = tuple(child for child in self._children_of(node) if child not in self._raw)
            if unread:
                return Opening(worth, node, unread)

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
    """Give the likelihood ratio of each hit's rank, a column for each d': exp(d'·z − d'²/2)."""
    total = max(leaves, hits + 1)
    places = [_NORMAL.inv_cdf(1.0 - (rank + 0.5) / total) for rank in range(hits)]
    strengths = np.array(_STRENGTHS)
    claims: Array = np.exp(np.outer(np.array(places), strengths) - strengths**2 / 2.0)
    return claims


def _middle(values: Array) -> float:
    """Give the median (the upper one of two): numpy's own takes five times as long on so few values."""
    half = len(values) // 2
    return float(np.partition(values, half)[half])
