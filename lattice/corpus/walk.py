"""From a folder to the list of files worth reading: what is ignored, hidden or no document is never opened."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lattice.corpus.ignore import Rules, is_ignored, read_rules
from lattice.corpus.readers import UNREAD_DOCUMENTS, is_readable
from lattice.errors import CorpusProblem
from lattice.types import Skipped

Omission = Literal["hidden", "ignored", "unsupported"]

# Folders of software, not of documents; each may hold ten thousand files that nobody here wrote.
_MACHINE_FOLDERS = frozenset({"node_modules", "bower_components", "__pycache__", "CVS", "_darcs"})
_VENV_MARK = "pyvenv.cfg"  # stands at the top of every Python environment, whatever its folder is called
_INDEX_FILE = re.compile(r"\.lattice(?:[-.]\w+)?$")
_SIDE_FILES = ("", "-wal", "-shm", "-journal")  # what SQLite keeps beside a database
_EMPTY_BY_CUSTOM = frozenset({"__init__.py", "py.typed"})  # an empty one is no news


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read: its path relative to the root with forward slashes, bytes, and mtime in nanoseconds."""

    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Omitted:
    """How many entries (a pruned folder is one) were passed over as usual, without a report each."""

    hidden: int
    ignored: int
    unsupported: int


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk found, each list sorted by path."""

    files: tuple[Found, ...]
    skipped: tuple[Skipped, ...]
    omitted: Omitted


@dataclass(frozen=True, slots=True)
class _Folder:
    path: str
    levels: tuple[Rules, ...]


@dataclass(frozen=True, slots=True)
class _Limits:
    root: str
    max_file_bytes: int
    excluded: frozenset[str]


def walk(root: Path, max_file_bytes: int, exclude: Path | None = None) -> Walk:
    """List the files below `root` that a reader can take, in the order of their paths.

    Left out are hidden entries, what .gitignore and .latticeignore name, version control and machine-made folders,
    binaries, indexes of lattice, and `exclude` with its side files. No symbolic link below the root is followed: its
    target is read in its own place, or lies outside and is reported. Files above `max_file_bytes` are reported unread.
    Raise `CorpusProblem` when `root` is no folder that can be listed.
    """
    check_root(root)
    excluded = frozenset(os.path.abspath(exclude) + side for side in _SIDE_FILES) if exclude else frozenset()
    files: list[Found] = []
    skipped: list[Skipped] = []
    omitted: Counter[Omission] = Counter()
    for outcome in _visit(_Limits(os.path.abspath(root), max_file_bytes, excluded)):
        if isinstance(outcome, Found):
            files.append(outcome)
        elif isinstance(outcome, Skipped):
            skipped.append(outcome)
        else:
            omitted[outcome] += 1
    files.sort(key=lambda found: found.path)
    skipped.sort(key=lambda skip: skip.path)
    return Walk(tuple(files), tuple(skipped), Omitted(omitted["hidden"], omitted["ignored"], omitted["unsupported"]))


def check_root(root: Path) -> None:
    """Raise `CorpusProblem` with the cure unless `root` is a folder that can be listed."""
    try:
        with os.scandir(root):
            return
    except FileNotFoundError:
        raise CorpusProblem(f"There is no folder {root}; give the path of a folder that exists.") from None
    except NotADirectoryError:
        raise CorpusProblem(f"{root} is a file, not a folder; give the folder that holds it.") from None
    except OSError as error:
        raise CorpusProblem(f"The folder {root} cannot be listed ({error.strerror}); check its permissions.") from None


def describe_os_error(error: OSError) -> str:
    """Say in words why the system refused a file or folder, and what to do."""
    if isinstance(error, FileNotFoundError):
        return "it vanished while the folder was read; index again"
    if isinstance(error, PermissionError):
        return "no permission to read it; change its permissions or ignore it"
    return f"the system cannot read it: {error.strerror or error}"


def _visit(limits: _Limits) -> Iterator[Found | Skipped | Omission]:
    pending = [_Folder("", ())]
    while pending:
        folder = pending.pop()
        where = os.path.join(limits.root, folder.path) if folder.path else limits.root
        try:
            with os.scandir(where) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Skipped(folder.path or ".", describe_os_error(error))
            continue
        if folder.path and any(entry.name == _VENV_MARK for entry in entries):
            yield "ignored"
            continue
        try:
            levels = (*folder.levels, read_rules(where, folder.path))
        except OSError as error:
            yield Skipped(_join(folder.path, ".gitignore"), describe_os_error(error))
            levels = folder.levels
        for entry in entries:
            outcome = _judge(entry, _join(folder.path, entry.name), levels, limits)
            if isinstance(outcome, _Folder):
                pending.append(outcome)
            else:
                yield outcome


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _judge(
    entry: os.DirEntry[str], path: str, levels: tuple[Rules, ...], limits: _Limits
) -> Found | Skipped | _Folder | Omission:
    if entry.name.startswith("."):
        return "hidden"
    printable = os.fsencode(path).decode("utf-8", "replace")
    if printable != path:
        return Skipped(printable, "its name is not valid UTF-8; rename it")
    try:
        status = entry.stat(follow_symlinks=False)
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_ignored(path, is_folder, levels) or entry.path in limits.excluded:
            return "ignored"
        if is_folder:
            return "ignored" if entry.name in _MACHINE_FOLDERS else _Folder(path, levels)
        return _judge_file(entry, path, status, limits)
    except OSError as error:
        return Skipped(path, describe_os_error(error))


def _judge_link(entry: os.DirEntry[str], path: str, limits: _Limits) -> Skipped | Omission:
    root = os.path.realpath(limits.root)
    target = os.path.realpath(entry.path)
    if target == root or target.startswith(os.path.join(root, "")):
        return "ignored"
    return Skipped(path, "a link that leads out of the folder; index its target on its own")


def _judge_file(
    entry: os.DirEntry[str], path: str, status: os.stat_result, limits: _Limits
) -> Found | Skipped | Omission:
    if stat.S_ISLNK(status.st_mode):
        return _judge_link(entry, path, limits)
    if _INDEX_FILE.search(entry.name) or (not status.st_size and entry.name in _EMPTY_BY_CUSTOM):
        return "ignored"
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in UNREAD_DOCUMENTS:
        return Skipped(path, f"there is no reader for {suffix} files; save it as PDF, HTML or text")
    is_too_big = status.st_size > limits.max_file_bytes
    if not stat.S_ISREG(status.st_mode) or not is_readable(entry.path, sniff=not is_too_big):
        return "unsupported"
    if is_too_big:
        limit = f"{_in_words(status.st_size)} is above the limit of {_in_words(limits.max_file_bytes)}"
        return Skipped(path, f"too big: {limit}; raise max_file_bytes to read it")
    return Found(path, status.st_size, status.st_mtime_ns)


def _in_words(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
