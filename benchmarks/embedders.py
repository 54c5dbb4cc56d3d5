"""Compare what makes the vectors:  python benchmarks/embedders.py [COLLECTION …] [--embedder MODEL] [--json] [--save]

Without --embedder the default alone (TF-IDF + SVD) is measured; with it, the GGUF embedding model beside it. For each
collection, over documents by their best passages and before anyone reads:

- vectors: nDCG@10 and Recall@100 of the cosine alone;
- prior: the same of what a search begins with, words and vectors of passages and documents fused.

Some models want something before a query and a passage: --prefixes "query: " "passage: ".
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from bench import RESULTS, TUNING, WORK, unpacked
from tqdm import tqdm

from lattice.cli.indexes import embedder_json
from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.metrics import MEASURES, per_query
from lattice.evaluate.summary import source_state
from lattice.filters import Admissions
from lattice.first_stage import PRIOR_DEPTH, FirstStage
from lattice.store.store import Store
from lattice.traversal.prior import fuse
from lattice.types import TFIDF, BuildSettings, Filters

SHOWN = ("nDCG@10", "Recall@100")
SEED = 5
Run = dict[str, dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=TUNING)
    parser.add_argument("--embedder", metavar="MODEL", help="an embedding model's name or GGUF file")
    parser.add_argument("--prefixes", nargs=2, default=("", ""), metavar=("QUERY", "PASSAGE"))
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/embedders.json")
    options = parser.parse_args()
    compared = [BuildSettings()]
    if options.embedder:
        query, passage = options.prefixes
        compared.append(BuildSettings(embedder=options.embedder, query_prefix=query, passage_prefix=passage))
    rows = [row for name in options.collections for row in measured(load(unpacked(name)), compared, options.queries)]
    record = {"lattice": source_state(), "queries": options.queries, "seed": SEED, "rows": rows}
    if options.save:
        (RESULTS / "embedders.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1) if options.json else "\n".join(table(rows)))


def measured(collection: Collection, compared: list[BuildSettings], queries: int) -> Iterator[dict[str, Any]]:
    """Yield one row an embedder: which it is, and the means over a sample of the collection's queries."""
    sample = collection.sample(min(queries, len(collection.queries)), SEED)
    for settings in compared:
        # The default's index is the one that the other benchmarks share.
        work = WORK / collection.name / ("" if settings.embedder == TFIDF else "embedded")
        with Store.open(index_of(collection, work, settings=settings)) as store, store.reading():
            vectors, prior = runs(store, sample)
            embedder = embedder_json(store)
            shown = {
                "collection": collection.name,
                "embedder": embedder["name"],
                "sha256": embedder.get("sha256"),
                "prefixes": [settings.query_prefix, settings.passage_prefix],
                "dimensions": int(store.vectors()[1].shape[1]),
                "passages": store.status().passages,
                "trimmed": embedder.get("trimmed", 0),
                "queries": len(sample.queries),
            }
        yield {**shown, "vectors": means(sample, vectors), "prior": means(sample, prior)}


def runs(store: Store, sample: Collection) -> tuple[Run, Run]:
    """Rank the documents for every query, by their vectors alone and by the prior."""
    stage, admissions, build = FirstStage(store), Admissions(), store.status().build
    paths = {number: path for path, (number, _) in store.spans().items()}
    vectors: Run = {}
    prior: Run = {}
    for query, text in tqdm(sample.queries.items(), desc=sample.name, disable=None):
        excluded = Filters(excluded_ids=sample.excluded.get(query, frozenset()))
        found = stage.found(text, admissions.of(excluded, store, build) if excluded != Filters() else None)
        if stage.problem is not None:
            raise SystemExit(stage.problem)
        passages, _, document_of = found
        vectors[query] = ranked([paths[document_of[passage]] for passage, _ in passages.vectors])
        prior[query] = ranked([paths[document_of[passage]] for passage, _ in fuse(*found, PRIOR_DEPTH)])
    stage.close()
    return vectors, prior


def ranked(paths: list[str]) -> dict[str, float]:
    """Give each document the score of its first place."""
    return {path: -float(place) for place, path in enumerate(dict.fromkeys(paths))}


def means(sample: Collection, run: Run) -> dict[str, float]:
    """Give the mean of each measure over the queries."""
    found = per_query(sample.qrels, run, [MEASURES[name] for name in SHOWN])
    return {name: round(sum(of.values()) / len(of), 4) for name in SHOWN if (of := found[MEASURES[name]])}


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Give the rows as a table in Markdown."""
    lines = [
        "| collection | embedder | dimensions | cut | vectors nDCG@10 | Recall@100 | prior nDCG@10 | Recall@100 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        values = [f"{row[of][measure]:.3f}" for of in ("vectors", "prior") for measure in SHOWN]
        about = [row["collection"], row["embedder"], str(row["dimensions"]), f"{row['trimmed']} of {row['passages']}"]
        lines.append(f"| {' | '.join([*about, *values])} |")
    return lines


if __name__ == "__main__":
    main()
