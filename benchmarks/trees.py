"""Compare trees without a model:  python benchmarks/trees.py [COLLECTION …] [--trees …] [--queries N] [--json] [--save]

A tree is named CLUSTERER/STRUCTURE. For a sample of each collection's queries:

- opened, judged: what a judge that knows the answers opens, and how many candidates it then reads, until it has seen
  90% of the relevant documents. It opens the node with the best document below; this is what the tree itself costs.
- apart: among the inner children of every node above a relevant document, how often the cosine of query and description
  puts one with a relevant document below before one without (.5 is chance). This is what the descriptions tell.
- steered: nodes opened, best cosine of query and description first, until the first relevant document is among the
  children, 200 at most. This is both together, as the poorest of judges would have it.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from bench import RESULTS, WORK, unpacked
from tqdm import tqdm

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.summary import source_state
from lattice.index_builder.agglomerative import NEIGHBOURS
from lattice.index_builder.bottom_up import Branch, grow
from lattice.index_builder.branches import mean
from lattice.index_builder.fill import target
from lattice.index_builder.summaries import summarizer_of
from lattice.models.embedders import TfidfSvd
from lattice.store.store import Store
from lattice.types import BuildSettings, Group, Matrix, Passage

COLLECTIONS = ("pony-docs-rebuilt", "tldr-nl2bash", "scifact", "birco-doris-mae-dev")
TREES = (
    *("agglomerative/documents", "spectral/documents", "kmeans/documents"),
    *("agglomerative/folders", "agglomerative/auto", "spectral/auto", "agglomerative/flat"),
)
SHARE, AT_MOST, SEED = 0.9, 200, 5
SETTINGS = BuildSettings()


@dataclass(frozen=True, slots=True)
class Corpus:
    """Passages in their order, their vectors, and what embeds a query."""

    passages: list[Passage]
    vectors: Matrix
    embedder: TfidfSvd


@dataclass(frozen=True, slots=True)
class Numbered:
    """A tree as lists by number, the root 0: its branches, children, depths, documents below, and vectors."""

    branches: list[Branch]
    children: list[list[int]]
    depths: list[int]
    documents: list[frozenset[str]]
    vectors: Matrix


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=COLLECTIONS)
    parser.add_argument("--trees", default=",".join(TREES))
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--uncapped", action="store_true", help="only show how large scikit-learn's groups are")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/trees.json")
    options = parser.parse_args()
    if options.uncapped:
        print("\n".join(line for name in options.collections for line in uncapped(load(unpacked(name)))))
        return
    trees = options.trees.split(",")
    rows = [row for name in options.collections for row in measured(load(unpacked(name)), trees, options.queries)]
    record = {"lattice": source_state(), "queries": options.queries, "seed": SEED, "rows": rows}
    if options.save:
        (RESULTS / "trees.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1) if options.json else "\n".join(table(rows)))


def measured(collection: Collection, trees: list[str], queries: int) -> Iterator[dict[str, Any]]:
    """Yield one row a tree; trees that the collection's paths make the same are all measured."""
    corpus = read(collection)
    sample = collection.sample(queries, SEED)
    wanted = dict(zip(sample.queries, corpus.embedder.embed(list(sample.queries.values())), strict=True))
    there = {passage.document for passage in corpus.passages}
    for name in tqdm(trees, desc=collection.name, disable=None):
        clusterer, structure = name.split("/")
        tree = numbered(corpus, clusterer, structure)
        found: dict[str, list[float]] = {"opened": [], "judged": [], "apart": [], "steered": []}
        for query, vector in wanted.items():
            grades = {one: grade for one, grade in sample.qrels[query].items() if grade > 0 and one in there}
            if grades:
                opened, judged = needed(tree, grades)
                found["opened"].append(opened)
                found["judged"].append(judged)
                found["steered"].append(steered(tree, frozenset(grades), tree.vectors @ vector))
                found["apart"] += apart(tree, frozenset(grades), tree.vectors @ vector)
        means = {measure: round(sum(each) / len(each), 3) if each else None for measure, each in found.items()}
        yield {"collection": collection.name, "tree": name, "queries": len(found["opened"]), **shape(tree), **means}


def read(collection: Collection) -> Corpus:
    """Give the passages, vectors and embedder of a collection, from an index of it."""
    with Store.open(index_of(collection, WORK / collection.name)) as store:
        ids, vectors = store.vectors()
        return Corpus([store.passage(int(i)) for i in ids], vectors, TfidfSvd.from_arrays(store.embedder()))


def numbered(corpus: Corpus, clusterer: str, structure: str) -> Numbered:
    """Grow a tree and describe its nodes as an index would; a leaf's vector is its passage's."""
    root = grow(corpus.passages, corpus.vectors, SETTINGS.branching, SETTINGS.seed, clusterer, structure)
    summarizer = summarizer_of(corpus.passages, corpus.vectors, SETTINGS.description_words)
    tree = Numbered([], [], [], [], np.zeros((0, corpus.vectors.shape[1]), dtype=np.float32))
    texts: list[str] = []

    def visit(branch: Branch, depth: int) -> int:
        number = len(tree.branches)
        tree.branches.append(branch)
        tree.depths.append(depth)
        tree.documents.append(frozenset(corpus.passages[leaf].document for leaf in branch.leaves()))
        tree.children.append([])
        below = [list(child.leaves()) for child in branch.children]
        texts.append("" if branch.passage is not None else summarizer.describe(Group(below, branch.headings)))
        tree.children[number] += [visit(child, depth + 1) for child in branch.children]
        return number

    visit(root, 0)
    vectors = corpus.embedder.embed(texts)
    for number, branch in enumerate(tree.branches):
        if branch.passage is not None:
            vectors[number] = corpus.vectors[branch.passage]
    return Numbered(tree.branches, tree.children, tree.depths, tree.documents, vectors)


