"""Results of LLM calls, kept in a file beside the index as they come, so that a killed build repeats none of them.

Each result is committed by itself before the build goes on. The file belongs to the writer of its index (see
`write.sole_writer`), who alone opens it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from lattice.errors import IndexProblem
from lattice.types import Usage

SUFFIX = ".llm"

_ROOM = "Free space on the disk and run it again: what is kept by now is not asked for again."
# `computed` counts how often a result was paid for; where all is well that is once.
_TABLE = (
    "CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, text TEXT NOT NULL, evaluated INTEGER NOT NULL, "
    "reused INTEGER NOT NULL, generated INTEGER NOT NULL, seconds REAL NOT NULL, computed INTEGER NOT NULL DEFAULT 1)"
)


def cache_of(index: Path) -> Path:
    """Give the place of the results that belong to an index."""
    return index.with_name(index.name + SUFFIX)


class ResultCache:
    """The results kept at a place, by key; a context manager. `problem` says what was wrong with the file."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin it; one that is damaged is set aside. IndexProblem where it cannot be written."""
        self.path = path
        self.problem: str | None = None
        self._used: set[str] = set()
        with self._problems():
            try:
                self._connection = _opened(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                aside = path.with_name(path.name + ".damaged")
                path.replace(aside)
                self.problem = f"The kept results of {path} were damaged ({error}); they lie in {aside.name} now."
                self._connection = _opened(path)

    def __len__(self) -> int:
        """Count the results that are kept."""
        return int(self._connection.execute("SELECT count(*) FROM results").fetchone()[0])

    def usage(self) -> Usage:
        """Give what the results that are kept cost when they were made; of texts that were cut it knows nothing."""
        sums = "total(evaluated), total(reused), total(generated), count(*), total(seconds)"
        row = self._connection.execute(f"SELECT {sums} FROM results").fetchone()
        evaluated, reused, generated, calls = map(int, row[:4])
        return Usage(evaluated, reused, generated, calls, row[4])

    def get(self, key: str) -> str | None:
        """Give what was kept under the key; None where nothing was."""
        row = self._connection.execute("SELECT text FROM results WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        self._used.add(key)
        return str(row[0])

    def put(self, key: str, text: str, usage: Usage) -> None:
        """Keep a result; it survives the death of the process from here on. IndexProblem where there is no room."""
        row = (key, text, usage.evaluated, usage.reused, usage.generated, usage.seconds)
        with self._problems():
            self._connection.execute(
                "INSERT INTO results (key, text, evaluated, reused, generated, seconds) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET text = excluded.text, computed = computed + 1",
                row,
            )
        self._used.add(key)

    def prune(self) -> None:
        """Forget what this build had no use for."""
        with self._problems():
            found = {key for (key,) in self._connection.execute("SELECT key FROM results")}
            self._connection.execute("BEGIN")
            self._connection.executemany("DELETE FROM results WHERE key = ?", [(key,) for key in found - self._used])
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            raise IndexProblem(f"The results of the LLM cannot be kept in {self.path} ({error}). {_ROOM}") from error


def kept_results(index: Path) -> int:
    """Count the results that are kept for an index; 0 where there is no file, or none that can be read."""
    path = cache_of(index)
    if not path.is_file():
        return 0
    try:
        with ResultCache(path) as cache:
            return len(cache)
    except IndexProblem:
        return 0


def kept_usage(index: Path) -> Usage:
    """Give what the results that are kept for an index once cost, in all; IndexProblem where they cannot be read."""
    path = cache_of(index)
    if not path.is_file():
        return Usage()
    with ResultCache(path) as cache:
        return cache.usage()


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",):
            raise sqlite3.DatabaseError(found[0])
        connection.execute(_TABLE)
        columns = {row[1] for row in connection.execute("PRAGMA table_info(results)")}
        if not columns >= {"key", "text", "computed"}:
            raise sqlite3.DatabaseError("it is of another program")
    except BaseException:
        connection.close()
        raise
    return connection
