"""The models that the user made known by name: where each lies, what it is, and the hash that it had.

A registered file stays where it is. Only files below `pulled_folder` are ours, and go when their entry goes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lattice.errors import ModelNotFound, ModelProblem, ModelUnusable, RegistryCorrupt, UsageError
from lattice.models.gguf import ModelFile, part_files, read_gguf, stem_of
from lattice.models.locks import locked
from lattice.types import ModelKind

EMBEDDED_NAME = "smollm2"
_RESERVED = {EMBEDDED_NAME, "auto"}  # "auto": what `Lattice.open` calls the choice of a model
_HOME_VARIABLE = "LATTICE_HOME"  # as in lattice.store.places, which this room does not know
_RECORD = "models.json"
_VERSION = 1
_CHUNK = 1 << 22  # bytes; larger ones hash no faster

Progress = Callable[[str, int, int], None]
"""Called with what is done, and how many bytes of how many."""

State = Literal["ok", "missing", "damaged", "changed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered model. Size in bytes and SHA-256 are of all its parts, in order; `mtime_ns` is of the newest."""

    name: str
    path: Path
    sha256: str
    size: int
    mtime_ns: int
    kind: ModelKind
    parameters: int
    architecture: str
    type: str

    @property
    def parts(self) -> tuple[Path, ...]:
        """Give the files of the model, the one that is registered first."""
        return tuple(self.path.with_name(name) for name in part_files(self.path.name))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a registered model, and why that is so where it is not well."""

    entry: Entry
    state: State
    reason: str = ""


def models_folder(environ: Mapping[str, str]) -> Path:
    """Give the folder of the models that we keep ourselves: below LATTICE_HOME, else in the user's data folder."""
    from platformdirs import user_data_path

    named = environ.get(_HOME_VARIABLE)
    return (Path(named).expanduser() if named else user_data_path("lattice", appauthor=False)) / "models"


def pulled_folder(environ: Mapping[str, str]) -> Path:
    """Give the folder of the models that were downloaded on demand."""
    return models_folder(environ) / "pulled"


def record_place(environ: Mapping[str, str]) -> Path:
    """Give the file that the entries are kept in."""
    return models_folder(environ) / _RECORD


