"""From a folder to an index file: read, build, write; and how far an index is behind its folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lattice.corpus.read import fingerprint, read_corpus
from lattice.errors import IndexLocked, IndexProblem, IndexTooNew
from lattice.index_builder.build import build
from lattice.store.places import index_path_for
from lattice.store.store import Store
from lattice.store.write import write
from lattice.types import BuildSettings, Skipped

Progress = Callable[[str, int, int], None]
"""Called with the stage's name, the units done and the units in all."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How a folder differs from its index: files to add, files that were written since, files that are gone."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class Built:
    """What indexing did. `fresh` says that nothing had changed, so nothing was written."""

    path: Path
    root: Path
    documents: int
    passages: int
    nodes: int
    skipped: tuple[Skipped, ...]
    seconds: float
    fresh: bool


def index_folder(
    folder: Path,
    path: Path | None = None,
    settings: BuildSettings | None = None,
    progress: Progress | None = None,
    *,
    force: bool = False,
) -> Built:
    """Build or refresh the index of `folder` at `path` (by default its place in the user's data folder).

    Without `settings` an index keeps those it was built with. An index that is up to date is left alone unless `force`.
    The old index stays searchable until the new one is complete. Raises CorpusProblem and IndexProblem.
    """
    started = time.perf_counter()
    root = folder.expanduser().resolve()
    target = path or index_path_for(root)
    old = _settings_of(target)
    chosen = settings or old or BuildSettings()
    if not force and old == chosen and not changes(target, root, chosen):
        with Store.open(target) as store:
            status = store.status()
            counts = (status.documents, status.passages, status.nodes)
            return Built(target, root, *counts, store.skipped(), time.perf_counter() - started, True)
    corpus = read_corpus(root, chosen, _staged(progress, "reading"), target)
    snapshot = build(str(root), corpus.documents, corpus.passages, corpus.skipped, chosen, progress)
    if progress is not None:
        progress("writing", 0, 1)
    write(target, snapshot, datetime.now(UTC).isoformat(timespec="seconds"))
    counts = (len(snapshot.documents), len(snapshot.passages), len(snapshot.nodes))
    return Built(target, root, *counts, snapshot.skipped, time.perf_counter() - started, False)


def changes(index: Path, root: Path, settings: BuildSettings) -> Changes:
    """Compare the sizes and times of a folder's files with those that the index was built from."""
    now = fingerprint(root, settings, index)
    with Store.open(index) as store:
        then = {name: (size, modified) for name, (size, modified, _) in store.files().items()}
        then |= {each.path: (each.size, each.modified_ns) for each in store.skipped() if each.modified_ns}
    return Changes(
        added=tuple(sorted(now.keys() - then.keys())),
        changed=tuple(sorted(name for name in now.keys() & then.keys() if now[name] != then[name])),
        removed=tuple(sorted(then.keys() - now.keys())),
    )


def _settings_of(index: Path) -> BuildSettings | None:
    try:
        with Store.open(index) as store:
            return store.settings()
    except (IndexTooNew, IndexLocked):
        raise
    except IndexProblem:
        # There is none, or it is damaged: it is built anew, with the default settings.
        return None


def _staged(progress: Progress | None, stage: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(stage, done, total)
