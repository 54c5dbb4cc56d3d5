"""Writes a whole index, so that readers see the old one or the new one and never anything between.

The new generation is written in one transaction to a file of its own, flushed to disk and renamed over the old one.
A build that dies leaves the old file as it was, readers of the old file go on undisturbed, and a finished index has no
journal or log beside it, so that reading it creates none.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lattice import tokens
from lattice.errors import IndexLocked, IndexProblem
from lattice.store.lexical import Unit, terms
from lattice.store.migrations import migrate
from lattice.store.opening import connect, identity, read_header
from lattice.types import BUILDER_VERSION, Snapshot

if TYPE_CHECKING:
    from sqlite_utils import Database

Row = tuple[object, ...]

_SIDE_FILES = ("-wal", "-shm", "-journal")  # what SQLite may keep beside a database
_IDENTITY_BYTES = 16  # 128 bits: no two builds will ever share an identity by chance


class _Held(threading.local):
    """The indexes that this thread has the sole right to write."""

    def __init__(self) -> None:
        self.paths: set[Path] = set()


_held = _Held()


def write(path: Path, snapshot: Snapshot, built_at: str) -> None:
    """Make `snapshot` the content of the index at `path`, creating file and folders where missing.

    `built_at` is an ISO 8601 time in UTC. Raises what `sole_writer` raises, in whose block it may be called, and
    IndexProblem where the disk is full.
    """
    with sole_writer(path), _problems(path):
        _write_and_flip(path.resolve(), snapshot, built_at)


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Be the only writer of the index at `path` until the block ends; blocks of one thread may be nested.

    A build belongs into it from its first look at the folder, so that no older state is written over a newer one, and
    so that it fails before the work. Folders are created where missing, and go again if nothing came into them. Raises
    IndexLocked while another process or thread is in such a block; IndexCorrupt where `path` is some other file;
    IndexTooNew; IndexProblem where it is a folder or the place cannot be written.
    """
    with ExitStack() as until_the_end:
        with _problems(path):
            path = path.resolve()
            _refuse_other(path)
            if path not in _held.paths:
                until_the_end.enter_context(_folder_of(path))
                until_the_end.enter_context(_lock(path))
                until_the_end.callback(_held.paths.discard, path)
                _held.paths.add(path)
        yield


@contextmanager
def _problems(path: Path) -> Iterator[None]:
    try:
        yield
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


def _refuse_other(path: Path) -> None:
    """Refuse to replace what is no index of ours; an empty file and a damaged index may be replaced."""
    if path.exists() and not path.is_file():
        what = "folder" if path.is_dir() else "device"
        raise IndexProblem(f"{path} is a {what}, and an index is a file. Name a file with --index.")
    if path.exists() and path.stat().st_size > 0:
        read_header(path)


@contextmanager
def _folder_of(path: Path) -> Iterator[None]:
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # not empty: the index is in it
            for folder in missing:
                folder.rmdir()


@contextmanager
def _lock(path: Path) -> Iterator[None]:
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
            with suppress(OSError):  # left behind, it holds nobody up
                lock.unlink()


def _generation(path: Path) -> int:
    """Read the generation at `path`, 0 where nothing readable is."""
    try:
        with closing(connect(path)) as connection:
            return int(connection.execute("SELECT generation FROM build").fetchone()[0])
    except (IndexProblem, sqlite3.DatabaseError, TypeError):
        return 0  # none yet, or a damaged one of ours: this build is its cure


def _fill(new: Path, snapshot: Snapshot, built_at: str, generation: int) -> None:
    from sqlite_utils import Database

    with closing(sqlite3.connect(new)) as connection:
        # This file is thrown away unless it is finished, so nothing in it needs a journal on disk or a flush.
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        db = Database(connection, execute_plugins=False)
        seal = hashlib.blake2b(digest_size=_IDENTITY_BYTES)
        with db.atomic():
            migrate(db)
            _insert(db, "documents", _sealed(seal, _documents(snapshot)))
            _insert(db, "passages", _sealed(seal, _passages(snapshot)))
            _insert(db, "nodes", _sealed(seal, _nodes(snapshot)))
            _insert(db, "summaries", _sealed(seal, _summaries(snapshot)))
            _insert(db, "index_terms", _sealed(seal, _index_terms(snapshot)))
            _insert(db, "vectors", _sealed(seal, _vectors(snapshot)))
            _insert(db, "arrays", _sealed(seal, _arrays(snapshot)))
            _insert(db, "skipped", _sealed(seal, _skipped(snapshot)))
            _insert_words(db, snapshot)
            _insert(db, "build", iter([_build(snapshot, built_at, generation, seal)]))


def _sealed(seal: hashlib.blake2b, rows: Iterator[Row]) -> Iterator[Row]:
    """Pass the rows on, each taken into `seal` on its way: so the seal is of all that was written."""
    for row in rows:
        for value in row:
            raw = value if isinstance(value, bytes) else ascii(value).encode()
            seal.update(b"%d:" % len(raw) + raw)  # with its length, so that no two rows read alike
        yield row


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
        size = (each.leaves, each.depth, each.passage)
        yield each.id, each.parent, each.kind, _text(each.description), *size, _text(each.name)


def _summaries(snapshot: Snapshot) -> Iterator[Row]:
    for node, texts in sorted(snapshot.summaries.items()):
        yield node, _text(json.dumps(texts, ensure_ascii=False))


def _index_terms(snapshot: Snapshot) -> Iterator[Row]:
    for node, stems in sorted(snapshot.index_terms.items()):
        yield node, _text(" ".join(stems))


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


def _build(snapshot: Snapshot, built_at: str, generation: int, seal: hashlib.blake2b) -> Row:
    settings = json.dumps(asdict(snapshot.settings), sort_keys=True)
    seal.update(ascii((snapshot.root, built_at, settings, BUILDER_VERSION)).encode())
    depth = max((node.depth for node in snapshot.nodes), default=0)
    sizes = (len(snapshot.documents), len(snapshot.passages), len(snapshot.nodes), depth)
    counts = (*sizes, snapshot.vectors.shape[1], len(snapshot.skipped))
    return 1, _text(snapshot.root), built_at, generation, settings, *counts, BUILDER_VERSION, seal.hexdigest()


def _insert_words(db: Database, snapshot: Snapshot) -> None:
    """Fill both word indexes; a document's is of its title, each of its headings once, and all that it says."""
    short = lru_cache(maxsize=1024)(_stems)  # title and heading stay the same from one passage to the next
    number_of = {document.path: number for number, document in enumerate(snapshot.documents, start=1)}
    passages = enumerate(snapshot.passages, start=1)
    for path, group in itertools.groupby(passages, lambda numbered: numbered[1].document):
        rows = [(i, short(one.title), short("\n".join(one.heading)), _stems(one.text)) for i, one in group]
        _, titles, headings, texts = zip(*rows, strict=True)
        whole = (number_of[path], titles[0], " ".join(dict.fromkeys(headings)), " ".join(texts))
        for unit, words in ((Unit.PASSAGES, rows), (Unit.DOCUMENTS, [whole])):
            db.conn.executemany(f"INSERT INTO {unit}(rowid, title, heading, text) VALUES (?, ?, ?, ?)", words)
    for unit in Unit:
        db.execute(f"INSERT INTO {unit}({unit}) VALUES ('optimize')")


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
