"""An evaluation as lines for a person: what was measured, three tables, the misses, the gate's verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.misses import miss_lines
from lattice.cli.terminal import clean, counted, dim

if TYPE_CHECKING:
    from lattice.evaluate.gate import Verdict
    from lattice.evaluate.session import Outcome
    from lattice.evaluate.tables import Table

_EXPLAINED = ("lattice", "rerank")  # whose misses are explained: the first of them that was run


def report_lines(outcome: Outcome, report: Mapping[str, Any], misses: int | None) -> list[str]:
    """Give the whole report; `misses` is how many queries to explain, None for none and no sums by cause."""
    from lattice.evaluate import tables

    lines = [*_head(report), "", *_titled("Quality (95% bootstrap intervals over the queries)", tables.quality(report))]
    if len(report["methods"]) > 1:
        title = f"Paired differences to {report['baseline']} (95% bootstrap; p: randomisation test of nDCG@10)"
        lines += ["", *_titled(title, tables.differences(report))]
    lines += ["", *_titled("Cost a query (means; seconds: median and 95th percentile)", tables.costs(report))]
    if misses is not None:
        lines += _misses(outcome, report, misses)
    return lines


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Give the gate's verdict on each method."""
    if not verdicts:
        return []
    lines = ["", click.style("Against the record", bold=True)]
    for one in verdicts:
        word = click.style("worse", fg="red") if one.failures else click.style("holds", fg="green")
        difference = round(one.difference.difference, 4) + 0.0  # which is never -0
        change = f"nDCG@10 {difference:+.4f}, tokens {one.evaluated_before:,.0f} → {one.evaluated:,.0f}"
        lines.append(f"{one.method:<8}  {word}  {change}{''.join('; ' + failure for failure in one.failures)}")
    return lines


def verdicts_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Give the gate's verdict for `--json`: nothing where no gate was asked for."""
    return {"gate": [asdict(one) for one in verdicts]} if verdicts else {}


def _head(report: Mapping[str, Any]) -> list[str]:
    collection, index, model = report["collection"], report["index"], report["model"]
    seed = "" if collection["seed"] is None else f" (seed {collection['seed']})"
    counts = f"{counted(collection['documents'], 'document')}, {counted(index['passages'], 'passage')}"
    lines = [
        f"{click.style(clean(collection['name']), bold=True)}: {counts}; {collection['queries']:,} of "
        f"{collection['of']:,} queries{seed}, qrels {collection['split']}"
    ]
    if model is not None:
        budget = report["settings"]["budget_tokens"]
        where = f" on {clean(model['server'])}" if "server" in model else ""
        lines.append(dim(f"judge: {model['judge']} by {clean(model['name'])}{where}, {budget:,} tokens a query"))
        if "relevance" in model:
            lines.append(dim(f"told that a passage is relevant if {clean(model['relevance'])}"))
    if missing := collection["relevant_missing"]:
        lines.append(
            f"{counted(missing, 'relevant document')} of the qrels are not in the corpus: nothing can find them."
        )
    return lines


def _titled(title: str, table: Table) -> list[str]:
    from lattice.evaluate.tables import plain

    head, *rows = plain(table)
    return [click.style(title, bold=True), dim(head), *rows]


def _misses(outcome: Outcome, report: Mapping[str, Any], count: int) -> list[str]:
    from lattice.evaluate import tables

    results = {result.method: result for result in outcome.results}
    chosen = next((name for name in _EXPLAINED if name in results), None)
    if chosen is None:
        return ["", f"Nothing to explain: none of {', '.join(_EXPLAINED)} was run."]
    shown = next(one for one in report["methods"] if one["method"] == chosen)
    lines = ["", *_titled(f"Where {chosen} lost its nDCG@10", tables.losses(shown))]
    lines += [dim(f"  {meaning}") for meaning in tables.meanings(shown)]
    lines += _ceilings(report)
    return lines + miss_lines(outcome, results[chosen], results[report["baseline"]], count)


def _ceilings(report: Mapping[str, Any]) -> list[str]:
    """Say what no judge could have found: the oracle's loss, and what the prior never brought."""
    from lattice.evaluate.tables import number

    by_name = {one["method"]: one for one in report["methods"]}
    lines = []
    if "prior" in by_name:
        found = number(by_name["prior"]["Recall@100"])
        lines.append(f"The prior has {found} of the relevant documents among its first 100 (Recall@100).")
    if "oracle" in by_name:
        ceiling = number(by_name["oracle"]["nDCG@10"])
        lines.append(f"A judge that knows the answers reaches {ceiling} in the same tree, for the same tokens.")
    return lines
