"""Test collections in the BEIR form: queries.jsonl, qrels/SPLIT.tsv, and corpus.jsonl or a folder of files."""

from __future__ import annotations

import csv
import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from lattice.corpus.read import read_corpus
from lattice.corpus.readers import has_reader
from lattice.errors import CorpusProblem, UsageError
from lattice.types import BuildSettings, Document

SPLITS = ("test", "dev", "train")  # which qrels are meant where several are there and none was named
FILES = "corpus"  # the folder of a collection whose documents are files


@dataclass(frozen=True, slots=True)
class Record:
    """One document of a collection."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, queries by id, and qrels: for each query the graded relevance of document ids.

    `excluded` names, by query, the documents that count as absent (`metadata.excluded_ids`). `folder` is where the
    documents lie as files, their ids being paths below it; None where they stand in corpus.jsonl. `digest` is the
    SHA-256 of documents, queries and qrels, `documents_digest` that of the documents alone. `total` counts the queries
    before sampling; `seed` is that of the sample (None: all).
    """

    name: str
    records: tuple[Record, ...]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    folder: Path | None = None
    split: str = "test"
    digest: str = ""
    documents_digest: str = ""
    total: int = 0
    seed: int | None = None

    def sample(self, count: int | None, seed: int) -> Collection:
        """Give the collection with `count` of its queries (None: all), drawn with `seed` from those in id order."""
        chosen = sorted(self.queries)
        if count is None or count >= len(chosen):
            return self.only(chosen)
        drawn = sorted(random.Random(seed).sample(chosen, count))  # noqa: S311 - a sample, no secret
        return replace(self.only(drawn), seed=seed)

    def only(self, queries: list[str]) -> Collection:
        """Give the collection with these queries, in this order; UsageError where it lacks one."""
        if missing := [query for query in queries if query not in self.queries]:
            raise UsageError(f"{self.name} has no query {missing[0]!r}: this is another collection, or another split.")
        return replace(
            self,
            queries={query: self.queries[query] for query in queries},
            qrels={query: self.qrels[query] for query in queries},
        )

    @property
    def is_files(self) -> bool:
        """Whether the documents are files: they lie in a folder, or every id is the path of one that we could read."""
        return self.folder is not None or (bool(self.records) and all(_is_file(one.id) for one in self.records))

    def missing(self) -> set[str]:
        """Give the relevant documents that the collection lacks: no search can find them."""
        known = {record.id for record in self.records}
        return {name for grades in self.qrels.values() for name, grade in grades.items() if grade > 0} - known


def load(folder: Path, split: str | None = None, files: Path | None = None) -> Collection:
    """Read the collection in `folder`; only queries with a relevant document are kept. CorpusProblem if it is none.

    `split` names the qrels, by default the only ones, else test, dev or train. `files` is the folder with the documents
    where neither corpus.jsonl nor corpus/ has them.
    """
    if folder.is_file():
        raise CorpusProblem(f"{folder} is a file. Unpack it, and name the folder that holds queries.jsonl.")
    if not (folder / "queries.jsonl").is_file():
        raise CorpusProblem(_form(folder, "queries.jsonl is missing"))
    chosen = split or _only_split(folder)
    documents = files or (None if (folder / "corpus.jsonl").exists() else folder / FILES)
    try:
        records = _records(folder / "corpus.jsonl") if documents is None else _files(documents)
        queries = _queries(folder, chosen)
        qrels = _qrels(folder / "qrels" / f"{chosen}.tsv")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise CorpusProblem(_form(folder, str(error))) from error
    judged = [query for query in queries if any(grade > 0 for grade in qrels.get(query, {}).values())]
    if not judged:
        raise CorpusProblem(_form(folder, f"no query has a relevant document in qrels/{chosen}.tsv"))
    collection = Collection(
        name=folder.resolve().name,
        records=records,
        queries={query: queries[query].text for query in judged},
        qrels={query: qrels[query] for query in judged},
        excluded={query: queries[query].excluded for query in judged if queries[query].excluded},
        folder=documents,
        split=chosen,
        total=len(judged),
    )
    return _digested(collection)


@dataclass(frozen=True, slots=True)
class _Query:
    text: str
    excluded: frozenset[str]


def _form(folder: Path, problem: str) -> str:
    return (
        f"{folder} is no collection in the BEIR form ({problem}). It needs queries.jsonl, qrels/test.tsv, and its "
        f"documents in corpus.jsonl, in a folder {FILES}/, or in one that --folder names."
    )


def _only_split(folder: Path) -> str:
    there = sorted(path.stem for path in (folder / "qrels").glob("*.tsv"))
    preferred = [name for name in SPLITS if name in there]
    if not preferred and len(there) != 1:
        raise CorpusProblem(_form(folder, f"qrels/ holds {', '.join(there) or 'nothing'}: name one with --split"))
    return (preferred or there)[0]


def _records(path: Path) -> tuple[Record, ...]:
    records = tuple(
        Record(str(line["_id"]), str(line.get("title") or ""), str(line.get("text") or "")) for line in _lines(path)
    )
    if not records:
        raise ValueError(f"{path.name} is empty")
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise ValueError(f"{path.name} has two documents {record.id!r}")
        seen.add(record.id)
    return records


def _files(folder: Path) -> tuple[Record, ...]:
    if not folder.is_dir():
        raise ValueError(f"there is neither corpus.jsonl nor the folder {folder}")
    documents = read_corpus(folder, BuildSettings()).documents
    if not documents:
        raise ValueError(f"{folder} holds no document that can be read")
    return tuple(Record(document.path, document.title, _text(document)) for document in documents)


def _text(document: Document) -> str:
    return "\n\n".join("\n".join([*section.heading[-1:], section.text]) for section in document.sections)


def _queries(folder: Path, split: str) -> dict[str, _Query]:
    queries: dict[str, _Query] = {}
    for path in (folder / "queries.jsonl", folder / f"queries_{split}.jsonl"):
        for line in _lines(path) if path.exists() else ():
            excluded = (line.get("metadata") or {}).get("excluded_ids") or ()
            queries[str(line["_id"])] = _Query(str(line["text"]), frozenset(map(str, excluded)))
    return queries


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise ValueError(f"{path.name}, line {number}: {error}") from error


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
            if number == 1 and not _is_grade(row[-1:]):
                continue  # the header, which BEIR has and some copies lack
            if len(row) != 3 or not _is_grade(row[-1:]):
                raise ValueError(f"qrels/{path.name}, line {number}: not query-id, corpus-id, score: {row}")
            qrels.setdefault(row[0], {})[row[1]] = int(row[2])
    return qrels


def _is_grade(last: list[str]) -> bool:
    return bool(last) and last[0].strip().removeprefix("-").isdigit()


def _is_file(name: str) -> bool:
    path = PurePosixPath(name)
    safe = not path.is_absolute() and ".." not in path.parts and "\0" not in name and str(path) == name
    return safe and has_reader(path.name)


def _digested(collection: Collection) -> Collection:
    documents = hashlib.sha256()
    for record in collection.records:
        documents.update(json.dumps([record.id, record.title, record.text]).encode())
    whole = documents.copy()
    excluded = {query: sorted(names) for query, names in sorted(collection.excluded.items())}
    whole.update(json.dumps([collection.queries, collection.qrels, excluded], sort_keys=True).encode())
    return replace(collection, digest=whole.hexdigest(), documents_digest=documents.hexdigest())
