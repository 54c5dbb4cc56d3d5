"""Opens an index for reading: refuses what is not one, writes nothing, and says what cures each problem.

An index file is never changed in place: a build writes a new file beside it and renames that over it (see `write`).
So it has no journal and no write-ahead log of its own, and `mode=ro` reads it on read-only media as well. Only where
another program has switched the file to write-ahead logging can SQLite want to create files beside it; `immutable=1`
is the answer there, and only where nobody of this user's rights could be writing.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from lattice.errors import IndexCorrupt, IndexLocked, IndexNotFound, IndexProblem, IndexTooNew
from lattice.store.migrations import APPLICATION_ID, FORMAT, OLDEST_READABLE, TABLES

_MAGIC = b"SQLite format 3\x00"
_HEADER_BYTES = 100  # the length of an SQLite file's header
_LOCK_SECONDS = 5.0  # a lock on the file is another program's doing and short; longer, and the user wants to know
_REBUILD = "Build it again with `lattice index FOLDER`."


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of an index says: its size in bytes when whole, and its format."""

    whole_bytes: int
    format: int


def read_header(path: Path) -> Header:
    """Read the header of the index at `path`, of any format that this version knows.

    Raises IndexNotFound, IndexCorrupt (some other file), IndexTooNew, or IndexProblem (no permission).
    """
    raw = _first_bytes(path)
    if len(raw) < _HEADER_BYTES or not raw.startswith(_MAGIC):
        raise IndexCorrupt(f"{path} is not a lattice index. Name another file with --index, or run `lattice list`.")
    if int.from_bytes(raw[68:72], "big") != APPLICATION_ID:
        raise IndexCorrupt(f"{path} is the SQLite file of another program. Name an index with --index.")
    version = int.from_bytes(raw[60:64], "big")
    if version > FORMAT:
        raise IndexTooNew(
            f"{path} has format {version}, and this version of lattice knows formats up to {FORMAT}. "
            "Upgrade lattice, or build a separate index with --index."
        )
    page_bytes = int.from_bytes(raw[16:18], "big")
    return Header((65536 if page_bytes == 1 else page_bytes) * int.from_bytes(raw[28:32], "big"), version)


def connect(path: Path) -> sqlite3.Connection:
    """Open the index at `path` for reading, in autocommit; raise an IndexProblem that says the cure."""
    _check(path, read_header(path))
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if not _can_be_immutable(path):
            raise read_problem(path, error) from error
    except sqlite3.DatabaseError as error:
        raise read_problem(path, error) from error
    return _connect(path, "mode=ro&immutable=1")


def read_problem(path: Path, error: Exception) -> IndexProblem:
    """Turn what SQLite said while reading the index at `path` into an error with its cure."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return IndexLocked(f"Another program holds {path} locked. Close it and try again.")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or isinstance(error, UnicodeError):
        return IndexCorrupt(f"{path} is damaged ({error}). {_REBUILD}")
    return IndexProblem(f"{path} cannot be read ({error}). Check the disk and the permissions, or build it again.")


def identity(path: Path) -> tuple[int, int] | None:
    """Tell one file at `path` from its successor: device and inode, None when there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEADER_BYTES)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        what = "is a folder" if path.is_dir() else "does not exist"
        raise IndexNotFound(f"There is no index at {path}: it {what}. Make one with `lattice index FOLDER`.") from error
    except OSError as error:
        raise IndexProblem(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error


def _check(path: Path, header: Header) -> None:
    if header.format < OLDEST_READABLE:
        raise IndexProblem(f"{path} has format {header.format}, which this version no longer reads. {_REBUILD}")
    # With a write-ahead log the file may lawfully be shorter than its header says.
    if path.stat().st_size < header.whole_bytes and not _side_file(path, "-wal").exists():
        raise IndexCorrupt(f"{path} is cut short. {_REBUILD}")


def _connect(path: Path, options: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?{options}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_LOCK_SECONDS)
    # File names may hold bytes that are no UTF-8; they are written with the same rule.
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogatepass")
    try:
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if missing := sorted(TABLES - found):
            raise IndexCorrupt(f"{path} lacks {', '.join(missing)}. {_REBUILD}")
    except BaseException:
        connection.close()
        raise
    return connection


def _can_be_immutable(path: Path) -> bool:
    is_writable = os.access(path, os.W_OK) or os.access(path.resolve().parent, os.W_OK)
    return not is_writable and not _side_file(path, "-wal").exists()


def _side_file(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
