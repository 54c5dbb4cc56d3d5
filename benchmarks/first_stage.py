"""Fit what the first stage fuses:  python benchmarks/first_stage.py [--queries 150] [--json] [--save]

nDCG@10 of documents (by their best passages), before anyone reads, for every pair of shares: of words against vectors,
and of the whole document against the passage. No model is needed. Each collection is also left out in turn: what the
pair that is best on the others gives there.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable
from typing import Any

from bench import RESULTS, TUNING, WORK, unpacked
from tqdm import tqdm

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.metrics import per_query
from lattice.evaluate.summary import source_state
from lattice.filters import Admissions
from lattice.first_stage import PRIOR_DEPTH, FirstStage
from lattice.store.store import Store
from lattice.traversal.prior import DEFAULT_SHARES, Shares, fuse
from lattice.types import Filters

GRID = [Shares(*pair) for pair in itertools.product((1.0, 0.8, 0.7, 0.6, 0.5, 0.0), (0.0, 0.3, 0.5, 0.7, 1.0))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=TUNING)
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/first-stage.json")
    options = parser.parse_args()
    values = {name: ndcg(load(unpacked(name)), options) for name in options.collections}
    rows = [_row(pair, values) for pair in GRID]
    record = {
        "lattice": source_state(),
        "queries": options.queries,
        "default": [DEFAULT_SHARES.words, DEFAULT_SHARES.documents],
        "rows": rows,
        "left_out": {name: _left_out(name, values) for name in values},
    }
    if options.save:
        (RESULTS / "first-stage.json").write_text(json.dumps(record, indent=1) + "\n")
    if options.json:
        print(json.dumps(record, indent=1))
    else:
        print_table(record)


def ndcg(collection: Collection, options: argparse.Namespace) -> dict[Shares, float]:
    """Give the mean nDCG@10 of every pair of shares over a sample of the collection's queries."""
    sample = collection.sample(min(options.queries, len(collection.queries)), options.seed)
    runs: dict[Shares, dict[str, dict[str, float]]] = {pair: {} for pair in GRID}
    with Store.open(index_of(collection, WORK / collection.name)) as store, store.reading():
        stage, admissions, build = FirstStage(store), Admissions(), store.status().build
        paths = {number: path for path, (number, _) in store.spans().items()}
        for query, text in tqdm(sample.queries.items(), desc=collection.name, disable=None):
            excluded = Filters(excluded_ids=sample.excluded.get(query, frozenset()))
            found = stage.found(text, admissions.of(excluded, store, build) if excluded != Filters() else None)
            for pair in GRID:
                ranked = (found[2][passage] for passage, _ in fuse(*found, PRIOR_DEPTH, pair))
                documents = [paths[number] for number in dict.fromkeys(ranked)]
                runs[pair][query] = {name: -float(place) for place, name in enumerate(documents)}
    return {pair: _mean(per_query(sample.qrels, run, ["nDCG@10"])["nDCG@10"].values()) for pair, run in runs.items()}


def _row(pair: Shares, values: dict[str, dict[Shares, float]]) -> dict[str, Any]:
    of = {name: values[name][pair] for name in values}
    return {"words": pair.words, "documents": pair.documents, "mean": _mean(of.values()), **of}


def _left_out(name: str, values: dict[str, dict[Shares, float]]) -> dict[str, float]:
    others = [of for other, of in values.items() if other != name]
    best = max(GRID, key=lambda pair: _mean(of[pair] for of in others))
    return {"words": best.words, "documents": best.documents, "ndcg": values[name][best]}


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


def print_table(record: dict[str, Any]) -> None:
    """Print the pairs, best first, and what leaving a collection out gives."""
    names = list(record["left_out"])
    print("words documents  mean ", *names)
    for row in sorted(record["rows"], key=lambda row: -row["mean"]):
        mark = " (default)" if [row["words"], row["documents"]] == record["default"] else ""
        print(f"{row['words']:5} {row['documents']:9}", *(f"{row[name]:.3f}" for name in ("mean", *names)), mark)
    for name, row in record["left_out"].items():
        print(f"without {name}: words {row['words']}, documents {row['documents']}, there {row['ndcg']:.3f}")


if __name__ == "__main__":
    main()
