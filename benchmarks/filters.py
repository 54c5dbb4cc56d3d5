"""A filtered search against an index of the rest:  python benchmarks/filters.py [--model PATH] [--json] [--save]

A share of a collection's documents is excluded at random. The same queries (those with a relevant document left) are
asked of the whole index with the excluded documents filtered out, and of an index that was built of the rest: nDCG@10
of the prior, and with `--model` that of the whole search. What a filter costs is measured beside it.

The second table is about descriptions: at every node on the way to a relevant document, where does the right child
stand among its siblings, by the cosine of their descriptions with the query? A partly admitted node is described as at
the build ("stored"), or by the names of what is left where that is five leaves or fewer ("names"); "rest" is the tree
of the rest, with its own descriptions. `--save` keeps the rows for the docs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench import RESULTS, WORK, unpacked

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.evaluation import measured
from lattice.evaluate.indexes import index_of
from lattice.evaluate.intervals import paired
from lattice.evaluate.losses import documents_of
from lattice.evaluate.summary import source_state
from lattice.lattice import Lattice
from lattice.models.embedders import TfidfSvd
from lattice.models.registry import find_model
from lattice.traversal.admitted import NAMED_UP_TO, AdmittedTree
from lattice.types import Filters, Tree

DESCRIBED = {"stored": 0, "names": NAMED_UP_TO}
DEPTH = 100  # passages of a ranking: enough for ten documents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", nargs="?", default="scifact")
    parser.add_argument("--shares", default="0.5,0.9", help="of the documents that are excluded")
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, help="ask with this model too")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/filters.json")
    options = parser.parse_args()
    model = find_model(options.model, os.environ) if options.model else None
    whole = load(unpacked(options.collection))
    found = [compare(whole, share, options.queries, options.seed, model) for share in parsed(options.shares)]
    record = {
        "collection": whole.name,
        "seed": options.seed,
        "model": model.name if model else None,
        "commit": source_state()["commit"],
        "shares": found,
    }
    for line in lines(record):
        print(line, file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(record, indent=1))
    if options.save:
        (RESULTS / "filters.json").write_text(json.dumps(record, indent=1) + "\n")


def parsed(shares: str) -> list[float]:
    return [float(share) for share in shares.split(",")]


def compare(whole: Collection, share: float, count: int, seed: int, model: Path | None) -> dict[str, Any]:
    """Exclude `share` of the documents; give what the two ways find for the same queries."""
    generator = random.Random(seed)
    names = sorted(record.id for record in whole.records)
    excluded = frozenset(generator.sample(names, round(share * len(names))))
    rest = without(whole, excluded).sample(count, seed)
    filters = Filters(excluded_ids=excluded)
    work = WORK / "filters" / f"{whole.name}-{share}-{seed}"
    with (
        Lattice.open(index_of(whole, WORK / whole.name), model=model) as filtered,
        Lattice.open(index_of(rest, work), model=model) as alone,
        filtered.store.reading(),
        alone.store.reading(),
    ):
        started = time.perf_counter()
        admission = filtered.admission(filters)
        built = time.perf_counter() - started
        assert admission is not None
        found: dict[str, Any] = {"excluded": share, "documents": len(rest.records), "queries": len(rest.queries)}
        found["prior"] = difference(rest, ranked_prior(filtered, rest, filters), ranked_prior(alone, rest, None))
        if model is not None:
            found["search"] = difference(rest, ranked_search(filtered, rest, filters), ranked_search(alone, rest, None))
        trees: dict[str, tuple[Lattice, Tree]] = {
            name: (filtered, AdmittedTree(filtered.store, admission, up_to)) for name, up_to in DESCRIBED.items()
        }
        trees["rest"] = (alone, alone.store)
        found["descriptions"] = {name: ways(lattice, tree, rest) for name, (lattice, tree) in trees.items()}
        found["milliseconds"] = {"admission": 1000 * built, **timed(filtered, rest, filters)}
    return found


def without(whole: Collection, excluded: frozenset[str]) -> Collection:
    """Give the collection without some documents, and without the queries that they alone answer."""
    records = tuple(record for record in whole.records if record.id not in excluded)
    qrels = {query: {n: g for n, g in grades.items() if n not in excluded} for query, grades in whole.qrels.items()}
    left = [query for query, grades in qrels.items() if any(grade > 0 for grade in grades.values())]
    digest = hashlib.sha256(json.dumps([whole.documents_digest, sorted(excluded)]).encode()).hexdigest()
    return replace(whole, records=records, qrels=qrels, documents_digest=digest).only(left)


def ranked_prior(lattice: Lattice, asked: Collection, filters: Filters | None) -> dict[str, list[str]]:
    admission = lattice.admission(filters)
    return {
        query: documents(lattice, [hit.leaf for hit in lattice.prior(text, admission).hits])
        for query, text in asked.queries.items()
    }


def ranked_search(lattice: Lattice, asked: Collection, filters: Filters | None) -> dict[str, list[str]]:
    return {
        query: list(dict.fromkeys(hit.path for hit in lattice.search(text, DEPTH, filters=filters)))
        for query, text in asked.queries.items()
    }


def documents(lattice: Lattice, leaves: Sequence[int]) -> list[str]:
    names = documents_of(lattice.store, leaves)
    return list(dict.fromkeys(names[leaf] for leaf in leaves))


def difference(asked: Collection, ours: Mapping[str, list[str]], theirs: Mapping[str, list[str]]) -> dict[str, Any]:
    """Give nDCG@10 of both, and their paired difference with its 95% interval."""
    values = [
        {query: measured(asked.qrels[query], [run[query]])[0]["nDCG@10"] for query in asked.queries}
        for run in (ours, theirs)
    ]
    between = paired(values[0], values[1])
    return {
        "filtered": statistics.fmean(values[0].values()),
        "rest": statistics.fmean(values[1].values()),
        "difference": between.difference,
        "interval": [between.interval.low, between.interval.high],
        "better/same/worse": [between.wins, between.ties, between.losses],
    }


def ways(lattice: Lattice, tree: Tree, asked: Collection) -> dict[str, float]:
    """Give the MRR of the right child among its siblings, over the forks where it is an inner node, and their count."""
    embedder = TfidfSvd.from_arrays(lattice.store.embedder())
    ranks = [
        rank
        for query, text in asked.queries.items()
        for name in sorted(name for name, grade in asked.qrels[query].items() if grade > 0)
        for leaf in lattice.store.leaves(lattice.store.passages_of(name)).values()
        for rank in _ranks(tree, embedder, text, leaf.id)
    ]
    return {"mrr": statistics.fmean(1 / rank for rank in ranks), "forks": len(ranks)}


def _ranks(tree: Tree, embedder: TfidfSvd, query: str, leaf: int) -> Iterator[float]:
    """Yield the place of every inner node above a leaf among its siblings; ties share the middle of their places."""
    asked = embedder.embed([query])[0]
    right = tree.node(leaf)
    while right.parent is not None:
        above = tree.node(right.parent)
        siblings = tree.candidates(tuple(child.id for child in tree.children(above.id)))
        if not right.is_leaf and len(siblings) > 1:
            cosines = np.round(embedder.embed([one.text for one in siblings]) @ asked, 6)
            own = cosines[[one.node for one in siblings].index(right.id)]
            yield float((cosines > own).sum() + ((cosines == own).sum() + 1) / 2)
        right = above


def timed(lattice: Lattice, asked: Collection, filters: Filters) -> dict[str, float]:
    """Give the median milliseconds of a prior without and with the filter, the admission being kept."""
    found: dict[str, float] = {}
    for name, admission in (("prior", None), ("filtered", lattice.admission(filters))):
        spent = []
        for text in asked.queries.values():
            started = time.perf_counter()
            lattice.prior(text, admission)
            spent.append(1000 * (time.perf_counter() - started))
        found[name] = statistics.median(spent)
    return found


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Give the tables of the docs."""
    yield "| excluded | documents left | nDCG@10 of | filtered | index of the rest | difference [95%] | +/=/− |"
    yield "| --- | --: | --- | --: | --: | --: | --: |"
    for one in record["shares"]:
        for what in ("prior", "search"):
            if what in one:
                yield _row(one, what)
    yield ""
    yield f"| MRR of the right child (forks) | {' | '.join([*DESCRIBED, 'rest'])} |"
    yield f"| --- |{' --: |' * (len(DESCRIBED) + 1)}"
    for one in record["shares"]:
        cells = (f"{way['mrr']:.3f} ({way['forks']})" for way in one["descriptions"].values())
        yield f"| {one['excluded']:.0%} excluded | {' | '.join(cells)} |"
    yield ""
    for one in record["shares"]:
        shown = ", ".join(f"{name} {spent:.1f} ms" for name, spent in one["milliseconds"].items())
        yield f"{one['excluded']:.0%} excluded: {shown}"


def _row(one: Mapping[str, Any], what: str) -> str:
    found = one[what]
    low, high = found["interval"]
    counts = "/".join(map(str, found["better/same/worse"]))
    return (
        f"| {one['excluded']:.0%} | {one['documents']:,} | {what} | {found['filtered']:.3f} | {found['rest']:.3f} | "
        f"{found['difference']:+.3f} [{low:+.3f}, {high:+.3f}] | {counts} |"
    )


if __name__ == "__main__":
    main()
