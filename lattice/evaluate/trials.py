"""Searches in simulated worlds, slate by slate: what is found after how many, one method beside another.

A judged slate is the unit of cost, of up to 24 candidates, whoever made it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lattice.evaluate.simulate import SimulatedJudge, World, found
from lattice.traversal.steps import Step
from lattice.types import Judge, Judgement, Slate

Walk = Callable[[World, Judge], Iterator[Step]]
"""Begins a search in a world with a judge; it must not end before it has read what `walked` asks for."""

ENOUGH = 0.9  # of the relevant leaves


@dataclass(frozen=True, slots=True)
class Trial:
    """One search. `recall` after 0, 1, 2, … slates: the share of the relevant leaves in the first 10 × relevant places.

    `enough` is how many slates it took until 90% were there, None where it ended before. `seconds` is what an iteration
    took of the processor in the median, apart from the judge; `candidates` is the mean size of its slates.
    """

    recall: tuple[float, ...]
    enough: float | None
    seconds: float
    candidates: float = 0.0


def walked(walk: Walk, world: World, at_least: int, at_most: int) -> Trial:
    """Follow a search until 90% are found and `at_least` slates are read, or until `at_most` are.

    Where an iteration read several slates, what it found is spread evenly over them.
    """
    judge = _Timed(SimulatedJudge(world))
    recall, enough, seconds = list[float](), None, list[float]()
    started = time.process_time()
    for step in walk(world, judge):
        seconds.append(time.process_time() - started - judge.seconds)
        share = found([one.node for one in step.ranking[: 10 * len(world.relevant)]], world) / len(world.relevant)
        before, read = len(recall) - 1, step.usage.calls
        new = read - before
        recall += [share - (share - recall[-1]) * (1 - i / new) if recall else share for i in range(1, new + 1)]
        if enough is None and share >= ENOUGH - 1e-9:
            enough = (before + 1 + read) / 2
        if read >= at_most or (enough is not None and read >= at_least):
            break
        started, judge.seconds = time.process_time(), 0.0
    recall += [recall[-1]] * (at_least + 1 - len(recall))
    # What the prior costs before the first call is not an iteration's.
    usual = statistics.median(seconds[1:] or seconds)
    return Trial(tuple(recall), enough, usual, judge.candidates / max(1, judge.slates))


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of a paired difference, and its standard error (nan for a single pair)."""

    mean: float
    error: float


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Give the mean of `ours` − `theirs`, world by world, and its standard error."""
    pairs = [one - other for one, other in zip(ours, theirs, strict=True)]
    error = statistics.stdev(pairs) / math.sqrt(len(pairs)) if len(pairs) > 1 else math.nan
    return Difference(statistics.fmean(pairs), error)


@dataclass(frozen=True, slots=True)
class Growth:
    """How a cost grows with the number of leaves n: `a` + `b`·log₁₂ n, or `a`·n^`b`; `residuals` are cost − fit."""

    a: float
    b: float
    residuals: tuple[float, ...]

    @property
    def error(self) -> float:
        """The root mean square of the residuals."""
        return math.sqrt(statistics.fmean(one * one for one in self.residuals))


def logarithmic(leaves: Sequence[int], cost: Sequence[float]) -> Growth:
    """Fit cost = a + b·log₁₂ n by least squares."""
    levels = [math.log(count, 12) for count in leaves]
    slope, at_zero = statistics.linear_regression(levels, cost)
    return Growth(at_zero, slope, tuple(one - at_zero - slope * x for x, one in zip(levels, cost, strict=True)))


def power(leaves: Sequence[int], cost: Sequence[float]) -> Growth:
    """Fit cost = a·n^b, by least squares of the logarithms; every cost must be above 0."""
    sizes = [math.log(count) for count in leaves]
    slope, at_zero = statistics.linear_regression(sizes, [math.log(one) for one in cost])
    fitted = [math.exp(at_zero + slope * x) for x in sizes]
    residuals = tuple(one - fit for one, fit in zip(cost, fitted, strict=True))
    return Growth(math.exp(at_zero), slope, residuals)


class _Timed:
    """A judge that keeps the time that it takes, and counts what it reads."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.slate_dependent = judge.slate_dependent
        self.seconds = 0.0
        self.slates = self.candidates = 0

    def score(self, query: str, slate: Slate) -> Judgement:
        started = time.process_time()
        judgement = self._judge.score(query, slate)
        self.slates += 1
        self.candidates += len(slate.candidates)
        self.seconds += time.process_time() - started
        return judgement
