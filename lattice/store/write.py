"""Writes a whole index, so that readers see the old one or the new one and never anything between.

The new generation is written in one transaction to a file of its own, flushed to disk and renamed over the old one.
A build that dies leaves the old file as it was, readers of the old file go on undisturbed, and a finished index has no
journal or log beside it, so that reading it creates none.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lattice import tokens
from lattice.errors import IndexLocked, IndexProblem
from lattice.store.lexical import terms
from lattice.store.migrations import migrate
from lattice.store.opening import connect, identity, read_header
from lattice.types import Snapshot

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = tuple[object, ...]

_SIDE_FILES = ("-wal", "-shm", "-journal")  # what SQLite may keep beside a database


def write(path: Path, snapshot: Snapshot, built_at: str) -> None:
    """Make `snapshot` the content of the index at `path`, creating file and folders where missing.

    `built_at` is an ISO 8601 time in UTC. Raises IndexLocked while another process writes this index; IndexCorrupt
    where `path` is some other file; IndexTooNew; IndexProblem where the disk is full or the place cannot be written.
    """
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _sole_writer(path):
            _write_and_flip(path, snapshot, built_at)
    except (OSError, sqlite3.OperationalError) as error:
        raise IndexProblem(
            f"The index {path} cannot be written ({error}); what was there before is unchanged. "
            "Free space on the disk, or choose another place with --index or LATTICE_HOME."
        ) from error


def _write_and_flip(path: Path, snapshot: Snapshot, built_at: str) -> None:
    generation = _generation(path) + 1
    new = path.with_name(f".{path.name}-new")
    new.unlink(missing_ok=True)  # a build that was killed left it
    try:
        _fill(new, snapshot, built_at, generation)
        _flip(new, path)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def _sole_writer(path: Path) -> Iterator[None]:
    """Hold the lock of `path`; it is SQLite's own, on an empty file, so the system frees it when the process dies."""
    lock = path.with_name(f".{path.name}-lock")
    busy = IndexLocked(f"Another process is writing {path}. Wait until it has finished, then try again.")
    lock.touch()
    found = identity(lock)
    with closing(sqlite3.connect(lock, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise busy from error
        # The writer before us may have finished and removed the file that we have just locked.
        if identity(lock) != found:
            raise busy
        try:
            yield
        finally:
            lock.unlink()


def _generation(path: Path) -> int:
    """Read the generation at `path`, 0 where nothing readable is; refuse to replace what is no index of ours."""
    if not path.exists() or path.stat().st_size == 0:
        return 0
    read_header(path)
    try:
        with closing(connect(path)) as connection:
            return int(connection.execute("SELECT generation FROM build").fetchone()[0])
    except (IndexProblem, sqlite3.DatabaseError, TypeError):
        return 0  # a damaged index of ours: this build is its cure


def _fill(new: Path, snapshot: Snapshot, built_at: str, generation: int) -> None:
    from sqlite_utils import Database

    with closing(sqlite3.connect(new)) as connection:
        # This file is thrown away unless it is finished, so nothing in it needs a journal on disk or a flush.
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        db = Database(connection, execute_plugins=False)
        with db.atomic():
            migrate(db)
            _insert(db, "documents", _documents(snapshot))
            _insert(db, "passages", _passages(snapshot))
            _insert(db, "nodes", _nodes(snapshot))
            _insert(db, "vectors", _vectors(snapshot))
            _insert(db, "arrays", _arrays(snapshot))
            _insert(db, "skipped", _skipped(snapshot))
            _insert(db, "build", iter([_build(snapshot, built_at, generation)]))
            _insert(db, "lexical", _words(snapshot), columns=("rowid", "title", "heading", "text"))
            db.execute("INSERT INTO lexical(lexical) VALUES ('optimize')")


def _insert(db: Database, table: str, rows: Iterator[Row], columns: tuple[str, ...] = ()) -> None:
    kinds = db.table(table).columns_dict
    names = columns or tuple(kinds)
    # Text that is no valid UTF-8 arrives as bytes (see `_text`) and must be kept as text all the same.
    values = ("CAST(? AS TEXT)" if kinds.get(name) is str else "?" for name in names)
    db.conn.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(values)})", rows)


