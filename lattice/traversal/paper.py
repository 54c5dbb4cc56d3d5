"""The search as published: Algorithm 4 of LATTICE (arXiv 2510.13217), without anything of ours (method §2).

What the paper leaves open is decided here so: its objective, Σ (s − a·ŝ_v − b_i)² over the whole history, has a line of
equally good solutions (a scale for a, a shift between ŝ and b). Of them we take a ≡ 1 and the smallest biases, so that
ŝ stays on the scale of the scores; it is solved exactly, where the paper runs Adam for 100 steps. A judge whose scores
do not depend on the slate gets neither anchors nor biases: they would cost tokens and say nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lattice.traversal.calibration import Calibration, Latent, Observation, fit
from lattice.traversal.relevance import path_relevance
from lattice.traversal.search import Costs, SearchSettings, explore
from lattice.traversal.steps import Opening, Ranked, Step
from lattice.types import Judge, Node, Tree

# No prior; λ_b → 0 gives the least-squares solution of the smallest biases, and stays well conditioned.
_LEAST_SQUARES = Calibration(prior_weight=0.0, bias_weight=1e-6)
_LEAST_WEIGHT = 1e-3  # of a leaf in the draw of anchors: a fitted relevance may be 0 or below


@dataclass(frozen=True, slots=True)
class PaperSettings:
    """The paper's parameters and defaults: `beam` B, `iterations` N, `alpha` α, `anchors` ℓ.

    `budget_tokens` and `seconds` end a search as they do the default one; the paper knows neither. `seed` decides the
    draw of anchors.
    """

    budget_tokens: int | None = None
    iterations: int | None = 20
    seconds: float | None = None
    beam: int = 2
    alpha: float = 0.5
    anchors: int = 10
    seed: int = 0


def search_as_published(
    query: str, tree: Tree, judge: Judge, settings: PaperSettings, costs: Costs | None = None
) -> Iterator[Step]:
    """Yield the ranking after every iteration, the first empty: nothing is known before a slate is read.

    `costs` and OutOfTime are those of `lattice.traversal.search.search`.
    """
    belief = PaperBelief(tree, settings.alpha, settings.seed, slate_dependent=judge.slate_dependent)
    limits = SearchSettings(
        budget_tokens=settings.budget_tokens,
        iterations=settings.iterations,
        seconds=settings.seconds,
        beam=settings.beam,
        anchors=settings.anchors,
    )
    yield from explore(query, tree, judge, belief, lambda: belief.openings(settings.beam), limits, costs)


class PaperBelief:
    """Frontier, prediction set and history of Algorithm 4, and the latent and path relevance that follow from them."""

    def __init__(self, tree: Tree, alpha: float, seed: int, *, slate_dependent: bool) -> None:
        self._tree, self._alpha = tree, alpha
        self._calibration = _LEAST_SQUARES if slate_dependent else Calibration(prior_weight=0.0)
        self._random = random.Random(seed)  # noqa: S311 - a draw that must be the same again
        self._root = tree.root()
        self._nodes: dict[int, Node] = {self._root.id: self._root}
        self._children: dict[int, tuple[int, ...]] = {}
        self._opened: set[int] = set()
        self._history: list[Observation] = []
        self._slates = 0
        self._raw: dict[int, float] = {}
        self._latent = Latent({}, {}, {})
        self._paths: dict[int, float] = {}

    def openings(self, limit: int) -> list[Opening]:
        """List the best `limit` unopened nodes by path relevance, ties by id."""
        best = sorted(self.frontier(), key=lambda node: (-self.path(node), node))
        found = (Opening(self.path(node), node, self._children_of(node)) for node in best)
        return [opening for opening, _ in zip((one for one in found if one.nodes), range(limit), strict=False)]

    def observe(self, origin: int | None, scores: Iterable[tuple[int, float]]) -> None:
        """Add the raw scores of one slate, the children of `origin` and anchors, and refit all of the history."""
        assert origin is not None, "there are no seeds here"
        scored = list(scores)
        self._history += [Observation(self._slates, node, score) for node, score in scored]
        self._slates += 1
        self._raw.update(scored)
        self._opened.add(origin)
        self._latent = fit(self._history, dict.fromkeys(self._raw, 0.0), self._calibration)
        self._paths.clear()

    def latent(self, node: int) -> float:
        """Give ŝ of a judged node."""
        return self._latent.relevance[node]

    def path(self, node: int) -> float:
        """Give p(v) = α·p(parent) + (1 − α)·ŝ_v, with p(root) = 1, as the last refit has it."""
        if node not in self._paths:
            above = self._nodes[node].parent
            self._paths[node] = (
                1.0 if above is None else path_relevance(self.path(above), self.latent(node), self._alpha)
            )
        return self._paths[node]

    def raw(self, node: int) -> float:
        """Give the last raw score of a judged node."""
        return self._raw[node]

    def is_judged(self, node: int) -> bool:
        """Whether the judge has read the node: all but the root that are known."""
        return node in self._raw

    def frontier(self) -> list[int]:
        """List the inner nodes that have been judged, or are the root, and have not been opened."""
        known = (self._root.id, *self._raw)
        return [node for node in known if not self._nodes[node].is_leaf and node not in self._opened]

    def ranking(self) -> tuple[Ranked, ...]:
        """Rank the prediction set, every leaf judged so far, by path relevance, ties by id."""
        leaves = sorted((-self.path(node), node) for node in self._raw if self._nodes[node].is_leaf)
        return tuple(Ranked(leaf, max(0.0, min(1.0, -path)), True, self.latent(leaf)) for path, leaf in leaves)

    def anchors(self, origin: int | None, nodes: tuple[int, ...], limit: int) -> tuple[int, ...]:
        """Give the judged nodes that go with the children of `origin`.

        For leaves: `limit` of the leaves so far, drawn without replacement in proportion to their latent relevance.
        For inner nodes: the best sibling of `origin` that has been judged.
        """
        if all(self._nodes[node].is_leaf for node in nodes):
            return self._drawn([node for node in self._raw if self._nodes[node].is_leaf], limit)
        parent = None if origin is None else self._nodes[origin].parent
        siblings = [] if parent is None else [one for one in self._children_of(parent) if one != origin]
        judged = [node for node in siblings if node in self._raw]
        return tuple(sorted(judged, key=lambda node: (-self.latent(node), node))[:1])

    def _drawn(self, leaves: list[int], limit: int) -> tuple[int, ...]:
        # Efraimidis and Spirakis: the largest log(u) / w are a draw without replacement by the weights w.
        keys = {
            leaf: math.log(1.0 - self._random.random()) / max(_LEAST_WEIGHT, self.latent(leaf))
            for leaf in sorted(leaves)
        }
        return tuple(sorted(keys, key=lambda leaf: (-keys[leaf], leaf))[:limit])

    def _children_of(self, node: int) -> tuple[int, ...]:
        if node not in self._children:
            children = self._tree.children(node)
            self._nodes.update((child.id, child) for child in children)
            self._children[node] = tuple(child.id for child in children)
        return self._children[node]
