"""Compare PromptReps with the usual vectors:  python benchmarks/promptreps.py [COLLECTION …] [--documents N] [--save]

The embedded model (in BF16) reads every passage whole, so each collection is cut to a part: all judged documents of a
sample of its queries, and others drawn with a seed up to --documents. Over documents by their best passages, before
anyone reads: nDCG@10 and Recall@100 of each kind of evidence alone, and fused as a search fuses it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from bench import RESULTS, WORK, bf16_copy, unpacked
from embedders import SHOWN, Run, means, ranked

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.summary import source_state
from lattice.first_stage import PRIOR_DEPTH, FirstStage
from lattice.models.sparse import SPARSE_ARRAYS
from lattice.store.store import Store
from lattice.traversal.prior import Found, fuse
from lattice.types import PROMPTREPS, TFIDF, BuildSettings

# How many documents of each are read, where --documents does not say.
COLLECTIONS = {"scifact": 200, "tldr-nl2bash": 100}
FEWEST = 100
SEED = 5
Evidence = Callable[[Found], Found]
KINDS: dict[str, Evidence] = {
    "words": lambda found: Found(found.words),
    "dense": lambda found: Found((), found.vectors),
    "sparse": lambda found: Found((), (), found.terms),
    "words + dense": lambda found: Found(found.words, found.vectors),
    "words + sparse": lambda found: Found(found.words, (), found.terms),
    "all": lambda found: found,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=list(COLLECTIONS))
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--documents", type=int)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/promptreps.json")
    options = parser.parse_args()
    compared = [TFIDF, f"{PROMPTREPS}:{bf16_copy().resolve()}"]
    rows: list[dict[str, Any]] = []
    for name in options.collections:
        documents = options.documents or COLLECTIONS.get(name, FEWEST)
        rows += measured(part(load(unpacked(name)), options.queries, documents), compared)
    record = {"lattice": source_state(), "seed": SEED, "rows": rows}
    if options.save:
        (RESULTS / "promptreps.json").write_text(json.dumps(record, indent=1) + "\n")
    print("\n".join(table(rows)))


def part(collection: Collection, queries: int, documents: int) -> Collection:
    """Give a part of the collection: some queries, all that is judged for them, and others up to `documents`."""
    sample = collection.sample(min(queries, len(collection.queries)), SEED)
    judged = {name for grades in sample.qrels.values() for name in grades}
    records = sorted(collection.records, key=lambda record: record.id)
    others = [record for record in records if record.id not in judged]
    kept = [record for record in records if record.id in judged]
    kept += random.Random(SEED).sample(others, min(len(others), max(0, documents - len(kept))))
    kept.sort(key=lambda record: record.id)
    digest = hashlib.sha256("\n".join(record.id for record in kept).encode()).hexdigest()
    return replace(sample, records=tuple(kept), folder=None, documents_digest=digest)


def measured(sample: Collection, compared: list[str]) -> Iterator[dict[str, Any]]:
    """Yield one row an embedder: its size, and what each kind of evidence that it gives finds."""
    for embedder in compared:
        work = WORK / "promptreps" / sample.name / embedder.partition(":")[0]
        with Store.open(index_of(sample, work, settings=BuildSettings(embedder=embedder))) as store, store.reading():
            found = runs(store, sample)
            passages, arrays = store.status().passages, store.embedder()
            sparse = sum(arrays[name].nbytes for name in SPARSE_ARRAYS if name in arrays)
            shown = {
                "collection": sample.name,
                "embedder": embedder.partition(":")[0],
                "queries": len(sample.queries),
                "documents": len(sample.records),
                "passages": passages,
                "vector_bytes": 4 * int(store.vectors()[1].shape[1]),
                "sparse_bytes": round(sparse / passages),
            }
        yield {**shown, **{kind: means(sample, run) for kind, run in found.items() if any(run.values())}}


def runs(store: Store, sample: Collection) -> dict[str, Run]:
    """Rank the documents for every query by each kind of evidence."""
    stage = FirstStage(store)
    paths = {number: path for path, (number, _) in store.spans().items()}
    found: dict[str, Run] = {kind: {} for kind in KINDS}
    for query, text in sample.queries.items():
        passages, documents, document_of = stage.found(text)
        if stage.problem is not None:
            raise SystemExit(stage.problem)
        for kind, of in KINDS.items():
            fused = fuse(of(passages), of(documents), document_of, PRIOR_DEPTH)
            found[kind][query] = ranked([paths[document_of[passage]] for passage, _ in fused])
    stage.close()
    return found


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Give the rows as a table in Markdown."""
    lines = [f"| collection | embedder | {' | '.join(KINDS)} |", f"|---|---|{'---|' * len(KINDS)}"]
    for row in rows:
        cells = [" / ".join(f"{row[kind][name]:.3f}" for name in SHOWN) if kind in row else "" for kind in KINDS]
        lines.append(f"| {row['collection']} | {row['embedder']} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