def _text(text: str) -> str | bytes:
    """Give `text` as SQLite can take it: names of files may hold bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _documents(snapshot: Snapshot) -> Iterator[Row]:
    for number, each in enumerate(snapshot.documents, start=1):
        yield number, _text(each.path), _text(each.title), each.content_hash, each.size, each.modified_ns


def _passages(snapshot: Snapshot) -> Iterator[Row]:
    number_of = {document.path: number for number, document in enumerate(snapshot.documents, start=1)}
    for number, each in enumerate(snapshot.passages, start=1):
        heading = json.dumps(each.heading)
        place = each.location
        yield (
            *(number, number_of[each.document], each.position, _text(each.title), heading, _text(each.text)),
            *(place.kind, place.start, place.end, each.content_hash),
        )


def _nodes(snapshot: Snapshot) -> Iterator[Row]:
    for each in snapshot.nodes:
        yield each.id, each.parent, each.kind, _text(each.description), each.leaves, each.depth, each.passage


def _vectors(snapshot: Snapshot) -> Iterator[Row]:
    rows = snapshot.vectors.astype("<f4", copy=False)
    for number, (_, row) in enumerate(zip(snapshot.passages, rows, strict=True), start=1):
        yield number, row.tobytes()


def _arrays(snapshot: Snapshot) -> Iterator[Row]:
    for name, array in sorted(snapshot.embedder.items()):
        if array.dtype.kind not in "biufcSU":
            raise TypeError(f"the embedder's array {name!r} is not plain: {array.dtype}")
        yield name, array.dtype.str, json.dumps(array.shape), array.tobytes()


def _skipped(snapshot: Snapshot) -> Iterator[Row]:
    for number, each in enumerate(snapshot.skipped, start=1):
        yield number, _text(each.path), _text(each.reason), each.size, each.modified_ns


def _build(snapshot: Snapshot, built_at: str, generation: int) -> Row:
    settings = json.dumps(asdict(snapshot.settings), sort_keys=True)
    depth = max((node.depth for node in snapshot.nodes), default=0)
    counts = (len(snapshot.documents), len(snapshot.passages), len(snapshot.nodes), depth)
    dimensions = snapshot.vectors.shape[1]
    return 1, _text(snapshot.root), built_at, generation, settings, *counts, dimensions, len(snapshot.skipped)


def _words(snapshot: Snapshot) -> Iterator[Row]:
    short = lru_cache(maxsize=1024)(_stems)  # title and heading stay the same from one passage to the next
    for number, each in enumerate(snapshot.passages, start=1):
        yield number, short(each.title), short("\n".join(each.heading)), _stems(each.text)


def _stems(text: str) -> str:
    return " ".join(terms(tokens.stems(text)))


def _flip(new: Path, path: Path) -> None:
    if path.exists():
        shutil.copymode(path, new)
    _flush(new)
    _settle(path)
    new.replace(path)
    if os.name == "posix":
        _flush(path.parent)  # the rename itself


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _settle(path: Path) -> None:
    """Remove what another program left beside the old file: SQLite would take it for the new file's journal."""
    beside = [side for suffix in _SIDE_FILES if (side := path.with_name(path.name + suffix)).exists()]
    if not beside:
        return
    if path.exists():
        _fold_in(path)
    for side in beside:
        side.unlink(missing_ok=True)


def _fold_in(path: Path) -> None:
    """Bring what stands in the log or journal of `path` into the file, so that it stays whole without them."""
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        try:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        except sqlite3.OperationalError:
            mode = "busy"
        except sqlite3.DatabaseError:
            return  # damaged beyond that: there is nothing to keep
    if mode != "delete":
        raise IndexLocked(f"Another program has {path} open. Close it, then try again.")
