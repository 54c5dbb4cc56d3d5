"""The search: a best-first walk down the tree whose value function is a judge that reads (method §2, §3.3).

Two kinds of slate compete for every call. A *seed slate* holds the best passages of the prior that nobody has read yet;
a *tree slate* holds the children of an unopened node. Which comes next is decided by what it promises: the relevance
expected of its candidates, given everything judged so far. Evidence flows both ways: a node's judgement lends itself to
what is below (path relevance), and what is found below a node lifts it, as far as that is more than chance would put
there.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lattice.traversal.belief import Belief
from lattice.traversal.calibration import Calibration
from lattice.traversal.prior import Prior
from lattice.traversal.steps import JudgedSlate, Opening, Ranked, Scored, Step
from lattice.types import Candidate, Judge, Judgement, OutOfTime, Slate, SlatesJudge, Tree, Usage

# How many judgements the prior is worth (λ_s); chosen on the tuning collections (benchmarks/fit_likelihood.py).
DEFAULT_CALIBRATION = Calibration(prior_weight=3.0, bias_weight=1.0)


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """What decides a search; the same settings, index, model and query give the same ranking.

    `beam` is the paper's B, `iterations` N, `alpha` α, `anchors` ℓ. `budget_tokens` bounds the tokens read: what is not
    expected to fit is cut or not begun. What an engine has kept from earlier searches is read faster and counts all the
    same, or the ranking would depend on them. `seconds` only caps; where it ended the search, `stopped` says so.
    `context` is the share of its parent's path relevance in what a leaf is ranked by; `leaf_share` is what a leaf
    below a node is expected to have of its path relevance, where that competes with leaves that the prior knows.

    A search is settled, and ends, where the first `settled_depth` leaves have been read and nothing unread is expected
    to come within `margin` of the last of them; with None it never is. `calibration` None is the default of each walk.
    """

    budget_tokens: int | None = 2000
    iterations: int | None = None
    seconds: float | None = None
    beam: int = 1
    seed_slate: int = 8
    alpha: float = 0.1
    context: float = 0.1
    anchors: int = 10
    leaf_share: float = 0.5
    margin: float | None = 0.05
    settled_depth: int = 10
    calibration: Calibration | None = None


Costs = Callable[[str, Sequence[Candidate]], list[int]]
"""Tells the tokens that judging each candidate takes, as if nothing were kept; what the query costs is on the first."""

Settled = Callable[[list[Opening], Sequence[Ranked]], bool]
"""Whether nothing of what could be read next would change the first hits of the ranking."""


class View(Protocol):
    """What a walk believes: learns from every slate, and tells what nodes are worth."""

    def observe(self, origin: int | None, scores: Iterable[tuple[int, float]]) -> None:
        """Add the raw scores of one slate (the children of `origin`, or seeds)."""
        ...

    def latent(self, node: int) -> float:
        """Give ŝ of a node."""
        ...

    def path(self, node: int) -> float:
        """Give the path relevance of a node."""
        ...

    def raw(self, node: int) -> float:
        """Give the last raw score of a judged node."""
        ...

    def is_judged(self, node: int) -> bool:
        """Whether the judge has read the node."""
        ...

    def frontier(self) -> list[int]:
        """List the inner nodes that have been heard of and not been opened."""
        ...

    def anchors(self, origin: int | None, nodes: tuple[int, ...], limit: int) -> tuple[int, ...]:
        """Give judged nodes that make a slate comparable with earlier ones."""
        ...

    def ranking(self) -> Sequence[Ranked]:
        """Rank the leaves that are known of, best first."""
        ...


def search(
    query: str, tree: Tree, judge: Judge, prior: Prior, settings: SearchSettings, costs: Costs | None = None
) -> Iterator[Step]:
    """Yield the ranking after every iteration, from the prior's to the last within the budget.

    `costs` tells what judging candidates would evaluate; without it they are guessed by their lengths.
    A judge that raises OutOfTime ends the search with what it has; what it had cost counts.
    """
    weighed = settings.calibration or DEFAULT_CALIBRATION
    belief = Belief(tree, prior, weighed, settings.alpha, settings.context, slate_dependent=judge.slate_dependent)
    yield from explore(
        query,
        tree,
        judge,
        belief,
        lambda: competing_openings(belief, settings),
        settings,
        costs,
        lambda openings, ranking: is_settled(belief, openings, ranking, settings),
    )


def explore(
    query: str,
    tree: Tree,
    judge: Judge,
    belief: View,
    openings: Callable[[], list[Opening]],
    settings: SearchSettings,
    costs: Costs | None = None,
    settled: Settled = lambda _openings, _ranking: False,
) -> Iterator[Step]:
    """Yield a step for every iteration of the loop that all walks share, until a limit ends it or nothing is left.

    `openings` lists what could be read next by what is believed now, best first; `settled` says whether any of it is
    still worth reading. Of the settings, those count that bound a walk: budget_tokens, iterations, seconds, beam and
    anchors.
    """
    started = time.monotonic()
    usage, iteration, spent = Usage(), 0, 0
    stopped = None
    step = Step(0, (), belief.ranking(), usage)
    maker = _SlateMaker(query, tree, judge, belief, settings, costs or _guess_costs)
    while stopped is None:
        chosen: list[Opening] = []
        price = 0
        stopped = _limit(settings, iteration, started)
        if stopped is None:
            found = openings()
            chosen, price = maker.choose(found, spent)
            stopped = _ending(found, chosen, settled, step.ranking)
        if stopped is not None:
            break
        yield step
        iteration += 1
        before = usage.evaluated
        slates: list[JudgedSlate] = []
        try:
            for opening, slate, judgement in _judged(query, tree, judge, chosen):
                usage += judgement.usage
                slates.append(_record(belief, opening, slate, judgement))
        except OutOfTime as late:
            usage += late.usage
            stopped = "seconds"
        spent += max(price, usage.evaluated - before)
        step = Step(iteration, _refreshed(belief, slates), belief.ranking(), usage)
    yield replace(step, stopped=stopped, passed_over=_passed_over(belief))


def _limit(settings: SearchSettings, iteration: int, started: float) -> str | None:
    """Name the limit that has been reached, whatever could be read next."""
    if settings.iterations is not None and iteration >= settings.iterations:
        return "iterations"
    if settings.seconds is not None and time.monotonic() - started >= settings.seconds:
        return "seconds"
    return None


def _ending(found: list[Opening], chosen: list[Opening], settled: Settled, ranking: Sequence[Ranked]) -> str | None:
    """Say why nothing is to be read of what was found; None where `chosen` is."""
    if not found:
        return "exhausted"
    if settled(found, ranking):
        return "settled"
    return None if chosen else "budget"


def competing_openings(belief: Belief, settings: SearchSettings) -> list[Opening]:
    """List what could be read next, best first: the next seed slates, and every unopened node."""
    size = settings.seed_slate
    unread = belief.unread_seeds(size * settings.beam)
    found = [
        Opening(sum(map(belief.expectation, seeds)) / len(seeds), None, tuple(seeds))
        for seeds in (unread[i : i + size] for i in range(0, len(unread), size))
    ]
    found += _frontier_openings(belief, settings)
    return sorted(found, key=lambda opening: (-opening.promise, opening.origin or 0))


def is_settled(belief: Belief, openings: list[Opening], ranking: Sequence[Ranked], settings: SearchSettings) -> bool:
    """Whether nothing that could be read is expected to come near the first hits, all of which have been read."""
    first = ranking[: settings.settled_depth]
    if settings.margin is None or len(first) < settings.settled_depth or not all(one.judged for one in first):
        return False
    # A seed slate begins with the best unread leaf.
    near = max(belief.relevance(one.nodes[0]) if one.origin is None else one.promise for one in openings)
    return near + settings.margin < first[-1].relevance


def _frontier_openings(belief: Belief, settings: SearchSettings) -> list[Opening]:
    """Give the best unopened nodes that have unread children; looks no further than the beam needs."""
    promises = [(settings.leaf_share * belief.path(node), node) for node in belief.frontier()]
    found: list[Opening] = []
    for promise, node in sorted(promises, key=lambda item: (-item[0], item[1])):
        if len(found) == settings.beam:
            break
        children = belief.unread_children(node)
        if children:
            found.append(Opening(promise, node, children))
    return found


@dataclass(frozen=True, slots=True)
class _SlateMaker:
    """Makes slates of openings, as many as the budget has room for."""

    query: str
    tree: Tree
    judge: Judge
    belief: View
    settings: SearchSettings
    costs: Costs

    def choose(self, openings: list[Opening], spent: int) -> tuple[list[Opening], int]:
        """Take the best `beam` openings that are expected to fit into the budget together; tell their price.

        A seed slate may be shortened from its end. A node is opened whole or, where it does not fit, not at all: then a
        less promising opening has its turn. Every candidate is left to the best opening that is taken and holds it, for
        a seed may also be a child of a node to be opened. The anchors of a slate are paid for like all else in it.
        """
        budget = self.settings.budget_tokens
        room = math.inf if budget is None else budget - spent
        chosen: list[Opening] = []
        taken: set[int] = set()
        price = 0
        for opening in openings:
            if len(chosen) == self.settings.beam:
                break
            nodes = tuple(node for node in opening.nodes if node not in taken)
            whole = self._anchored(replace(opening, nodes=nodes))
            each = self._prices(nodes + whole.anchors)
            for_anchors = sum(each[len(nodes) :])
            kept = _fitting(each[: len(nodes)], room - price - for_anchors)
            if kept and (kept == len(nodes) or opening.origin is None):
                price += sum(each[:kept]) + for_anchors
                taken.update(nodes[:kept])
                chosen.append(replace(whole, nodes=nodes[:kept]))
        return chosen, price

    def _anchored(self, opening: Opening) -> Opening:
        if not self.judge.slate_dependent or not opening.nodes:
            return opening
        anchors = self.belief.anchors(opening.origin, opening.nodes, self.settings.anchors)
        return replace(opening, anchors=anchors)

    def _prices(self, nodes: tuple[int, ...]) -> list[int]:
        if self.settings.budget_tokens is None or not nodes:
            return [0] * len(nodes)
        return self.costs(self.query, self.tree.candidates(nodes))


def _fitting(prices: list[int], room: float) -> int:
    """Count the candidates that fit into `room`, from the first on."""
    return sum(total <= room for total in itertools.accumulate(prices))


def _guess_costs(query: str, candidates: Sequence[Candidate]) -> list[int]:
    # English text is near 1.4 tokens a word.
    asked = len(query.split())
    return [int(1.4 * (asked + len(one.title.split()) + len(one.text.split()))) for one in candidates]


def _judged(
    query: str, tree: Tree, judge: Judge, openings: list[Opening]
) -> Iterator[tuple[Opening, Slate, Judgement]]:
    """Yield the openings' slates as they are judged: all at once by a judge that can, else one after the other."""
    slates = [Slate(one.origin, tree.candidates(one.nodes + one.anchors)) for one in openings]
    if len(openings) > 1 and isinstance(judge, SlatesJudge):
        yield from zip(openings, slates, judge.score_all(query, slates), strict=True)
        return
    for opening, slate in zip(openings, slates, strict=True):
        yield opening, slate, judge.score(query, slate)


def _record(belief: View, opening: Opening, slate: Slate, judgement: Judgement) -> JudgedSlate:
    scored = [(candidate.node, score) for candidate, score in zip(slate.candidates, judgement.scores, strict=True)]
    belief.observe(opening.origin, scored)
    raw = tuple(Scored(node, score, 0.0, 0.0) for node, score in scored)
    return JudgedSlate(opening.origin, opening.promise, raw, judgement.usage, judgement.reasoning, judgement.notes)


def _refreshed(belief: View, slates: list[JudgedSlate]) -> tuple[JudgedSlate, ...]:
    """Give the slates with the latent and path relevance that hold after this iteration's refit."""
    return tuple(
        replace(slate, scored=tuple(_scored(belief, one.node, one.raw) for one in slate.scored)) for slate in slates
    )


def _scored(belief: View, node: int, raw: float) -> Scored:
    return Scored(node, raw, belief.latent(node), belief.path(node))


def _passed_over(belief: View) -> tuple[Scored, ...]:
    unopened = (_scored(belief, node, belief.raw(node)) for node in belief.frontier() if belief.is_judged(node))
    return tuple(sorted(unopened, key=lambda scored: (-scored.path, scored.node)))
