"""A report as tables of text: what the terminal and the docs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lattice.evaluate.losses import CAUSES
from lattice.evaluate.metrics import MEASURES

Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows of text; the first column names the row, the others are aligned as numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def quality(report: Report) -> Table:
    """Show every measure of every method with its 95% bootstrap interval over the queries."""
    return Table(
        ("method", *MEASURES),
        tuple((one["method"], *(_with_interval(one, name) for name in MEASURES)) for one in report["methods"]),
    )


def costs(report: Report) -> Table:
    """Show what a query cost: means of tokens and calls, median and 95th percentile of seconds."""
    columns = ("method", "evaluated", "reused", "generated", "calls", "seconds", "p95")
    return Table(columns, tuple(_cost_row(one) for one in report["methods"]))


def differences(report: Report) -> Table:
    """Show the paired differences to the baseline, query by query."""
    compared = [one for one in report["methods"] if "against" in one]
    return Table(("method", "nDCG@10", "Recall@100", "better/same/worse", "p"), tuple(map(_difference_row, compared)))


def losses(one: Mapping[str, Any]) -> Table:
    """Show where a method lost nDCG@10, by cause."""
    rows = [
        (cause["cause"], number(cause["loss"]), str(cause["documents"]), str(cause["queries"]))
        for cause in one["losses"]
    ]
    return Table(("cause", "nDCG@10 lost", "documents", "queries"), tuple(rows))


def meanings(one: Mapping[str, Any]) -> list[str]:
    """Say what the causes in a table of losses mean."""
    return [f"{cause['cause']}: {CAUSES[cause['cause']]}" for cause in one["losses"] if cause["cause"] in CAUSES]


def plain(table: Table) -> list[str]:
    """Lay a table out for a terminal: names to the left, numbers to the right."""
    lines = [table.columns, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
    return ["  ".join(_aligned(cell, widths[i], i) for i, cell in enumerate(line)).rstrip() for line in lines]


def markdown(table: Table) -> list[str]:
    """Lay a table out for the docs."""
    rule = ["---", *("--:" for _ in table.columns[1:])]
    lines = ([cell.replace("|", r"\|") for cell in line] for line in (table.columns, rule, *table.rows))
    return ["| " + " | ".join(line) + " |" for line in lines]


def number(value: float) -> str:
    """Write a measure with three digits and no leading zero, as tables of retrieval results do."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def p_value(value: float) -> str:
    """Write a probability, which is never quite 0."""
    return "<.001" if value < 0.001 else number(value)


def signed(value: float) -> str:
    """Write a difference with its sign."""
    return ("+" if value >= 0 else "-") + number(abs(value))


def interval(pair: Sequence[float], write: Any = number) -> str:  # noqa: ANN401 - a function of float
    """Write an interval."""
    return f"[{write(pair[0])}, {write(pair[1])}]"


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


def _with_interval(one: Mapping[str, Any], name: str) -> str:
    return f"{number(one[name])} {interval(one['intervals'][name])}"


def _cost_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    tokens = (f"{one[name]:,.0f}" for name in ("evaluated", "reused", "generated"))
    return (one["method"], *tokens, f"{one['calls']:.1f}", _seconds(one["seconds"]), _seconds(one["seconds_p95"]))


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def _difference_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    against = one["against"]
    ndcg, recall = against["nDCG@10"], against["Recall@100"]
    counts = f"{ndcg['wins']}/{ndcg['ties']}/{ndcg['losses']}"
    cells = (f"{signed(each['difference'])} {interval(each['interval'], signed)}" for each in (ndcg, recall))
    return (one["method"], *cells, counts, p_value(ndcg["p_value"]))
