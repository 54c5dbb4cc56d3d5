"""An evaluation: every query of a collection answered by every method, measured at every moment of the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lattice.errors import UsageError
from lattice.evaluate.collection import Collection
from lattice.evaluate.losses import Lost, documents_of, explain, trails_of
from lattice.evaluate.methods import METHODS, Answered, Bench
from lattice.evaluate.metrics import MEASURES, per_query
from lattice.lattice import Lattice
from lattice.traversal.steps import Step
from lattice.types import Usage

CURVE_MEASURES = ("nDCG@10", "Recall@100")

Progress = Callable[[str, int, int], None]
"""Called with the method, the queries answered and the queries in all."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of an anytime curve: the tokens evaluated so far, and what the ranking was then worth, by measure."""

    evaluated: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a method made of one query. `moments` is empty for a method that answers only once.

    `lost` holds the relevant documents that it ranked too low, and where they were dropped, if it told its steps.
    """

    documents: tuple[str, ...]
    values: Mapping[str, float]
    usage: Usage
    moments: tuple[Moment, ...] = ()
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What a method made of every query, by the query's id."""

    method: str
    queries: Mapping[str, QueryResult]

    def values(self, measure: str) -> dict[str, float]:
        """Give one measure of every query."""
        return {query: result.values[measure] for query, result in self.queries.items()}

    @property
    def has_steps(self) -> bool:
        """Whether the method could have been stopped on its way."""
        return any(result.moments for result in self.queries.values())


def check_methods(names: Sequence[str], baseline: str | None = None) -> None:
    """Raise UsageError, with what there is, for a method that is unknown, named twice, or a baseline not run."""
    if unknown := [name for name in names if name not in METHODS]:
        raise UsageError(f"There is no method {unknown[0]!r}. Methods: {', '.join(METHODS)}.")
    if len(set(names)) < len(names) or not names:
        raise UsageError("Name every method once, and at least one: --methods bm25,prior,lattice")
    if baseline is not None and baseline not in names:
        raise UsageError(f"The baseline {baseline} is not among the methods {', '.join(names)}. Add it to --methods.")


def evaluate(
    bench: Bench,
    methods: Sequence[str],
    *,
    read_seconds: Callable[[], float] = lambda: 0.0,
    progress: Progress | None = None,
) -> list[MethodResult]:
    """Answer every query by every method. Raises UsageError for an unknown one.

    `read_seconds` tells how long a replayed reader has worked until now: that is taken off, and the seconds of its
    usage, those of the day of the reading, are put on.
    """
    check_methods(methods)
    return [_evaluated(bench, name, read_seconds, progress) for name in methods]


def _evaluated(bench: Bench, method: str, read_seconds: Callable[[], float], progress: Progress | None) -> MethodResult:
    answer = METHODS[method].make(bench)
    results: dict[str, QueryResult] = {}
    for done, query in enumerate(bench.collection.queries):
        if progress is not None:
            progress(method, done, len(bench.collection.queries))
        started, read = time.perf_counter(), read_seconds()
        answered = list(answer(query))
        seconds = time.perf_counter() - started - (read_seconds() - read)
        results[query] = _measured(bench, query, answered, seconds)
    return MethodResult(method, results)


def _measured(bench: Bench, query: str, answered: Sequence[Answered], seconds: float) -> QueryResult:
    grades = bench.collection.qrels[query]
    values = measured(grades, [one.documents for one in answered])
    last = answered[-1]
    steps = [one.step for one in answered if one.step is not None]
    return QueryResult(
        documents=last.documents,
        values=values[-1],
        usage=replace(last.usage, seconds=last.usage.seconds + seconds),
        moments=_moments(answered, values) if steps else (),
        lost=lost_in(bench.lattice, bench.collection, query, steps) if steps else (),
    )


def measured(grades: Mapping[str, int], rankings: Sequence[Sequence[str]]) -> list[dict[str, float]]:
    """Measure several rankings of one query: for each, measure → value."""
    names = [str(i) for i in range(len(rankings))]
    # The rank itself is the score: a tool that breaks ties by id then keeps our order.
    run = {
        name: {document: float(-rank) for rank, document in enumerate(ranking)}
        for name, ranking in zip(names, rankings, strict=True)
    }
    found = per_query(dict.fromkeys(names, grades), run)
    return [{ours: found[theirs][name] for ours, theirs in MEASURES.items()} for name in names]


def _moments(answered: Sequence[Answered], values: Sequence[Mapping[str, float]]) -> tuple[Moment, ...]:
    return tuple(
        Moment(one.usage.evaluated, {name: value[name] for name in CURVE_MEASURES})
        for one, value in zip(answered, values, strict=True)
    )


def lost_in(lattice: Lattice, collection: Collection, query: str, steps: Sequence[Step]) -> tuple[Lost, ...]:
    """Tell where the relevant documents of a query were dropped."""
    excluded = collection.excluded.get(query, frozenset())
    grades = {name: grade for name, grade in collection.qrels[query].items() if name not in excluded}
    store = lattice.store
    heard = {one.node for step in steps for one in step.ranking}
    relevant = [name for name, grade in grades.items() if grade > 0]
    admitted = {leaf: name for leaf, name in documents_of(store, heard).items() if name not in excluded}
    return tuple(explain(steps, grades, trails_of(store, relevant), admitted, query))


def at_budget(result: QueryResult, measure: str, tokens: float) -> float:
    """Give what the ranking was worth when no more than `tokens` had been evaluated."""
    value = 0.0
    for moment in result.moments:
        if moment.evaluated > tokens:
            break
        value = moment.values[measure]
    return value if result.moments else result.values[measure]


def curve(result: MethodResult, points: Sequence[int]) -> list[Moment]:
    """Average the anytime curves of all queries at the given numbers of tokens."""
    count = max(1, len(result.queries))
    return [
        Moment(
            tokens,
            {
                name: sum(at_budget(one, name, tokens) for one in result.queries.values()) / count
                for name in CURVE_MEASURES
            },
        )
        for tokens in points
    ]


def curve_points(results: Sequence[MethodResult]) -> list[int]:
    """Choose the tokens at which curves are drawn: round steps, at most 40, to past the end of the longest search."""
    longest = max((one.usage.evaluated for result in results for one in result.queries.values()), default=0)
    step = next((size for size in (100, 250, 500, 1000, 2500, 5000, 10_000) if longest / size <= 40), 25_000)
    return list(range(0, longest + step, step)) if longest else []
