"""The regression gate: an evaluation against a committed record of the same queries."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lattice.errors import UsageError
from lattice.evaluate.collection import Collection
from lattice.evaluate.evaluation import MethodResult
from lattice.evaluate.intervals import Paired, paired
from lattice.evaluate.methods import METHODS

WORST_DROP = 0.005  # of the mean nDCG@10 over the same queries
WORST_RISE = 0.10  # of the tokens evaluated a query, as a share
_SLACK = 1e-9  # a drop of just the limit, in floating point, is no more than the limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a method compares with its record: the paired difference of nDCG@10, tokens a query, and what is wrong."""

    method: str
    difference: Paired
    evaluated: float
    evaluated_before: float
    failures: tuple[str, ...]


def read_record(path: Path) -> dict[str, Any]:
    """Read a record that `lattice eval --record` wrote; UsageError where it is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        methods = {shown["method"]: shown["queries"] for shown in found["methods"]}
        if not all(methods.values()) or not found["collection"]["sha256"]:
            raise KeyError("queries")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no record of an evaluation ({error}). Write one with `--record {path}`."
        ) from error
    return found


def same_queries(record: Mapping[str, Any], collection: Collection) -> Collection:
    """Give the collection with the queries of the record; UsageError where the record is of another collection."""
    measured = record["collection"]
    if measured["sha256"] != collection.digest:
        raise UsageError(
            f"The record is of {measured['name']} with other documents, queries or qrels than {collection.name} has "
            "now, so nothing can be compared. Write a new record with --record."
        )
    return collection.only(list(record["methods"][0]["queries"]))


def same_judge(record: Mapping[str, Any], judge: str, relevance: str | None, methods: Sequence[str]) -> None:
    """Raise UsageError where a method of `methods` was read for the record by another judge, or told other things."""
    measured = record.get("model")
    shared = {shown["method"] for shown in record["methods"]} & {name for name in methods if METHODS[name].reads}
    if measured is None or not shared:
        return
    before = (measured.get("judge", "likelihood"), measured.get("relevance"))
    if before != (judge, relevance):
        told = "" if before[1] is None else f" told that a passage is relevant if {before[1]}"
        raise UsageError(
            f"The record was read by the {before[0]} judge{told}, and this evaluation would be read by the {judge} "
            "judge: their figures do not compare. Give the same --judge and --relevance, or write a new record with "
            "--record."
        )


def judge_against(record: Mapping[str, Any], results: Sequence[MethodResult]) -> list[Verdict]:
    """Compare every method that the record has too."""
    before = {shown["method"]: shown["queries"] for shown in record["methods"]}
    return [_verdict(result, before[result.method]) for result in results if result.method in before]


def _verdict(result: MethodResult, before: Mapping[str, Mapping[str, Any]]) -> Verdict:
    difference = paired(result.values("nDCG@10"), {query: one["nDCG@10"] for query, one in before.items()})
    now = statistics.fmean(one.usage.evaluated for one in result.queries.values())
    then = statistics.fmean(one["evaluated"] for one in before.values())
    failures = []
    if difference.difference < -WORST_DROP - _SLACK:
        failures.append(f"nDCG@10 dropped by {-difference.difference:.4f} (at most {WORST_DROP})")
    if now > then * (1 + WORST_RISE) + _SLACK:
        rise = "from none" if then == 0 else f"by {now / then - 1:.0%}"
        failures.append(f"tokens rose {rise}, to {math.ceil(now):,} a query (at most {WORST_RISE:.0%})")
    return Verdict(result.method, difference, now, then, tuple(failures))
