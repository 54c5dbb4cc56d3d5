"""Small indexes made by hand: root → documents → passages, with vectors that can be told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lattice.store.store import Store
from lattice.store.write import write
from lattice.types import BuildSettings, Document, Location, Node, Passage, Skipped, Snapshot

BUILT_AT = "2026-03-01T12:00:00+00:00"
LATER = "2026-04-02T08:30:00+00:00"
DIMENSIONS = 4

Files = Mapping[str, Sequence[tuple[tuple[str, ...], str]]]

FILES: Files = {
    "actors/memory.md": [
        (("Actors", "Leaks"), "An actor leaks memory when its mailbox grows without bound."),
        (("Actors", "Garbage"), "The collector frees an actor once no reference to it is left."),
    ],
    "languages/c++.md": [
        ((), "In C++ the destructor frees what the constructor took. Don't free twice."),
        (("Templates",), "A template of C++ is compiled once for each type, unlike generics in C#."),
        (("Build",), "The header parse_config.h is read by parseConfig before the build."),
    ],
    "日本/検索.md": [((), "全文検索は索引を使って文書を探します。")],
}

OTHER: Files = {"birds/heron.md": [(("Heron",), "A grey heron is no actor."), ((), "It waits by the river.")]}


def make_snapshot(
    files: Files = FILES, root: str = "/home/reader/notes", skipped: tuple[Skipped, ...] = ()
) -> Snapshot:
    """Give a valid snapshot of `files`: path → its passages as (heading, text)."""
    paths = sorted(files)
    documents = tuple(
        Document(path, _title(path), (), _digest(path), 100 + number, 10**18 + number)
        for number, path in enumerate(paths)
    )
    passages = tuple(_passages(files))
    vectors = np.arange(len(passages) * DIMENSIONS, dtype=np.float32).reshape(len(passages), DIMENSIONS) / np.float32(7)
    embedder = {
        "components": np.arange(6, dtype=np.float32).reshape(2, 3),
        "vocabulary": np.array(["actor", "memory", "検索"]),
        "weight": np.array(0.5),
    }
    nodes = tuple(_nodes(paths, passages))
    return Snapshot(root, documents, passages, nodes, vectors, embedder, BuildSettings(branching=7), skipped)


def make_store(path: Path, snapshot: Snapshot | None = None) -> Store:
    """Write `snapshot` (or the small one) to `path` and open it."""
    write(path, snapshot or make_snapshot(), BUILT_AT)
    return Store.open(path)


@dataclass(frozen=True)
class Content:
    """All that an index holds, comparable."""

    values: tuple[object, ...]
    generation: int
    build: str


def content(store: Store) -> Content:
    """Read all of an index, through its public methods only."""
    status = store.status()
    ids, vectors = store.vectors()
    nodes = tuple(store.node(node) for node in range(1, status.nodes + 1))
    arrays = {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in store.embedder().items()}
    values = (
        *(store.documents(), store.passages(range(1, status.passages + 1)), nodes, ids.tolist(), vectors.tobytes()),
        *(arrays, store.settings(), store.skipped(), status.root, status.built_at, store.lexical("actor", 10)),
    )
    return Content(values, status.generation, status.build)


def _title(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".md").capitalize()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _passages(files: Files) -> list[Passage]:
    made = []
    for path in sorted(files):
        for position, (heading, text) in enumerate(files[path]):
            location = Location("lines", position * 10 + 1, position * 10 + 9)
            made.append(Passage(path, position, _title(path), heading, text, location, _digest(text)))
    return made


def _nodes(paths: list[str], passages: tuple[Passage, ...]) -> list[Node]:
    nodes = [Node(1, None, "root", "everything", len(passages), 0, name="Everything")]
    for number, path in enumerate(paths, start=2):
        below = sum(passage.document == path for passage in passages)
        nodes.append(Node(number, 1, "document", f"about {_title(path)}", below, 1, name=_title(path)))
    for number, passage in enumerate(passages, start=1):
        parent = 2 + paths.index(passage.document)
        nodes.append(Node(1 + len(paths) + number, parent, "passage", passage.text[:20], 1, 2, passage=number))
    return nodes
