"""What an evaluation says, as plain dictionaries: the summary that `--json` prints and the record that is committed."""

from __future__ import annotations

import math
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import lattice
from lattice.evaluate.collection import Collection
from lattice.evaluate.evaluation import CURVE_MEASURES, MethodResult, QueryResult, curve, curve_points
from lattice.evaluate.intervals import Interval, mean_interval, paired
from lattice.evaluate.losses import Lost, summary
from lattice.evaluate.metrics import MEASURES
from lattice.store.store import Store
from lattice.traversal.search import DEFAULT_CALIBRATION, SearchSettings

_DIGITS = 5  # of a measure: finer differences than any test collection can tell
_LOST_KEPT = 10  # relevant documents a query whose loss a record explains: as many as nDCG@10 looks at


@dataclass(frozen=True, slots=True)
class Setup:
    """What was measured, with what: enough to measure it again."""

    collection: Collection
    index: Mapping[str, Any]
    settings: SearchSettings
    model: Mapping[str, Any] | None
    command: str


def report(setup: Setup, results: Sequence[MethodResult], baseline: str) -> dict[str, Any]:
    """Give the whole report without the single queries: what `lattice eval --json` prints."""
    points = curve_points(results)
    against = next(result for result in results if result.method == baseline)
    return {
        "collection": _collection_json(setup.collection),
        "index": dict(setup.index),
        "model": None if setup.model is None else dict(setup.model),
        "settings": asdict(replace(setup.settings, calibration=setup.settings.calibration or DEFAULT_CALIBRATION)),
        "lattice": source_state(),
        "command": setup.command,
        "baseline": baseline,
        "methods": [_method_json(result, against, points) for result in results],
    }


def record(setup: Setup, results: Sequence[MethodResult], baseline: str) -> dict[str, Any]:
    """Give the report with every query's values, curve and losses: what is committed and compared with later."""
    whole = report(setup, results, baseline)
    for shown, result in zip(whole["methods"], results, strict=True):
        shown["queries"] = {query: _query_json(one) for query, one in result.queries.items()}
    return whole


def source_state() -> dict[str, Any]:
    """Give the version of lattice, the commit that it runs from, and whether its code differs from that commit."""
    home = Path(lattice.__file__).parent
    commit = _git(home, "rev-parse", "HEAD")
    changed = bool(_git(home, "status", "--porcelain", "--", "."))
    return {"version": lattice.__version__, "commit": commit, "changed": changed if commit else None}


def index_json(store: Store) -> dict[str, Any]:
    """Give what an index holds and what built it."""
    status = store.status()
    counts = {name: getattr(status, name) for name in ("documents", "passages", "nodes", "depth", "skipped", "builder")}
    return {**counts, "settings": asdict(store.settings())}


def losses_json(result: MethodResult) -> list[dict[str, Any]]:
    """Sum up by cause what a method lost: mean nDCG@10, relevant documents and queries, the largest first."""
    lost = [one for query in result.queries.values() for one in query.lost]
    return [_rounded(asdict(cause)) for cause in summary(lost, len(result.queries))]


def _collection_json(collection: Collection) -> dict[str, Any]:
    return {
        "name": collection.name,
        "split": collection.split,
        "sha256": collection.digest,
        "documents": len(collection.records),
        "queries": len(collection.queries),
        "of": collection.total,
        "seed": collection.seed,
        "relevant_missing": len(collection.missing()),
    }


def _method_json(result: MethodResult, baseline: MethodResult, points: Sequence[int]) -> dict[str, Any]:
    shown: dict[str, Any] = {"method": result.method}
    shown |= {name: statistics.fmean(result.values(name).values()) for name in MEASURES}
    shown |= _usage_json(list(result.queries.values()))
    shown["intervals"] = {name: _pair(mean_interval(list(result.values(name).values()))) for name in MEASURES}
    if result.method != baseline.method:
        shown["against"] = {"baseline": baseline.method} | {
            name: _paired_json(result, baseline, name) for name in MEASURES
        }
    if result.has_steps:
        shown["curve"] = [{"evaluated": one.evaluated, **one.values} for one in curve(result, points)]
        shown["losses"] = losses_json(result)
    rounded: dict[str, Any] = _rounded(shown)
    return rounded


def _usage_json(queries: Sequence[QueryResult]) -> dict[str, float]:
    means = {
        name: statistics.fmean(getattr(one.usage, name) for one in queries)
        for name in ("evaluated", "reused", "generated", "calls")
    }
    seconds = [one.usage.seconds for one in queries]
    return {**means, "seconds": statistics.median(seconds), "seconds_p95": quantile(seconds, 0.95)}


def quantile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that at least `share` of the values do not exceed."""
    place = math.ceil(share * len(values) - 1e-9)  # 0.95 × 20 is a little over 19 in floating point
    return sorted(values)[max(0, place - 1)]


def _paired_json(result: MethodResult, baseline: MethodResult, measure: str) -> dict[str, Any]:
    found = paired(result.values(measure), baseline.values(measure))
    return {**asdict(found), "interval": _pair(found.interval)}


def _pair(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _query_json(one: QueryResult) -> dict[str, Any]:
    shown: dict[str, Any] = {**one.values, "evaluated": one.usage.evaluated, "seconds": round(one.usage.seconds, 3)}
    if one.moments:
        shown["curve"] = [
            [moment.evaluated, *(moment.values[name] for name in CURVE_MEASURES)] for moment in one.moments
        ]
    if lost := [_lost_json(each) for each in one.lost[:_LOST_KEPT] if each.share > 0]:
        shown["lost"] = lost
    rounded: dict[str, Any] = _rounded(shown)
    return rounded


def _lost_json(lost: Lost) -> dict[str, Any]:
    return {
        "document": lost.document,
        "share": lost.share,
        "cause": lost.cause,
        "rank": lost.rank,
        "prior_rank": lost.prior_rank,
    }


def _rounded(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
