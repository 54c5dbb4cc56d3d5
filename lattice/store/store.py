"""The read side of an index: the tree, the passages, both kinds of search index, and what the build left on record.

A `Store` belongs to the thread that opened it; open one a thread. It shows the generation that it was opened on.
`reading()` first moves on to a newer generation if a build has finished since, and then stays on one until it ends.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lattice.errors import IndexProblem
from lattice.store import lexical
from lattice.store.lexical import Unit
from lattice.store.opening import connect, identity, read_problem
from lattice.types import BuildSettings, Candidate, Document, Location, Matrix, Node, Passage, Skipped

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Row = tuple[Any, ...]

HEADING_SEPARATOR = " › "  # between a document's title and the headings below it, as a judge reads them
_CACHED_QUERIES = 16  # whose words are asked for with every slate
_CACHED_NODES = 4096  # a search opens some hundred nodes; this keeps all of them and bounds a walk over a large tree

_NODE = "SELECT id, parent, kind, description, leaves, depth, passage, {name} FROM nodes"
_NAMES_SINCE = 2  # the format since which nodes have names
_SUMMARIES_SINCE = 3  # since which summaries are kept
_INDEX_TERMS_SINCE = 4  # and since which nodes have index terms
_PASSAGE = (
    "SELECT passages.id, path, position, passages.title, heading, text, location, first, last, passages.content_hash "
    "FROM passages JOIN documents ON documents.id = passages.document"
)
_CANDIDATE = (
    "SELECT nodes.id, description, documents.title, heading, text, {stems} FROM nodes "
    "LEFT JOIN passages ON passages.id = nodes.passage LEFT JOIN documents ON documents.id = passages.document {joined}"
)
_JOINED = "LEFT JOIN index_terms ON index_terms.node = nodes.id"
_STATUS = (
    "SELECT root, built_at, documents, passages, nodes, depth, page_count * page_size, user_version, generation, "
    "skipped, builder, identity FROM build, pragma_page_count, pragma_page_size, pragma_user_version"
)
_LISTED = "IN (SELECT value FROM json_each(?))"  # one statement for any number of ids


@dataclass(frozen=True, slots=True)
class Status:
    """What is in an index. `built_at` is ISO 8601 in UTC, `depth` that of the deepest node, `size` bytes on disk.

    `build` tells one build from any other: where it is the same, so are ids, texts and vectors. `generation` only
    counts the builds at this place, from 1 again once the file was removed. `builder` is its BUILDER_VERSION.
    """

    root: str
    built_at: str
    documents: int
    passages: int
    nodes: int
    depth: int
    size: int
    format: int
    generation: int
    skipped: int
    builder: int
    build: str


class Store:
    """An open index; satisfies `types.Tree`. Every method may raise IndexCorrupt where the file is damaged.

    After `close`, and in any thread but the one that opened it, every method may raise IndexProblem.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity = identity(path)
        self._connection = connect(path)
        self._node_rows, self._candidate_rows = _row_queries(self._connection)
        self._thread = threading.get_ident()
        self._is_closed = False
        self._readers = 0
        self._forget()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the index at `path` for reading; raise IndexNotFound, IndexCorrupt, IndexTooNew or IndexProblem."""
        return cls(path)

    def close(self) -> None:
        """Let go of the file; the store cannot be used any more."""
        with self._problems():
            self._connection.close()
        self._is_closed = True
        self._forget()

    def check_open(self) -> None:
        """Raise IndexProblem where the store was closed; any thread may ask."""
        if self._is_closed:
            raise IndexProblem(f"The index {self.path} is closed. Open it again before you use it.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Self]:
        """Keep to one generation, the newest there is on entry, until the block ends. Blocks may be nested."""
        if self._readers == 0:
            self._renew()
            self._rows("BEGIN")
            self._forget()
        self._readers += 1
        try:
            yield self
        finally:
            self._readers -= 1
            # A store that was closed in the block has let go already.
            if self._readers == 0 and not self._is_closed:
                self._rows("ROLLBACK")
                self._forget()

    # The tree

    def root(self) -> Node:
        """Give the root."""
        return _node(self._one(f"{self._node_rows} WHERE parent IS NULL"))

    def node(self, node: int) -> Node:
        """Give one node; KeyError when there is none with that id."""
        return self._node_of(node)

    def children(self, node: int) -> tuple[Node, ...]:
        """Give the children of a node, by id; empty for a leaf."""
        return self._children_of(node)

    def ancestors(self, node: int) -> tuple[Node, ...]:
        """Give the nodes on the way to `node`: the root first, `node` itself left out. KeyError if it is unknown."""
        trail: list[Node] = []
        above = self.node(node).parent
        while above is not None:
            trail.append(self.node(above))
            above = trail[-1].parent
        return tuple(reversed(trail))

    def candidates(self, nodes: tuple[int, ...]) -> tuple[Candidate, ...]:
        """Give what a judge reads for each of the nodes, in the order asked; KeyError for an unknown one."""
        rows = self._rows(f"{self._candidate_rows} WHERE nodes.id {_LISTED}", json.dumps(nodes))
        found = {row[0]: _candidate(row) for row in rows}
        return tuple(found[node] for node in nodes)

    def leaf(self, passage: int) -> Node:
        """Give the leaf that stands for a passage; KeyError when there is none."""
        return self.leaves((passage,))[passage]

    def leaves(self, passages: Iterable[int]) -> dict[int, Node]:
        """Give the leaf of each of the passages, by passage id, in the order asked; KeyError for an unknown one."""
        wanted = tuple(passages)
        found = {
            row[6]: _node(row) for row in self._rows(f"{self._node_rows} WHERE passage {_LISTED}", json.dumps(wanted))
        }
        return {passage: found[passage] for passage in wanted}

    def outline(self) -> list[tuple[int, int | None, int | None]]:
        """Give (id, parent, passage) of every node, parents first; the parent is None for the root alone."""
        return self._rows("SELECT id, parent, passage FROM nodes ORDER BY id")

    def nodes(self) -> list[Node]:
        """Give every node, parents first: all of the tree at once, for whoever looks at the whole of it."""
        return [_node(row) for row in self._rows(f"{self._node_rows} ORDER BY id")]

    # Documents and passages

    def documents(self) -> tuple[Document, ...]:
        """Give every document, by path; their sections are left empty, for the passages hold the text."""
        rows = self._rows("SELECT path, title, content_hash, size, modified_ns FROM documents ORDER BY path")
        return tuple(
            Document(path, title, (), content_hash, size, modified)
            for path, title, content_hash, size, modified in rows
        )

    def spans(self) -> dict[str, tuple[int, range]]:
        """Give each document's number and the ids of its passages, by path; one without passages is left out."""
        rows = self._rows(
            "SELECT path, document, MIN(passages.id), COUNT(*) FROM passages "
            "JOIN documents ON documents.id = passages.document GROUP BY passages.document ORDER BY path"
        )
        return {path: (number, range(first, first + count)) for path, number, first, count in rows}

    def files(self) -> dict[str, tuple[int, int, str]]:
        """Give (size in bytes, mtime in ns, content hash) of each indexed file, by path: what freshness is told by."""
        return {each.path: (each.size, each.modified_ns, each.content_hash) for each in self.documents()}

    def passage(self, passage: int) -> Passage:
        """Give one passage; KeyError when there is none with that id."""
        return self.passages((passage,))[passage]

    def passages(self, passages: Iterable[int]) -> dict[int, Passage]:
        """Give the passages, by id, in the order asked; KeyError for an unknown one."""
        wanted = tuple(passages)
        rows = self._rows(f"{_PASSAGE} WHERE passages.id {_LISTED}", json.dumps(wanted))
        found = {row[0]: _passage(row) for row in rows}
        return {passage: found[passage] for passage in wanted}

    def passages_of(self, document: str) -> dict[int, Passage]:
        """Give the passages of the document with that path, by id, in their order; empty for an unknown path."""
        rows = self._rows(
            f"{_PASSAGE} WHERE path = CAST(? AS TEXT) ORDER BY position", document.encode("utf-8", "surrogatepass")
        )
        return {row[0]: _passage(row) for row in rows}

    # Search

    def lexical(
        self, query: str, limit: int, admitted: bytes | None = None, unit: Unit = Unit.PASSAGES
    ) -> list[tuple[int, float]]:
        """Give up to `limit` (id, BM25 score) of passages or documents, the higher the better, sorted by (-score, id).

        `admitted` holds a byte a unit, from id 1 on: only those whose byte is 1 are looked for.
        """
        with self._problems():
            return lexical.search(self._connection, query, limit, admitted, unit)

    def frequencies(self, stems: Iterable[str]) -> dict[str, int]:
        """Give the number of passages that hold each of the stems; those that stand nowhere are left out."""
        rows = self._rows(f"SELECT term, doc FROM lexical_terms WHERE term {_LISTED}", json.dumps(tuple(stems)))
        return dict(rows)

    def rarities(self, stems: Iterable[str]) -> Mapping[str, float]:
        """Give ln(n / df) of each of the stems, over n passages; those that stand nowhere are left out."""
        return self._rarities_of(frozenset(stems))

    def documents_of(self, passages: Iterable[int]) -> dict[int, int]:
        """Give the number of the document of each of the passages, by passage id; unknown ones are left out."""
        rows = self._rows(f"SELECT id, document FROM passages WHERE id {_LISTED}", json.dumps(tuple(passages)))
        return dict(rows)

    def document_numbers(self) -> list[int]:
        """Give the number of each passage's document, by passage id; the passages of a document follow each other."""
        return [row[0] for row in self._rows("SELECT document FROM passages ORDER BY id")]

    def vectors(self) -> tuple[npt.NDArray[np.int64], Matrix]:
        """Give the passages' ids and their vectors, one float32 row each, by id; both read-only."""
        import numpy as np

        (dimensions,) = self._one("SELECT dimensions FROM build")
        rows = self._rows("SELECT passage, vector FROM vectors ORDER BY passage")
        matrix = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f4").reshape(len(rows), dimensions)
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        ids.flags.writeable = False
        return ids, matrix

    def summaries(self) -> dict[int, tuple[str, ...]]:
        """Give the summaries of five lengths that a model wrote when it organised, the shortest first, by node id."""
        if self.status().format < _SUMMARIES_SINCE:
            return {}
        rows = self._rows("SELECT node, texts FROM summaries ORDER BY node")
        return {node: tuple(json.loads(texts)) for node, texts in rows}

    def index_terms(self) -> dict[int, tuple[str, ...]]:
        """Give the stems that inner nodes are found by, the most telling first, by node id."""
        if self.status().format < _INDEX_TERMS_SINCE:
            return {}
        return {node: tuple(stems.split()) for node, stems in self._rows("SELECT node, stems FROM index_terms")}

    def embedder(self) -> dict[str, npt.NDArray[np.generic]]:
        """Give the arrays of the fitted embedder, by name, read-only."""
        import numpy as np

        rows = self._rows("SELECT name, dtype, shape, content FROM arrays ORDER BY name")
        return {
            name: np.frombuffer(content, dtype=np.dtype(dtype)).reshape(json.loads(shape))
            for name, dtype, shape, content in rows
        }

    # The record of the build

    def settings(self) -> BuildSettings:
        """Give what the index was built with; settings that this version does not know are left out."""
        known = {field.name for field in fields(BuildSettings)}
        stored = json.loads(self._one("SELECT settings FROM build")[0])
        return BuildSettings(**{name: value for name, value in stored.items() if name in known})

    def status(self) -> Status:
        """Give what is in the index, when it was built and how large it is."""
        return Status(*self._one(_STATUS))

    def skipped(self) -> tuple[Skipped, ...]:
        """Give the files that were left out, in the order in which the build met them."""
        return tuple(
            Skipped(*row) for row in self._rows("SELECT path, reason, size, modified_ns FROM skipped ORDER BY id")
        )

    # How it is read

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise self._misuse() or error from None
        except (sqlite3.DatabaseError, UnicodeError) as error:
            raise read_problem(self.path, error) from error

    def _misuse(self) -> IndexProblem | None:
        if self._is_closed:
            return IndexProblem(f"The index {self.path} is closed. Open it again before you use it.")
        if threading.get_ident() != self._thread:
            return IndexProblem(f"The index {self.path} was opened in another thread. Open one object a thread.")
        return None

    def _rows(self, sql: str, *parameters: object) -> list[Row]:
        with self._problems():
            return self._connection.execute(sql, parameters).fetchall()

    def _one(self, sql: str, *parameters: object) -> Row:
        rows = self._rows(sql, *parameters)
        if not rows:
            raise KeyError(*parameters)
        return rows[0]

    def _load_node(self, node: int) -> Node:
        return _node(self._one(f"{self._node_rows} WHERE id = ?", node))

    def _load_children(self, node: int) -> tuple[Node, ...]:
        return tuple(_node(row) for row in self._rows(f"{self._node_rows} WHERE parent = ? ORDER BY id", node))

    def _load_rarities(self, stems: frozenset[str]) -> Mapping[str, float]:
        (passages,) = self._one("SELECT passages FROM build")
        return {stem: math.log(passages / count) for stem, count in self.frequencies(stems).items()}

    def _renew(self) -> None:
        """Move on to the file that a build has put in the old one's place, if it has."""
        with self._problems():
            self._connection.cursor()  # a closed store stays closed, and another thread's is left alone
        now = identity(self.path)
        if now is None or now == self._identity:
            return
        connection = connect(self.path)
        self._connection.close()
        self._connection, self._identity = connection, now
        self._node_rows, self._candidate_rows = _row_queries(connection)

    def _forget(self) -> None:
        self._rarities_of = lru_cache(_CACHED_QUERIES)(self._load_rarities)
        self._node_of = lru_cache(_CACHED_NODES)(self._load_node)
        self._children_of = lru_cache(_CACHED_NODES)(self._load_children)


def _row_queries(connection: sqlite3.Connection) -> tuple[str, str]:
    """Give what asks an index of its format for nodes, and for candidates."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    nodes = _NODE.format(name="name" if version >= _NAMES_SINCE else "''")
    if version < _INDEX_TERMS_SINCE:
        return nodes, _CANDIDATE.format(stems="NULL", joined="")
    return nodes, _CANDIDATE.format(stems="stems", joined=_JOINED)


def _node(row: Row) -> Node:
    return Node(*row)


def _passage(row: Row) -> Passage:
    _, document, position, title, heading, text, kind, first, last, content_hash = row
    return Passage(document, position, title, _heading(heading), text, Location(kind, first, last), content_hash)


def _candidate(row: Row) -> Candidate:
    node, description, title, heading, text, stems = row
    if text is None:
        return Candidate(node, description, is_leaf=False, index_terms=frozenset((stems or "").split()))
    parts = dict.fromkeys(part for part in (title, *_heading(heading)) if part)
    return Candidate(node, text, is_leaf=True, title=HEADING_SEPARATOR.join(parts))


def _heading(stored: str) -> tuple[str, ...]:
    return tuple(json.loads(stored))
