"""Where indexes live, which one a command means, and what the last search found.

`LATTICE_HOME` names one folder for everything; without it, indexes lie in the user's data folder, and the record of the
last search and of named sessions in the user's state folder, wherever the system keeps those.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lattice.errors import IndexNotFound, IndexProblem
from lattice.store.opening import connect, read_problem

HOME_VARIABLE = "LATTICE_HOME"
INDEX_VARIABLE = "LATTICE_INDEX"
SUFFIX = ".lattice"

_APPLICATION = "lattice"  # the folder's name below the system's data and state folders
_SLUG_LETTERS = 40  # enough to recognise a folder by, and short enough for every file system
_HASH_DIGITS = 12  # 48 bits: two folders of one name clash once in 10^14 pairs
_LAST_SEARCH = "last-search.json"

How = Literal["option", "environment", "folder", "only"]


@dataclass(frozen=True, slots=True)
class KnownIndex:
    """An index in the default place: the folder that it indexes, or the problem that keeps it from being read."""

    path: Path
    root: str | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """The index that a command means, and what decided it."""

    path: Path
    how: How


@dataclass(frozen=True, slots=True)
class LastSearch:
    """The hits of the last search, best first, as node ids of the `build` that was searched (see `Status.build`)."""

    index: Path
    query: str
    nodes: tuple[int, ...]
    build: str | None


def index_path_for(folder: Path, environ: Mapping[str, str] | None = None) -> Path:
    """Give the default place of the index of `folder`; the same for every way of writing the folder's path."""
    real = folder.expanduser().resolve()
    slug = re.sub(r"[\W_]+", "-", real.name.casefold()).strip("-")[:_SLUG_LETTERS].strip("-") or "folder"
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:_HASH_DIGITS]
    return _indexes(environ) / f"{slug}-{digest}{SUFFIX}"


def evaluation_place(name: str, environ: Mapping[str, str] | None = None) -> Path:
    """Give the default folder of what evaluations of the collection `name` keep: its index and its judgements."""
    return _indexes(environ).with_name("evaluations") / name


def known_indexes(environ: Mapping[str, str] | None = None) -> list[KnownIndex]:
    """Give every index in the default place, by file name; a damaged one comes with its problem."""
    return [_known(path) for path in sorted(_indexes(environ).glob(f"*{SUFFIX}"))]


def resolve(index: Path | None, environ: Mapping[str, str], cwd: Path | None) -> Resolved:
    """Find the index that a command means.

    In this order: `index` (the `--index` option), `LATTICE_INDEX`, the nearest indexed folder at or above `cwd`, the
    only index in the default place. The first two may name an index file or a folder that has been indexed, even one
    that has been moved away since. `cwd` is None where the working directory was deleted; a relative name then raises
    IndexProblem. Raises IndexNotFound, with the choices.
    """
    if index is not None:
        return Resolved(_named(_absolute(index, cwd), environ), "option")
    if named := environ.get(INDEX_VARIABLE):
        return Resolved(_named(_absolute(Path(named), cwd), environ), "environment")
    for folder in (cwd, *cwd.parents) if cwd else ():
        if (path := index_path_for(folder, environ)).exists():
            return Resolved(path, "folder")
    known = known_indexes(environ)
    if len(known) == 1:
        return Resolved(known[0].path, "only")
    raise IndexNotFound(_choices(known, cwd))


def remember_hits(
    index: Path,
    query: str,
    nodes: Iterable[int],
    build: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> str | None:
    """Keep the hits of a search for `last_hits`; give None, or why they could not be kept (which fails no search)."""
    try:
        path = _state(environ) / _LAST_SEARCH
    except IndexProblem as problem:
        return str(problem)
    try:
        record = {"index": str(index.resolve()), "query": query, "nodes": list(nodes), "build": build}
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, json.dumps(record))
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return None


def last_hits(environ: Mapping[str, str] | None = None) -> LastSearch | None:
    """Give what the last search found; None when nothing readable was kept."""
    try:
        record = json.loads((_state(environ) / _LAST_SEARCH).read_bytes())
        nodes, build = tuple(int(node) for node in record["nodes"]), record["build"]
        return LastSearch(Path(record["index"]), str(record["query"]), nodes, None if build is None else str(build))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sessions_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Give the folder of what was asked in named sessions; IndexProblem as for a relative LATTICE_HOME that is lost."""
    return _state(environ) / "sessions"


def _home(environ: Mapping[str, str] | None) -> Path | None:
    named = (os.environ if environ is None else environ).get(HOME_VARIABLE)
    try:
        return Path(named).expanduser().resolve() if named else None
    except FileNotFoundError as error:
        raise _lost(f"{HOME_VARIABLE}={named}") from error


def _indexes(environ: Mapping[str, str] | None) -> Path:
    from platformdirs import user_data_path

    return (_home(environ) or user_data_path(_APPLICATION, appauthor=False)) / "indexes"


def _state(environ: Mapping[str, str] | None) -> Path:
    from platformdirs import user_state_path

    return _home(environ) or user_state_path(_APPLICATION, appauthor=False)


def _known(path: Path) -> KnownIndex:
    try:
        with closing(connect(path)) as connection:
            return KnownIndex(path, str(connection.execute("SELECT root FROM build").fetchone()[0]))
    except IndexProblem as problem:
        return KnownIndex(path, None, str(problem))
    except (sqlite3.DatabaseError, UnicodeError, TypeError) as error:
        return KnownIndex(path, None, str(read_problem(path, error)))


def _absolute(named: Path, cwd: Path | None) -> Path:
    path = named.expanduser()
    if cwd is None and not path.is_absolute():
        raise _lost(str(named))
    return path if cwd is None else cwd / path


def _lost(relative: str) -> IndexProblem:
    return IndexProblem(
        f"{relative} is relative to the working directory, which was deleted. "
        "Change to a folder that exists, or give an absolute path."
    )


def _named(path: Path, environ: Mapping[str, str]) -> Path:
    # By `os.path`, for which a volume that does not answer is a path that is not there: its index may still be.
    is_folder = os.path.isdir(path)
    if os.path.exists(path) and not is_folder:
        return path
    if (indexed := index_path_for(path, environ)).exists():
        return indexed
    if is_folder:
        raise IndexNotFound(f"The folder {path} has no index. Make one with `lattice index {path}`.")
    raise IndexNotFound(f"There is no index at {path}. Make one with `lattice index FOLDER --index {path}`.")


def _choices(known: list[KnownIndex], cwd: Path | None) -> str:
    if not known:
        return "There is no index yet. Make one with `lattice index FOLDER`."
    lines = [f"  {each.root or each.problem} ({each.path})" for each in known]
    where = f"{cwd} is in no indexed folder" if cwd else "The working directory was deleted"
    return "\n".join([f"{where}, and there are several indexes. Name one with --index:", *lines])


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
