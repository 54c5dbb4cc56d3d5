"""The report of `lattice tree --check`, for a person and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.contract import usage_json
from lattice.cli.render import label, usage_words
from lattice.cli.terminal import counted, dim

if TYPE_CHECKING:
    from lattice.lint.report import Finding, Level, Report, Retrieval
    from lattice.store.store import Store

_SHOWN = 5  # findings of a kind, and senders; --json has all


def report_lines(store: Store, report: Report) -> Iterator[str]:
    """Give the report: what fails first, then the shape, the descriptions and the way back to the passages."""
    for failure in report.failures:
        yield f"{click.style('problem', fg='red')}     {failure}"
    if not report.failures:
        yield f"{click.style('ok', fg='green')}          n{report.top} keeps to every limit"
    shape = report.shape
    size = f"{counted(shape.leaves, 'passage')} below {counted(shape.inner, 'node')}"
    yield f"tree        {size}; balance {_value(shape.balance)} of 1"
    yield f"            passages by depth: {_histogram(shape.depths)}"
    yield f"            nodes by children: {_histogram(shape.branching)}"
    if report.covered is not None:
        yield f"words       {report.covered:.0%} of the passages' own terms stand in a description above them"
    if report.same_words is not None:
        yield f"names       {report.same_words:.1%} of the pairs of sibling nodes have names of the same words"
    yield from _findings(store, report.findings)
    for retrieval in (report.retrieval, report.model):
        if retrieval is not None:
            yield from _retrieval(store, retrieval)


def _findings(store: Store, findings: Sequence[Finding]) -> Iterator[str]:
    from lattice.lint.report import KINDS

    for kind, meaning in KINDS.items():
        found = [finding for finding in findings if finding.kind == kind]
        if found:
            yield f"{kind:<12}{counted(len(found), 'time')}: {meaning}"
        for finding in found[:_SHOWN]:
            yield dim(f"            {finding.detail}")
            yield from (f"              n{node}  {label(store, store.node(node))}" for node in finding.nodes)
        if len(found) > _SHOWN:
            yield dim(f"            and {len(found) - _SHOWN:,} more; --json has all")


def _retrieval(store: Store, found: Retrieval) -> Iterator[str]:
    if not found.asked:
        yield f"found       nothing was looked for by {found.walker}: there is no passage to find"
        return
    asked = found.asked
    yield (
        f"found       {found.found / asked:.0%} of {counted(asked, 'passage')} by a sentence of their own, by "
        f"{found.walker}; {found.parents / asked:.0%} reach the parent, {found.kept / asked:.0%} are found with the "
        "best 3 kept"
    )
    yield f"            found by the passage's depth: {_levels(found.by_depth)}"
    yield f"            right choices by the node's depth: {_levels(found.levels)}"
    if found.silent:
        yield f"            {counted(found.silent, 'passage')} without words not looked for"
    for sender in found.senders[:_SHOWN]:
        sent = f"n{sender.node} sends {sender.astray:,} of {sender.asked:,} astray"
        yield f"            {sent}  {label(store, store.node(sender.node))}"
    if found.usage.calls:
        yield dim(f"            {usage_words(found.usage)}")


def report_json(report: Report) -> dict[str, Any]:
    """Give the whole report; shares are in [0, 1], null where nothing could be measured."""
    shape = report.shape
    return {
        "ok": not report.failures,
        "node": f"n{report.top}",
        "failures": list(report.failures),
        "limits": asdict(report.limits),
        "shape": {**asdict(shape), "depths": _keys(shape.depths), "branching": _keys(shape.branching)},
        "covered": report.covered,
        "alike": report.alike,
        "same_words": report.same_words,
        "findings": [
            {"kind": one.kind, "nodes": [f"n{node}" for node in one.nodes], "detail": one.detail}
            for one in report.findings
        ],
        "retrieval": retrieval_json(report.retrieval),
        "model": None if report.model is None else retrieval_json(report.model),
    }


def retrieval_json(found: Retrieval) -> dict[str, Any]:
    """Give what became of the walks, as counts."""
    return {
        **{name: getattr(found, name) for name in ("walker", "asked", "found", "parents", "kept", "silent")},
        "by_depth": [asdict(level) for level in found.by_depth],
        "levels": [asdict(level) for level in found.levels],
        "senders": [{**asdict(one), "node": f"n{one.node}"} for one in found.senders],
        "usage": usage_json(found.usage),
    }


def _keys(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(value): count for value, count in counts.items()}


def _histogram(counts: Mapping[int, int]) -> str:
    return ", ".join(f"{value}: {count:,}" for value, count in counts.items()) or "none"


def _levels(levels: Sequence[Level]) -> str:
    return ", ".join(f"{one.depth}: {one.chosen:,} of {one.asked:,}" for one in levels)


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
