"""Named sessions: what was asked in each, so that the next question may lean on it. Kept only when a name is given.

A session is one small JSON file. It is replaced whole, under a lock, so that two commands at once lose nothing of each
other's; one that cannot be read is never written over.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lattice.errors import SessionProblem, UsageError
from lattice.models.locks import locked
from lattice.store.places import sessions_folder

KEPT = 20  # questions of a session; a model is shown fewer, and no follow-up reaches further back
_VERSION = 1
_SUFFIX = ".json"
_NAME = re.compile(r"\w[\w.-]{0,39}")  # a file's name on every system, with letters of four bytes too


@dataclass(frozen=True, slots=True)
class Turn:
    """A question of a session: as it was asked, as it was understood, of which index, and when (ISO 8601, UTC)."""

    text: str
    understood: str
    index: str
    at: str


@dataclass(frozen=True, slots=True)
class Session:
    """What was asked under a name, oldest first; or the problem that keeps it from being read."""

    name: str
    path: Path
    asked: tuple[Turn, ...] = ()
    problem: str | None = None


def check_name(name: str) -> str:
    """Give the name of a session; UsageError where it cannot be one."""
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise UsageError(
            f"{name!r} cannot name a session: use up to 40 letters, digits, dots, dashes and underscores, beginning "
            "with a letter or a digit and not ending in a dot."
        )
    return name


def session(name: str, environ: Mapping[str, str]) -> Session | None:
    """Give what was asked in a session; None where there is none of that name. SessionProblem, UsageError."""
    path = sessions_folder(environ) / f"{check_name(name)}{_SUFFIX}"
    with _read_problems(name, path):
        try:
            record = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        if record["schema_version"] > _VERSION:
            raise SessionProblem(f"{path} was written by a later version of lattice: upgrade lattice-search.")
        return Session(name, path, tuple(_turn(one) for one in record["asked"]))


def sessions(environ: Mapping[str, str]) -> list[Session]:
    """Give all sessions by name; one that cannot be read comes with its problem."""
    found: list[Session] = []
    for path in sorted(sessions_folder(environ).glob(f"*{_SUFFIX}")):
        if not _NAME.fullmatch(path.stem):
            continue  # a file that is being written, or nothing of ours
        try:
            one = session(path.stem, environ)
        except SessionProblem as problem:
            one = Session(path.stem, path, problem=str(problem))
        found += [one] if one is not None else []
    return found


def remember(name: str, asked: Turn, environ: Mapping[str, str]) -> str | None:
    """Add a question to a session, and let go of its oldest beyond KEPT; None, or why it could not be kept."""
    path = sessions_folder(environ) / f"{check_name(name)}{_SUFFIX}"
    try:
        with locked(_lock(environ)):
            before = session(name, environ)
            kept = (*(before.asked if before else ()), asked)[-KEPT:]
            record = {"schema_version": _VERSION, "asked": [asdict(one) for one in kept]}
            _replace(path, json.dumps(record, indent=1) + "\n")
    except SessionProblem as problem:
        return str(problem)
    except OSError as error:
        return f"{path} cannot be written: {error.strerror or error}."
    return None


def forget(name: str, environ: Mapping[str, str]) -> None:
    """Delete a session, readable or not; SessionProblem where there is none, or it cannot be deleted."""
    path = sessions_folder(environ) / f"{check_name(name)}{_SUFFIX}"
    if not path.exists():
        raise no_session(name, environ)
    try:
        with locked(_lock(environ)):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise SessionProblem(f"{path} cannot be deleted: {error.strerror or error}.") from error


def no_session(name: str, environ: Mapping[str, str]) -> SessionProblem:
    """Give the error for a session that there is not, with those that there are."""
    names = ", ".join(one.name for one in sessions(environ)) or "none yet"
    return SessionProblem(f"There is no session {name}. Sessions: {names}. `lattice search --session NAME` begins one.")


@contextmanager
def _read_problems(name: str, path: Path) -> Iterator[None]:
    cure = f"Nothing was changed: mend the file, move it away, or give it up by `lattice sessions forget {name}`."
    try:
        yield
    except OSError as error:
        raise SessionProblem(
            f"The record of session {name}, {path}, cannot be read: {error.strerror or error}. Make it readable, or "
            "ask under another name."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SessionProblem(
            f"The record of session {name}, {path}, is damaged ({type(error).__name__}: {error}). {cure}"
        ) from error


def _turn(record: dict[str, Any]) -> Turn:
    values = {name: record[name] for name in Turn.__dataclass_fields__}
    if not all(isinstance(value, str) for value in values.values()):
        raise TypeError(f"something is no text in {record!r:.200}")
    return Turn(**values)


def _lock(environ: Mapping[str, str]) -> Path:
    return sessions_folder(environ) / ".lock"


def _replace(path: Path, text: str) -> None:
    # mkstemp makes a file that its owner alone may read, as befits what somebody asks.
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
