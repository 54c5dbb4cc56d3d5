"""What an evaluation leaves behind for other tools: its record, TREC run files, plots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lattice.evaluate.evaluation import CURVE_MEASURES, MethodResult, curve, curve_points
from lattice.evaluate.plots import curves, wins
from lattice.evaluate.runs import write_run
from lattice.evaluate.session import Outcome
from lattice.evaluate.summary import record

_LINE = 1000  # characters: a query with its curve, seldom more


def write_record(path: Path, outcome: Outcome, baseline: str) -> None:
    """Write all results, query by query, as JSON; the old file stays until the new one is whole."""
    whole = {"schema_version": 1, **record(outcome.setup, outcome.results, baseline)}
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(laid_out(whole) + "\n", encoding="utf-8")
    scratch.replace(path)


def laid_out(value: object, indent: int = 0) -> str:
    """Write JSON whose changes a person can read: what fits on a line stands on one, the rest a line an entry."""
    compact = json.dumps(value, ensure_ascii=False)
    if len(compact) <= _LINE or not isinstance(value, dict | list):
        return compact
    entries = value.items() if isinstance(value, dict) else ((None, one) for one in value)
    inner = " " * (indent + 1)
    lines = [
        f"{inner}{'' if name is None else json.dumps(name, ensure_ascii=False) + ': '}{laid_out(one, indent + 1)}"
        for name, one in entries
    ]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([opening, ",\n".join(lines), " " * indent + closing])


def write_runs(folder: Path, outcome: Outcome) -> None:
    """Write a TREC run file for each method."""
    folder.mkdir(parents=True, exist_ok=True)
    for result in outcome.results:
        ranked = {query: one.documents for query, one in result.queries.items()}
        write_run(folder / f"{result.method}.trec", ranked, result.method)


def write_plots(folder: Path, outcome: Outcome, baseline: str) -> None:
    """Draw the anytime curves, and for each method but the baseline its wins and losses against it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = outcome.setup.collection.name
    results = {result.method: result for result in outcome.results}
    for measure in CURVE_MEASURES:
        lines, flat = lines_of(outcome.results, measure)
        curves(folder / f"{measure.replace('@', '-')}.svg", name, lines, flat, measure)
    before = results[baseline].values("nDCG@10")
    for method, result in results.items():
        if method != baseline:
            after = result.values("nDCG@10")
            gained = {query: after[query] - before[query] for query in before}
            wins(folder / f"{method}-against-{baseline}.svg", name, gained, (method, baseline))


def lines_of(
    results: Sequence[MethodResult], measure: str
) -> tuple[dict[str, list[tuple[float, float]]], dict[str, float]]:
    """Give the curves of the methods that have one, and the means of those that answer once."""
    points = curve_points(results)
    lines = {
        one.method: [(float(moment.evaluated), moment.values[measure]) for moment in curve(one, points)]
        for one in results
        if one.has_steps
    }
    flat = {one.method: sum(one.values(measure).values()) / len(one.queries) for one in results if not one.has_steps}
    return lines, flat