def entries(environ: Mapping[str, str]) -> list[Entry]:
    """Give all registered models, by name; RegistryCorrupt where the record of them cannot be read."""
    place = record_place(environ)
    try:
        record = json.loads(place.read_bytes())
        if record["schema_version"] > _VERSION:
            raise ModelProblem(f"{place} was written by a later version of lattice: upgrade lattice-search.")
        return sorted((_entry(each) for each in record["models"]), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ModelProblem(f"The record of the models, {place}, cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RegistryCorrupt(
            f"The record of the models, {place}, is damaged ({type(error).__name__}: {error}). The models themselves "
            "are untouched: mend the file or move it away, then register them again by lattice models add PATH."
        ) from error


def _entry(record: dict[str, Any]) -> Entry:
    texts = {name: record[name] for name in ("name", "sha256", "kind", "architecture", "type")}
    numbers = {name: record[name] for name in ("size", "mtime_ns", "parameters")}
    if not all(isinstance(value, str) for value in texts.values()):
        raise TypeError(f"a name, hash or kind is no text in {record!r:.200}")
    if not all(isinstance(value, int) for value in numbers.values()):
        raise TypeError(f"a size or time is no number in {record!r:.200}")
    return Entry(path=Path(record["path"]), **texts, **numbers)


def entry_named(name: str, environ: Mapping[str, str]) -> Entry:
    """Give the model registered as `name`; ModelNotFound, with those that there are."""
    known = entries(environ)
    for entry in known:
        if entry.name == name:
            return entry
    if name == EMBEDDED_NAME:
        raise UsageError(f"{name} is the embedded model, which comes with a package and is not registered.")
    raise ModelNotFound(f"No model is registered as {name}. {names_known(entry.name for entry in known)}")


def names_known(names: Iterable[str]) -> str:
    """Say which names there are, and how one gets more."""
    return f"Known names: {', '.join(names) or 'none yet'}. `lattice models add PATH` gives a file one."


def add(path: Path, environ: Mapping[str, str], name: str | None = None, progress: Progress | None = None) -> Entry:
    """Register a GGUF file, or refresh its entry; the file stays where it is.

    It is named by `name`, else as it was, else by its file's name. Raises ModelNotFound and ModelUnusable, with the
    reason, for what is no whole model, UsageError where the name cannot be used or is another file's.
    """
    path = Path(os.path.abspath(path.expanduser()))
    found = read_gguf(path)
    name_for(path, environ, name)  # told before the hashing, which takes a while
    before = _stamp(found.parts)
    sha256 = digest(found.parts, f"hashing {path.name}", progress)
    if _stamp(found.parts) != before:
        raise ModelUnusable(f"{path} was written to while it was read: wait until it is complete, then add it again.")

    def changed(known: list[Entry]) -> list[Entry]:
        own = _free_name(known, path, name)
        return [*(one for one in known if one.path != path), _of(found, own, sha256, before[1])]

    return next(one for one in _rewrite(environ, changed) if one.path == path)


def name_for(path: Path, environ: Mapping[str, str], name: str | None = None) -> str:
    """Give the name that `add` would register a file under; UsageError where it cannot."""
    return _free_name(entries(environ), Path(os.path.abspath(path)), name)


def models_below(folder: Path) -> list[Path]:
    """Give the GGUF files in a folder and all below it, of one in parts the first that is there; OSError."""
    found: dict[tuple[str, ...], Path] = {}
    for place, folders, files in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in sorted(files):
            if name.lower().endswith(".gguf"):
                found.setdefault((place, *part_files(name)), Path(place, name))
    return list(found.values())


def verify(entry: Entry, progress: Progress | None = None) -> Verdict:
    """Read and hash a registered model again, and say whether it is what it was."""
    try:
        found = read_gguf(entry.path)
        sha256 = digest(found.parts, f"hashing {entry.name}", progress)
    except ModelNotFound:
        return Verdict(entry, "missing", f"there is no file at {entry.path}")
    except ModelUnusable as error:
        return Verdict(entry, "damaged", str(error))
    except OSError as error:
        return Verdict(entry, "damaged", f"{entry.path} cannot be read: {error.strerror}")
    if sha256 != entry.sha256:
        reason = f"{entry.path} has the SHA-256 {sha256}, and had {entry.sha256} when it was registered"
        return Verdict(entry, "changed", reason)
    return Verdict(entry, "ok")


def state_of(entry: Entry) -> State:
    """Say, without reading it, whether a registered model is there and as large and old as it was."""
    try:
        return "ok" if _stamp(entry.parts) == (entry.size, entry.mtime_ns) else "changed"
    except OSError:
        return "missing"


def owned_files(entry: Entry, environ: Mapping[str, str]) -> list[Path]:
    """Give the files that go with an entry: those that were pulled, never one that was registered in its own place."""
    ours = Path(os.path.abspath(pulled_folder(environ)))
    return [part for part in entry.parts if part.is_relative_to(ours) and os.path.lexists(part)]


def remove(entry: Entry, environ: Mapping[str, str]) -> None:
    """Forget a registered model, and delete its `owned_files`; OSError where one cannot be deleted."""
    for path in owned_files(entry, environ):
        path.unlink()
        path.with_name(f".{path.name}.lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another file is in it
            path.parent.rmdir()
    # Last, so that whatever was interrupted can be asked for again.
    _rewrite(environ, lambda known: [one for one in known if one.path != entry.path])


def digest(parts: Iterable[Path], stage: str, progress: Progress | None = None) -> str:
    """Give the SHA-256 of files, one after the other; `progress` is told of the bytes read."""
    files = list(parts)
    total, done, found = sum(path.stat().st_size for path in files), 0, hashlib.sha256()
    for path in files:
        with path.open("rb", buffering=0) as file:
            # Whoever writes on while we read must not keep us reading.
            while done <= total and (chunk := file.read(_CHUNK)):
                found.update(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(stage, done, total)
    return found.hexdigest()


def _raise(error: OSError) -> None:
    raise error


def _stamp(parts: Iterable[Path]) -> tuple[int, int]:
    stats = [part.stat() for part in parts]
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


def _of(found: ModelFile, name: str, sha256: str, mtime_ns: int) -> Entry:
    about = (found.kind, found.parameters, found.architecture, found.type)
    return Entry(name, found.path, sha256, found.size, mtime_ns, *about)


def _free_name(known: list[Entry], path: Path, asked: str | None) -> str:
    own = next((one.name for one in known if one.path == path), None)
    name = asked if asked is not None else own or stem_of(path)
    if name in _RESERVED or not _is_name(name):
        raise UsageError(
            f"{name!r} cannot name a model: give another by --name, without slashes, at most 100 characters, not "
            f"ending in .gguf, not starting with a dash or a ~, and none of {', '.join(sorted(_RESERVED))}."
        )
    taken = next((one for one in known if one.name == name and one.path != path), None)
    if taken is not None:
        raise UsageError(f"The name {name} is taken by {taken.path}: give {path} another by --name.")
    return name


def _is_name(name: str) -> bool:
    """Whether a name can be told from a path, and be written on one line."""
    reads_as_path = "/" in name or "\\" in name or name.lower().endswith(".gguf") or name.startswith(("~", "-"))
    return 0 < len(name) <= 100 and name.isprintable() and name == name.strip() and not reads_as_path


def _rewrite(environ: Mapping[str, str], change: Callable[[list[Entry]], list[Entry]]) -> list[Entry]:
    """Replace the record by what `change` makes of it; two processes at once lose nothing of each other's."""
    place = record_place(environ)
    with locked(place.with_suffix(".lock")):
        made = change(entries(environ))
        models = [{**asdict(entry), "path": str(entry.path)} for entry in made]
        # ASCII alone: the name of a file that is no valid text comes back as it was.
        text = json.dumps({"schema_version": _VERSION, "models": models}, indent=1) + "\n"
        handle, temporary = tempfile.mkstemp(prefix=f".{place.name}-", dir=place.parent)
        try:
            with open(handle, "w", encoding="ascii") as file:
                file.write(text)
            Path(temporary).replace(place)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return made
