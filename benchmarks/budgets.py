"""What more tokens buy, and what stopping early saves:  python benchmarks/budgets.py [scifact …] [--save] [--json]

Every method on the tuning collections with up to 12,000 tokens a query, never settled; nDCG@10 at budgets on the way
(the ranking that a search had when no more had been evaluated), with differences query by query. Then the default
search again with the early stop, at several margins: what it saves of the tokens, and what of nDCG@10 that costs.
Readings are kept in .bench/NAME/budgets.jsonl, so that a run goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench import JUDGEMENTS, QUERIES, RESULTS, SEED, TUNING, WORK, bf16_copy, unpacked
from tqdm import tqdm

from lattice.evaluate.collection import load
from lattice.evaluate.evaluation import MethodResult, QueryResult
from lattice.evaluate.intervals import paired
from lattice.evaluate.session import Plan, run
from lattice.evaluate.summary import losses_json, source_state
from lattice.traversal.search import SearchSettings

BUDGETS = (1000, 2000, 3000, 4000, 6000, 8000, 10000, 12000)
MARGINS = (0.1, 0.05, 0.03, 0.02, 0.0)
METHODS = ("bm25", "prior", "rerank", "paper", "lattice", "oracle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=TUNING)
    parser.add_argument("--tokens", type=int, default=12_000, choices=BUDGETS)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/budgets.json")
    options = parser.parse_args()
    rows = []
    for name in options.collections:
        rows.append(measured(name, options.tokens, options.methods.split(",")))
        print(summary(rows[-1]), file=sys.stderr, flush=True)
        if options.save:
            _save(rows[-1])
    if options.json:
        print(json.dumps(rows, indent=1))


def measured(name: str, tokens: int, methods: list[str]) -> dict[str, Any]:
    """Measure one collection at every budget up to `tokens`."""
    whole = SearchSettings(budget_tokens=tokens, margin=None)
    results = {one.method: one for one in _run(name, methods, whole)}
    budgets = [budget for budget in BUDGETS if budget <= tokens]
    values = {
        method: {budget: {query: value_at(of, budget) for query, of in one.queries.items()} for budget in budgets}
        for method, one in results.items()
    }
    return {
        "collection": name,
        "queries": len(results["prior"].queries),
        "commit": source_state()["commit"],
        "model": bf16_copy().name,
        "tokens": tokens,
        "ndcg": {method: {budget: _mean(at) for budget, at in by.items()} for method, by in values.items()},
        "differences": _differences(values),
        "evaluated": {method: _mean(_tokens(one)) for method, one in results.items()},
        "lost": {method: losses_json(results[method]) for method in ("rerank", "lattice") if method in results},
        "settled": {limit: _settled(name, limit) for limit in sorted({2000, tokens})},
    }


def _run(name: str, methods: list[str], settings: SearchSettings) -> list[MethodResult]:
    collection = load(unpacked(name))
    sample = collection.sample(min(QUERIES, len(collection.queries)), SEED)
    plan = Plan(
        methods=methods,
        baseline="prior" if "prior" in methods else methods[0],
        settings=settings,
        model=bf16_copy(),
        work=WORK / name,
        judgements=WORK / name / "budgets.jsonl",
        keep_bytes=3 * 2**30,
        replayed=[file for file in (JUDGEMENTS / f"{name}.jsonl",) if file.exists()],
    )
    with tqdm(desc=f"{name} {settings.budget_tokens} {settings.margin}", disable=None) as bar:

        def progress(*_: object) -> None:
            bar.update()

        return list(run(sample, plan, progress).results)


def value_at(result: QueryResult, budget: int) -> float:
    """Give nDCG@10 of the ranking that a query had when at most `budget` tokens had been evaluated."""
    reached = [moment for moment in result.moments if moment.evaluated <= budget]
    return reached[-1].values["nDCG@10"] if reached else result.values["nDCG@10"]


def _differences(values: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, dict[int, list[float]]]:
    """Compare lattice with the better of bm25 and prior, with rerank and with paper, at every budget."""
    found: dict[str, dict[int, list[float]]] = {}
    last = max(values["prior"])
    flat = [method for method in ("bm25", "prior") if method in values]
    best = max(flat, key=lambda method: _mean(values[method][last]))
    for label, other in (("first stage", best), ("rerank", "rerank"), ("paper", "paper")):
        if other in values:
            pairs = {budget: paired(at, values[other][budget]) for budget, at in values["lattice"].items()}
            found[label] = {
                budget: [round(one.difference, 4), round(one.interval.low, 4), round(one.interval.high, 4)]
                for budget, one in pairs.items()
            }
    return found


def _settled(name: str, tokens: int) -> dict[str, dict[str, float]]:
    """Run the default search with every margin; `None` is the one that is never settled."""
    rows = {}
    for margin in (None, *MARGINS):
        (result,) = _run(name, ["lattice"], replace(SearchSettings(), budget_tokens=tokens, margin=margin))
        rows[str(margin)] = {"ndcg": _mean(result.values("nDCG@10")), "tokens": _mean(_tokens(result))}
    return rows


def _tokens(result: MethodResult) -> dict[str, float]:
    return {query: float(one.usage.evaluated) for query, one in result.queries.items()}


def _mean(values: Mapping[str, float]) -> float:
    return round(sum(values.values()) / len(values), 4)


def _save(row: Mapping[str, Any]) -> None:
    """Put the row into the kept record, in place of that of the same collection."""
    file = RESULTS / "budgets.json"
    before = json.loads(file.read_text())["rows"] if file.exists() else []
    rows = [one for one in before if one["collection"] != row["collection"]]
    file.write_text(json.dumps({"rows": [*rows, row]}, indent=1) + "\n")


def summary(row: Mapping[str, Any]) -> str:
    """Show one collection as lines of text."""
    lines = [f"{row['collection']}: nDCG@10 of {row['queries']} queries"]
    lines += [f"{method:8}" + "".join(f"{value:8.3f}" for value in by.values()) for method, by in row["ndcg"].items()]
    for label, by in row["differences"].items():
        lines.append(
            f"lattice − {label}: " + "  ".join("{:+.3f} [{:+.3f}, {:+.3f}]".format(*one) for one in by.values())
        )
    for tokens, by in row["settled"].items():
        lines.append(
            f"{tokens} tokens, margins: "
            + "  ".join(f"{m}: {v['ndcg']:.3f} ({v['tokens']:.0f})" for m, v in by.items())
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
