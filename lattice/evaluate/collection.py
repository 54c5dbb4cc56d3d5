"""Test collections in the BEIR form: corpus.jsonl, queries.jsonl, qrels/test.tsv."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lattice.errors import CorpusProblem


@dataclass(frozen=True, slots=True)
class Record:
    """One document of a collection."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, queries by id, and qrels: for each query the graded relevance of document ids."""

    name: str
    records: tuple[Record, ...]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]

    def sample(self, count: int, seed: int) -> Collection:
        """Give the collection with `count` of its queries, drawn with `seed` from those in order of their ids."""
        chosen = sorted(self.queries)
        if count < len(chosen):
            chosen = sorted(random.Random(seed).sample(chosen, count))  # noqa: S311 - a sample, no secret
        return replace(
            self,
            queries={query: self.queries[query] for query in chosen},
            qrels={query: self.qrels[query] for query in chosen},
        )


def load(folder: Path) -> Collection:
    """Read the collection in `folder`; only queries with a relevant document are kept. CorpusProblem if it is none."""
    try:
        records = tuple(
            Record(str(line["_id"]), line.get("title") or "", line["text"]) for line in _lines(folder / "corpus.jsonl")
        )
        queries = {str(line["_id"]): line["text"] for line in _lines(folder / "queries.jsonl")}
        qrels = _qrels(folder / "qrels" / "test.tsv")
    except (OSError, KeyError, ValueError) as error:
        raise CorpusProblem(
            f"{folder} is no collection in the BEIR form ({error}): it needs corpus.jsonl, queries.jsonl and "
            "qrels/test.tsv."
        ) from error
    judged = {query for query, grades in qrels.items() if any(grade > 0 for grade in grades.values())}
    return Collection(
        folder.name,
        records,
        {query: text for query, text in queries.items() if query in judged},
        {query: grades for query, grades in qrels.items() if query in judged and query in queries},
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t")
        next(rows, None)
        for query, document, grade in rows:
            qrels.setdefault(query, {})[document] = int(grade)
    return qrels
