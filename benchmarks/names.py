"""Measure the names of nodes:  python benchmarks/names.py [COLLECTION …] [--rebuild] [--json] [--save]

- distinct: the share of families, that is nodes with two inner children and more, in which no two names are the same to
  a reader; it must be all of them.
- same words: the share of the pairs of siblings whose names hold the same words, in whatever order.
- words: the mean number of words of an inner node's name.
- told: for each passage and each family above it, whether the name that shares most of the passage's words, each
  weighed by ln(1 + n / df), is the one above that passage; of k that share as much each counts 1 / k. Beside it stand
  the beginning of the node's description, which is titles, cut to as many words, and chance.

Indexes are those of `lattice eval`, built where there is none; `--rebuild` builds them anyway. No model is needed.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench import RESULTS, WORK, unpacked

from lattice.evaluate.collection import load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.summary import source_state
from lattice.evaluate.tables import number
from lattice.lint.names import namesakes, same_words
from lattice.lint.shape import Outline, outline_of
from lattice.store.store import Store
from lattice.tokens import content_stems
from lattice.types import Node

COLLECTIONS = ("scifact", "pony-docs-rebuilt", "tldr-nl2bash", "birco-doris-mae-dev")
HEAD = (
    *("collection", "nodes", "families", "distinct", "same words", "words"),
    *("told by names", "by titles", "chance", "names, titles by depth"),
)

Bags = dict[int, frozenset[str]]
Words = Callable[[Node], str]


@dataclass(frozen=True, slots=True)
class Corpus:
    """A tree, the content words of each leaf by its node, and what each word weighs."""

    outline: Outline
    bags: Bags
    weights: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=COLLECTIONS)
    parser.add_argument("--rebuild", action="store_true", help="build the indexes, whatever is there")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/names.json")
    options = parser.parse_args()
    rows = [measured(name, rebuild=options.rebuild) for name in options.collections]
    record = {"lattice": source_state(), "rows": rows}
    if options.save:
        (RESULTS / "names.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = [" | ".join(HEAD), *(" | ".join(cells(row)) for row in rows)]
    print(json.dumps(record, indent=1) if options.json else "\n".join(lines))


def measured(name: str, *, rebuild: bool = False) -> dict[str, Any]:
    """Measure the names in the index of one collection."""
    collection = load(unpacked(name))
    with Store.open(index_of(collection, WORK / collection.name, rebuild=rebuild)) as store:
        corpus = read(store)
    return {"collection": collection.name, **figures(corpus)}


def read(store: Store) -> Corpus:
    """Read a whole tree and the words of its passages."""
    outline = outline_of(store.nodes(), store.root().id)
    bags: Bags = {}
    for node in outline.nodes:
        if node.passage is not None:
            passage = store.passage(node.passage)
            bags[node.id] = frozenset(content_stems("\n".join([passage.title, *passage.heading, passage.text])))
    counts = Counter(word for bag in bags.values() for word in bag)
    return Corpus(outline, bags, {word: math.log(1 + len(bags) / count) for word, count in counts.items()})


def figures(corpus: Corpus) -> dict[str, Any]:
    """Give all measures of a tree; shares in [0, 1], null where there is no family."""
    outline = corpus.outline
    inner = [node for node in outline.nodes if not node.is_leaf]
    families = list(families_of(outline))
    clashing = {outline.by_id[one.nodes[0]].parent for one in namesakes(outline)}
    levels = levels_of(corpus, families)
    asked = sum(level["asked"] for level in levels)
    means = {by: round(sum(one[by] * one["asked"] for one in levels) / asked, 3) for by in BY} if asked else {}
    return {
        "passages": len(corpus.bags),
        "nodes": len(inner),
        "families": len(families),
        "distinct": 1 - len(clashing) / len(families) if families else None,
        "same_words": same_words(outline),
        "words": round(sum(len(node.name.split()) for node in inner) / len(inner), 2),
        **{by: means.get(by) for by in BY},
        "levels": levels,
    }


def families_of(outline: Outline) -> Iterator[list[Node]]:
    """Give the inner children of each node that has two and more."""
    for below in outline.children.values():
        family = [node for node in below if not node.is_leaf]
        if len(family) > 1:
            yield family


def levels_of(corpus: Corpus, families: Sequence[Sequence[Node]]) -> list[dict[str, Any]]:
    """Give, for each depth of families, how many choices there were and the share that was right."""
    asked: Counter[int] = Counter()
    right = {by: defaultdict[int, float](float) for by in BY}
    for family in families:
        below = [leaves(corpus.outline, node) for node in family]
        depth, count = family[0].depth, sum(map(len, below))
        asked[depth] += count
        right["chance"][depth] += count / len(family)
        for by in ("names", "titles"):
            right[by][depth] += told(corpus, [BY[by](node) for node in family], below)
    return [
        {"depth": depth, "asked": asked[depth], **{by: round(right[by][depth] / asked[depth], 4) for by in BY}}
        for depth in sorted(asked)
    ]


def leaves(outline: Outline, node: Node) -> list[int]:
    """Give the leaves below a node."""
    if node.is_leaf:
        return [node.id]
    return [leaf for child in outline.children.get(node.id, ()) for leaf in leaves(outline, child)]


def told(corpus: Corpus, texts: Sequence[str], below: Sequence[Sequence[int]]) -> float:
    """Give how many of the leaves below each of several nodes are nearest to the text of theirs; a tie is shared."""
    words = [frozenset(content_stems(text)) for text in texts]
    found = 0.0
    for right, ids in enumerate(below):
        for leaf in ids:
            scores = [score(corpus, own, leaf) for own in words]
            found += (scores[right] == max(scores)) / scores.count(max(scores))
    return found


def score(corpus: Corpus, words: frozenset[str], leaf: int) -> float:
    """Give the weight of the words that a leaf holds."""
    return round(sum(corpus.weights[word] for word in words & corpus.bags[leaf]), 6)


def first_titles(node: Node) -> str:
    """Give the beginning of a node's description, of as many words as its name has."""
    return " ".join(node.description.split()[: len(node.name.split())])


BY: dict[str, Words] = {"names": lambda node: node.name, "titles": first_titles, "chance": lambda _: ""}


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Give the row of the table in docs/benchmarks.md."""
    shares = ("-" if row[by] is None else number(row[by]) for by in BY)
    levels = "; ".join(f"{one['names']:.2f}, {one['titles']:.2f}" for one in row["levels"])
    distinct = "-" if row["distinct"] is None else f"{row['distinct']:.1%}"
    alike = "-" if row["same_words"] is None else f"{row['same_words']:.2%}"
    sizes = (f"{row['nodes']:,}", f"{row['families']:,}")
    return (row["collection"], *sizes, distinct, alike, f"{row['words']:.1f}", *shares, levels)


if __name__ == "__main__":
    main()