def shape(tree: Numbered) -> dict[str, Any]:
    """Give how large, deep and full the tree is, and how many of its nodes are folders."""
    leaves = [depth for depth, branch in zip(tree.depths, tree.branches, strict=True) if branch.passage is not None]
    full = [len(children) for children in tree.children if children]
    return {
        "nodes": len(tree.branches),
        "folders": Counter(branch.kind for branch in tree.branches)["folder"],
        "depth": max(leaves),
        "mean_depth": round(sum(leaves) / len(leaves), 2),
        "mean_children": round(sum(full) / len(full), 2),
    }


def needed(tree: Numbered, grades: dict[str, int]) -> tuple[int, int]:
    """Count the nodes that a judge who knows opens, and the candidates read, until SHARE of the documents are seen."""
    wanted, seen = math.ceil(SHARE * len(grades)), set[str]()

    def promise(node: int) -> float:
        below = grades.keys() & tree.documents[node]
        return max((grades[one] for one in below), default=0) + tree.depths[node] / 1000 if below else 0.0

    opened = judged = 0
    for children in best_first(tree, promise):
        opened, judged = opened + 1, judged + len(children)
        seen |= {one for child in children if not tree.children[child] for one in grades.keys() & tree.documents[child]}
        if len(seen) >= wanted:
            break
    return opened, judged


def steered(tree: Numbered, relevant: frozenset[str], cosines: Matrix) -> int:
    """Count the nodes opened by cosine until a relevant passage is among the children; AT_MOST where none is."""
    for opened, children in enumerate(best_first(tree, lambda node: float(cosines[node])), 1):
        if opened == AT_MOST or any(not tree.children[one] and relevant & tree.documents[one] for one in children):
            return opened
    return AT_MOST


def best_first(tree: Numbered, promise: Callable[[int], float]) -> Iterator[list[int]]:
    """Yield the children of each node opened, the node of the best promise first; 0 and less is not left out."""
    waiting = [(0.0, 0)]
    while waiting:
        _, node = heapq.heappop(waiting)
        yield tree.children[node]
        for child in tree.children[node]:
            if tree.children[child]:
                heapq.heappush(waiting, (-promise(child), child))


def apart(tree: Numbered, relevant: frozenset[str], cosines: Matrix) -> list[float]:
    """Give, for each node with both, the share of pairs of a right and a wrong inner child in the right order."""
    found, waiting = [], [0]
    while waiting:
        inner = [child for child in tree.children[waiting.pop()] if tree.children[child]]
        right = [child for child in inner if relevant & tree.documents[child]]
        wrong = [child for child in inner if not relevant & tree.documents[child]]
        waiting += right
        if right and wrong:
            ahead = np.subtract.outer(cosines[right], cosines[wrong])
            found.append(float((ahead > 0).mean() + (ahead == 0).mean() / 2))
    return found


def uncapped(collection: Collection) -> Iterator[str]:
    """Yield how large the groups of scikit-learn's AgglomerativeClustering are, over documents and with our number."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.neighbors import kneighbors_graph

    corpus, limit = read(collection), SETTINGS.branching
    of: dict[str, list[int]] = {}
    for number, passage in enumerate(corpus.passages):
        of.setdefault(passage.document, []).append(number)
    rows = np.array([mean(corpus.vectors[numbers]) for numbers in of.values()])
    near = kneighbors_graph(rows, NEIGHBOURS, include_self=False)
    near = near.maximum(near.T)
    for linkage, metric in (("average", "cosine"), ("ward", "euclidean")):
        method = AgglomerativeClustering(target(len(rows), limit), metric=metric, connectivity=near, linkage=linkage)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it joins parts that the graph leaves unconnected, and says so
            sizes = np.bincount(method.fit_predict(rows))
        share = sizes[sizes > limit].sum() / len(rows)
        about = f"{len(sizes)} groups, the largest {sizes.max()}, {np.sum(sizes == 1)} of one"
        yield f"{collection.name}, {linkage}: {about}, {share:.2f} of the documents in groups of more than {limit}"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Give the rows as a table."""
    head = (
        "collection | tree | nodes | folders | depth: mean, most | children a node | opened | judged | apart | steered"
    )
    return [f"| {head} |", "|" + "---|" * (head.count("|") + 1), *map(line, rows)]


def line(row: dict[str, Any]) -> str:
    """Give a row of the table."""
    told = "-" if row["apart"] is None else f"{row['apart']:.3f}"
    return (
        f"| {row['collection']} | {row['tree'].replace('/', ' / ')} | {row['nodes']:,} | {row['folders']} "
        f"| {row['mean_depth']:.1f}, {row['depth']} | {row['mean_children']:.1f} | {row['opened']:.1f} "
        f"| {row['judged']:.0f} | {told} | {row['steered']:.1f} |"
    )


if __name__ == "__main__":
    main()
