"""A corpus that is only arithmetic, for searches by the ten thousand: a tree, a judge with known faults, a prior.

What a `World` holds is one query's truth. Every leaf has a relevance; an inner node's description shows the best leaf
below it, faded a little a level and blurred once for all. The judge adds a bias a slate, noise and a preference for
early places, and reads nothing else. The prior knows relevant leaves by signal detection: its score for a leaf is
N(d'·relevant, 1), and the best few hundred are its hits.

Nothing depends on the order of calls: every random number is a hash of the seed, what it is for, and the nodes.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from lattice.traversal.prior import FLOOR, Prior, prior_of
from lattice.types import Candidate, Judgement, Node, Slate, Usage

if TYPE_CHECKING:
    import numpy.typing as npt

HITS = 300  # of the prior: as many as lexical and vector search bring

# What a random number is for; part of its hash.
_LEAF, _BLUR, _PLACE, _BIAS, _NOISE, _PRIOR = range(6)
_MASK = (1 << 64) - 1
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Regime:
    """How hard it is: what a judge of this kind gets wrong, as standard deviations of a score in [0, 1].

    `noise` is drawn for every candidate of a slate, `bias` once a slate; `position` is what the first place of a slate
    gains over the last. `fade` is the share of relevance that a description loses a level, `blur` what it is wrong by
    for ever. `together` is the chance that a relevant leaf lies near an earlier one; the leaves beside it are `kin`
    more relevant than others.
    """

    relevant: int = 10
    noise: float = 0.12
    bias: float = 0.15
    position: float = 0.05
    fade: float = 0.05
    blur: float = 0.04
    together: float = 0.8
    kin: float = 0.1


class ArithmeticTree:
    """A full tree of `branching` over so many leaves, where every node is worked out when it is asked for.

    Ids count from 1 at the root, level by level; all leaves are equally deep, the last nodes of a level may have fewer
    children.
    """

    def __init__(self, leaves: int, branching: int = 12) -> None:
        sizes = [leaves]
        while sizes[-1] > 1 or len(sizes) == 1:
            sizes.append(math.ceil(sizes[-1] / branching))
        self.branching = branching
        self.sizes = sizes[::-1]  # nodes of every level, from the root's
        self.first = [1, *itertools.accumulate(self.sizes, initial=1)][1:]  # the first id of every level, and the end
        self.depth = len(sizes) - 1

    def level(self, node: int) -> int:
        """Give the level of a node, 0 for the root; KeyError where there is no such node."""
        if not 1 <= node < self.first[-1]:
            raise KeyError(node)
        return bisect.bisect_right(self.first, node) - 1

    def leaf(self, number: int) -> int:
        """Give the id of a leaf by its 0-based number."""
        return self.first[self.depth] + number

    def root(self) -> Node:
        """Give the root."""
        return self.node(1)

    def node(self, node: int) -> Node:
        """Give one node; KeyError when there is none with that id."""
        return self._node(node, self.level(node))

    def children(self, node: int) -> tuple[Node, ...]:
        """Give the children of a node, in order."""
        level = self.level(node)
        if level == self.depth:
            return ()
        begin = (node - self.first[level]) * self.branching
        end = min(begin + self.branching, self.sizes[level + 1])
        first = self.first[level + 1]
        return tuple(self._node(first + i, level + 1) for i in range(begin, end))

    def candidates(self, nodes: tuple[int, ...]) -> tuple[Candidate, ...]:
        """Give what a judge reads: nothing, for it goes by the ids."""
        leaves = self.first[self.depth]
        return tuple(Candidate(node, "", node >= leaves) for node in nodes)

    def _node(self, node: int, level: int) -> Node:
        place = node - self.first[level]
        parent = None if level == 0 else self.first[level - 1] + place // self.branching
        if level == self.depth:
            return Node(node, parent, "passage", "", 1, level, place + 1)
        below = self.branching ** (self.depth - level)
        leaves = min((place + 1) * below, self.sizes[-1]) - place * below
        return Node(node, parent, "cluster" if level else "root", "", leaves, level)


class World:
    """The truth of one query in a tree: `relevant` are the ids of the leaves to be found, best first."""

    def __init__(self, tree: ArithmeticTree, regime: Regime, seed: int) -> None:
        self.tree, self.regime, self.seed = tree, regime, seed
        self._placed = _placed(tree, regime, seed)
        self.relevant = tuple(tree.leaf(number) for number in self._placed)

    @cached_property
    def shown(self) -> list[npt.NDArray[np.float32]]:
        """What the nodes of every level show of the relevance below them, from the root's level to the leaves'."""
        best = self._relevance()
        levels = [best]
        for height in range(1, self.tree.depth + 1):
            best = np.maximum.reduceat(best, np.arange(0, len(best), self.tree.branching))
            faded = FLOOR + (best - FLOOR) * np.float32((1.0 - self.regime.fade) ** height)
            levels.append(faded)
        return levels[::-1]

    def truth(self, node: int) -> float:
        """Give what a perfect reader would make of a node's text."""
        level = self.tree.level(node)
        shown = float(self.shown[level][node - self.tree.first[level]])
        blur = 0.0 if level == self.tree.depth else self.regime.blur * _normal(self.seed, _BLUR, node)
        return shown + blur

    def prior(self, strength: float, hits: int = HITS) -> Prior:
        """Give the prior of strength d': its best hits, on the scale on which the real one expects."""
        numbers = np.arange(self.tree.sizes[-1], dtype=np.uint64)
        drawn = _hashes(self.seed, _PRIOR, numbers)
        best = np.argpartition(drawn, max(0, len(drawn) - hits))[-hits:]
        # Sorting by the drawn integers is sorting by score, but for the relevant few.
        wanted = {*best.tolist(), *self._placed}
        gains = dict.fromkeys(self._placed, strength)
        scores = {number: _quantile(int(drawn[number])) + gains.get(number, 0.0) for number in wanted}
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:hits]
        top = max(1e-9, ranked[0][1])
        fused = [(number, max(0.0, score / top)) for number, score in ranked]
        return prior_of(fused, {number: self.tree.leaf(number) for number, _ in ranked})

    def _relevance(self) -> npt.NDArray[np.float32]:
        """Draw the relevance of every leaf: most are near nothing, a relevant one lies between .6 and .85."""
        count = self.tree.sizes[-1]
        drawn = _hashes(self.seed, _LEAF, np.arange(count, dtype=np.uint64))
        uniform = (drawn >> np.uint64(11)).astype(np.float64) * 2.0**-53
        relevance = (FLOOR + 0.35 * uniform**3).astype(np.float32)
        for number in self._placed:
            begin = number - number % self.tree.branching
            relevance[begin : begin + self.tree.branching] += self.regime.kin / len(self._beside(number))
        for i, number in enumerate(self._placed):
            relevance[number] = 0.85 - 0.25 * i / max(1, len(self._placed) - 1)
        return relevance

    def _beside(self, number: int) -> list[int]:
        parent = number // self.tree.branching
        return [one for one in self._placed if one // self.tree.branching == parent]


@dataclass(slots=True)
class SimulatedJudge:
    """Reads what a `World` shows, with the faults of its regime; the same slate gets the same scores.

    A slate costs one token, so that budgets count slates. `slates` counts those that were read.
    """

    world: World
    slate_dependent: bool = True
    slates: int = field(default=0)

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate in [0, 1]; `query` says nothing, for a world is one query's."""
        del query
        self.slates += 1
        world, regime = self.world, self.world.regime
        nodes = [candidate.node for candidate in slate.candidates]
        number = _hash(world.seed, *nodes)
        bias = regime.bias * _normal(world.seed, _BIAS, number)
        last = max(1, len(nodes) - 1)
        scores = (
            world.truth(node)
            + bias
            + regime.noise * _normal(world.seed, _NOISE, number, node)
            + regime.position * (0.5 - place / last)
            for place, node in enumerate(nodes)
        )
        return Judgement(tuple(max(0.0, min(1.0, score)) for score in scores), Usage(evaluated=1, calls=1))


def _placed(tree: ArithmeticTree, regime: Regime, seed: int) -> tuple[int, ...]:
    """Draw the numbers of the relevant leaves: some alone, some near another, below the same parent or its parent."""
    count, placed = tree.sizes[-1], list[int]()
    for draw in itertools.count():
        if len(placed) == min(regime.relevant, count):
            return tuple(placed)
        kind, which, where = (_uniform(seed, _PLACE, draw, i) for i in range(3))
        number = int(where * count)
        if placed and kind < regime.together:
            beside = placed[int(which * len(placed))]
            span = tree.branching if kind < 0.6 * regime.together else tree.branching**2
            begin = beside - beside % span
            number = begin + int(where * (min(begin + span, count) - begin))
        if number not in placed:
            placed.append(number)
    raise AssertionError("the count never ends")


def _mix(value: int) -> int:
    """Scatter 64 bits (the finaliser of SplitMix64)."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _hash(*parts: int) -> int:
    value = 0
    for part in parts:
        value = _mix((value + part + 0x9E3779B97F4A7C15) & _MASK)
    return value


def _hashes(seed: int, what: int, numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Give `_hash(seed, what, number)` of every number."""
    value = numbers + np.uint64((_hash(seed, what) + 0x9E3779B97F4A7C15) & _MASK)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _uniform(*parts: int) -> float:
    return (_hash(*parts) >> 11) * 2.0**-53


def _normal(*parts: int) -> float:
    return _quantile(_hash(*parts))


def _quantile(drawn: int) -> float:
    """Give the standard normal's quantile of a number drawn from 64 bits."""
    return _NORMAL.inv_cdf(((drawn >> 11) + 0.5) * 2.0**-53)


def found(ranking: Sequence[int], world: World) -> int:
    """Count the relevant leaves in the first 10 × relevant places of a ranking of leaves."""
    return len(set(ranking[: 10 * len(world.relevant)]) & set(world.relevant))
