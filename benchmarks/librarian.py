"""A strong model's part in the benchmark of the builder, played by the labels that a collection has of its own.

What a model that does all that it is asked would make of a corpus: summaries that begin with where a text belongs, and
topics by them. The labels are the folders of a path, or the article that a passage is of. It has never seen a query.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from bench import unpacked

from lattice.evaluate.collection import Collection
from lattice.evaluate.indexes import index_of
from lattice.index_builder.authors import NothingKept, Writing
from lattice.index_builder.build import build
from lattice.index_builder.organising import Organising
from lattice.index_builder.stand_ins import Labels, ScriptedLibrarian
from lattice.store.store import Store
from lattice.store.write import write
from lattice.types import BuildSettings, Passage

# As many words of a text as tell it from all others.
KNOWN_WORDS = 14


def labels_of(name: str, record: dict[str, Any]) -> Labels:
    """Give where a document belongs, the widest label first; the program ends where a collection does not say."""
    metadata = record.get("metadata") or {}
    if "article" in metadata:
        return (metadata["article"].replace("_", " "),)
    folders = PurePosixPath(record["_id"]).parent.parts
    if not folders:
        raise SystemExit(f"{name} has no labels of its own: neither folders nor articles")
    return tuple(" ".join(folders[: depth + 1]) for depth in range(len(folders)))


def organised(collection: Collection, work: Path, settings: BuildSettings) -> tuple[Path, Organising]:
    """Give an index whose tree the labels have made, and what came of it."""
    index = index_of(collection, work, rebuild=True, settings=BuildSettings(structure="flat"))
    with Store.open(index) as store:
        ids, vectors = store.vectors()
        passages = list(store.passages(ids.tolist()).values())
        documents, embedder, root = store.documents(), store.embedder(), store.status().root
    lines = (unpacked(collection.name) / "corpus.jsonl").read_text().splitlines()
    by_document = {one["_id"]: labels_of(collection.name, one) for one in map(json.loads, lines)}
    known = {_key(shown): by_document[passage.document] for passage in passages for shown in _shown(passage)}
    author = ScriptedLibrarian(lambda text: known.get(_key(text), ("other",)))
    organising = Organising(Writing(author, "the labels", NothingKept()))
    snapshot = build(
        root, documents, passages, (), settings, vectors_of=lambda *_: (embedder, vectors), organising=organising
    )
    write(index, snapshot, "")
    return index, organising


def _shown(passage: Passage) -> tuple[str, str]:
    """Give how a passage may be shown: behind its title, or by its first words alone."""
    return f"{passage.title or (passage.heading or ('',))[0]}: {passage.text}", passage.text


def _key(text: str) -> str:
    return " ".join(text.split()[:KNOWN_WORDS])
