"""Small collections on disk, for the tests of this room."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

TOPICS = {
    "bees": "Honey bees live in a hive and make wax and honey from the nectar of flowers in the meadow",
    "stars": "Stars are born in cold clouds of gas and dust that fall together under their own weight",
    "bread": "Bread rises because yeast turns sugar into gas that the dough of flour and water holds",
    "ships": "A ship floats because the water that it pushes aside weighs as much as the ship itself",
    "clocks": "A pendulum clock loses time in summer because its brass rod grows longer in the heat",
    "bridges": "A suspension bridge hangs its road from cables that run over two tall towers of steel",
}


def write_collection(
    folder: Path,
    documents: Mapping[str, str] = TOPICS,
    queries: Sequence[Mapping[str, object]] = (
        {"_id": "q1", "text": "why does dough rise"},
        {"_id": "q2", "text": "what keeps a boat above water"},
        {"_id": "q3", "text": "where do stars come from"},
    ),
    qrels: Sequence[tuple[str, str, int]] = (("q1", "bread", 1), ("q2", "ships", 1), ("q3", "stars", 2)),
) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": name, "title": "", "text": text} for name, text in documents.items()]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)) + "\n")
    write_queries(folder, queries, qrels)
    return folder


def write_queries(
    folder: Path, queries: Sequence[Mapping[str, object]], qrels: Sequence[tuple[str, str, int]], split: str = "test"
) -> None:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)) + "\n")
    rows = [f"{query}\t{document}\t{grade}" for query, document, grade in qrels]
    (folder / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]) + "\n")
