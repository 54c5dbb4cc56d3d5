"""The tables of docs/benchmarks.md about what the search is made of, from their records in benchmarks/results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench import TUNING
from model_tables import SHORT, block, record

from lattice.evaluate.losses import CAUSES
from lattice.evaluate.tables import Table, number, signed

_NAMES = tuple(SHORT.get(name, name) for name in TUNING)


def first_stage() -> str:
    """Show what words and vectors, of passages and documents, rank before anyone reads."""
    found = record("first-stage")
    shown = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.7, 0.0), (0.7, 0.3), (0.7, 0.5), (0.7, 0.7), (0.7, 1.0)]
    by_pair = {(row["words"], row["documents"]): row for row in found["rows"]}
    rows = [(f"{pair[0]:.1f}", f"{pair[1]:.1f}", *_means(by_pair[pair])) for pair in shown]
    chosen = [one["ndcg"] for one in (found["left_out"][name] for name in TUNING)]
    rows.append(("left out", "", *map(number, chosen), number(sum(chosen) / len(chosen))))
    return block(Table(("words", "documents", *_NAMES, "mean"), tuple(rows)))


def readings() -> str:
    """Show what each way to read a passage is worth with the best scale of its own."""
    rows = [
        (str(one["words"]), one["combination"], f"{one['tokens']:.0f}", *_means(one["ndcg"]))
        for one in record("fit-likelihood")["readings"]
    ]
    return block(Table(("words", "log P of the tokens", "tokens a passage", *_NAMES, "mean"), tuple(rows)))


def prior_weights() -> str:
    """Show the prior alone, every weight of it, how deep is read, and what is chosen without a collection there."""
    found = record("fit-likelihood")
    rows = [("the prior alone", *_means(found["prior"]))]
    rows += [(f"λ = {float(weight):g}", *_means(values)) for weight, values in found["by_prior_weight"].items()]
    default = f"λ = {found['default']['scale']['prior_weight']:g}"
    rows += [(f"{default}, {depth} passages", *_means(values)) for depth, values in found["by_depth"].items()]
    chosen = {name: one["ndcg"] for name, one in found["left_out"].items()}
    rows.append(("left out", *_means(chosen)))
    return block(Table(("nDCG@10", *_NAMES, "mean"), tuple(rows)))


def budgets() -> str:
    """Show nDCG@10 of every method at every budget."""
    rows = []
    for one in _budgets():
        at = list(one["ndcg"]["lattice"])
        for method, values in one["ndcg"].items():
            flat = len(set(values.values())) == 1
            shown = [number(values[at[-1]])] * len(at) if flat else [number(values[budget]) for budget in at]
            rows.append((SHORT.get(one["collection"], one["collection"]), method, *shown))
    return block(Table(("nDCG@10", "method", *_thousands()), tuple(rows)))


def budget_differences() -> str:
    """Show the differences of lattice to what it must not fall behind."""
    rows = []
    for one in _budgets():
        for other, by in one["differences"].items():
            shown = (f"{signed(mean)} [{signed(low)}, {signed(high)}]" for mean, low, high in by.values())
            rows.append((SHORT.get(one["collection"], one["collection"]), f"lattice − {other}", *shown))
    return block(Table(("collection", "difference [95%]", *_thousands()), tuple(rows)))


def settled() -> str:
    """Show what the early stop saves and costs."""
    rows = []
    for one in _budgets():
        for tokens, by in one["settled"].items():
            whole = by["None"]
            shown = (
                f"{signed(of['ndcg'] - whole['ndcg'])} ({1 - of['tokens'] / whole['tokens']:.0%})"
                for margin, of in by.items()
                if margin != "None"
            )
            name = SHORT.get(one["collection"], one["collection"])
            rows.append((name, f"{int(tokens):,}", f"{number(whole['ndcg'])} ({whole['tokens']:,.0f})", *shown))
    margins = [margin for margin in _budgets()[0]["settled"]["2000"] if margin != "None"]
    header = ("collection", "budget", "never settled", *(f"margin {float(margin):g}" for margin in margins))
    return block(Table(header, tuple(rows)))


def lost() -> str:
    """Show what is lost of nDCG@10, by cause, when the whole budget is read."""
    rows = []
    for one in _budgets():
        for method, causes in one["lost"].items():
            told = {each["cause"]: f"{number(each['loss'])} ({each['documents']})" for each in causes}
            name = SHORT.get(one["collection"], one["collection"])
            rows.append((name, method, *(told.get(cause, "-") for cause in _lost())))
    return block(Table(("nDCG@10 lost (documents)", "method", *_lost()), tuple(rows)))


def _lost() -> list[str]:
    there = {cause["cause"] for one in _budgets() for causes in one["lost"].values() for cause in causes}
    return [cause for cause in CAUSES if cause in there]


def _budgets() -> list[Mapping[str, Any]]:
    rows = {row["collection"]: row for row in record("budgets")["rows"]}
    return [rows[name] for name in TUNING if name in rows]


def _thousands() -> Iterable[str]:
    most = max((one["ndcg"]["lattice"] for one in _budgets()), key=len)
    return (f"{int(budget):,}" for budget in most)


def _means(values: Mapping[str, float]) -> tuple[str, ...]:
    return (*(number(values[name]) for name in TUNING), number(sum(values[name] for name in TUNING) / len(TUNING)))


BLOCKS = {
    "first_stage": first_stage,
    "readings": readings,
    "prior_weights": prior_weights,
    "budgets": budgets,
    "budget_differences": budget_differences,
    "settled": settled,
    "lost": lost,
}
