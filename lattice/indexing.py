"""From a folder to an index file: read, build, write; and how far an index is behind its folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lattice.corpus.read import fingerprint, read_corpus
from lattice.corpus.walk import check_root
from lattice.describing import DescribingModel, described_by, organised_by, writers_for
from lattice.embedding import Embedded, forget_begun, has_same_model, passage_vectors, settled
from lattice.errors import IndexLocked, IndexProblem, IndexTooNew
from lattice.index_builder.authors import Written
from lattice.index_builder.build import build, check_names
from lattice.index_builder.organising import Organised
from lattice.jobs import Jobs
from lattice.store.places import index_path_for
from lattice.store.store import Store
from lattice.store.write import sole_writer, write
from lattice.types import BUILDER_VERSION, BuildSettings, Skipped

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
    """What indexing did. `fresh` says that nothing had changed, so nothing was written.

    `embedded` is what the embedding model had to do, `written` tells of an LLM's descriptions, `organised` of a tree
    made top-down; None where there was none. `notes` tell a person what was wrong on the way.
    """

    path: Path
    root: Path
    documents: int
    passages: int
    nodes: int
    skipped: tuple[Skipped, ...]
    seconds: float
    fresh: bool
    embedded: Embedded | None = None
    written: Written | None = None
    organised: Organised | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Old:
    """What stands in the index that is to be refreshed."""

    root: str
    builder: int
    settings: BuildSettings
    counts: tuple[int, int, int]
    skipped: tuple[Skipped, ...]


def index_folder(
    folder: Path,
    path: Path | None = None,
    settings: BuildSettings | None = None,
    progress: Progress | None = None,
    *,
    force: bool = False,
    model: DescribingModel | None = None,
    jobs: Jobs | None = None,
) -> Built:
    """Build or refresh the index of `folder` at `path` (by default its place in the user's data folder).

    Without `settings` an index keeps those it was built with. An index that is up to date (same root, builder, settings
    and files, described and organised by the same model) is left alone unless `force`. `model` writes the descriptions
    where `settings.descriptions` is "llm", and organises where `settings.strategy` is "top-down"; what it has written
    is kept beside the index as it comes, and not asked for again. `jobs` says who does the work, and changes nothing
    about the index. The old index stays searchable until the new one is complete. Raises CorpusProblem, IndexProblem,
    JobsProblem and, for the models that the settings need, ModelProblem.
    """
    started = time.perf_counter()
    root = folder.expanduser().resolve()
    check_root(root)
    target = path or index_path_for(root)
    old = _status_of(target)
    writer = model or DescribingModel()
    chosen = settled_with(settings or (old.settings if old else BuildSettings()), writer)
    if not force and old is not None and _is_fresh(old, target, root, chosen):
        return Built(target, root, *old.counts, old.skipped, time.perf_counter() - started, True)
    vectors = passage_vectors(chosen, target, progress)
    with sole_writer(target), (jobs or Jobs()).workers() as workers:
        corpus = read_corpus(root, chosen, _staged(progress, "reading"), target, workers)
        with writers_for(target, writer, chosen) as writers:
            content = (corpus.documents, corpus.passages, corpus.skipped)
            by = (writers.describing, writers.organising, workers)
            snapshot = build(str(root), *content, chosen, progress, vectors, *by)
            if progress is not None:
                progress("writing", 0, 1)
            write(target, snapshot, datetime.now(UTC).isoformat(timespec="seconds"))
            written, organised, notes = writers.finish()
        forget_begun(target)
    counts = (len(snapshot.documents), len(snapshot.passages), len(snapshot.nodes))
    embedded = None if vectors is None else vectors.told
    seconds = time.perf_counter() - started
    return Built(target, root, *counts, snapshot.skipped, seconds, False, embedded, written, organised, notes)


def settled_with(settings: BuildSettings, writer: DescribingModel) -> BuildSettings:
    """Give the settings as an index keeps them: they say who is to embed and to write, so that they can be reproduced.

    UsageError for a name that there is not; ModelNotFound where they need a model and there is none.
    """
    check_names(settings)
    by = described_by(writer.identity()) if settings.descriptions == "llm" else ""
    organiser = organised_by(writer) if settings.strategy == "top-down" else ""
    return replace(settled(settings), described_by=by, organised_by=organiser)


def _is_fresh(old: _Old, index: Path, root: Path, settings: BuildSettings) -> bool:
    same_build = old.builder == BUILDER_VERSION and old.root == str(root) and old.settings == settings
    return same_build and not changes(index, root, settings) and has_same_model(settings, index)


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


def _status_of(index: Path) -> _Old | None:
    try:
        with Store.open(index) as store:
            status = store.status()
            counts = (status.documents, status.passages, status.nodes)
            return _Old(status.root, status.builder, store.settings(), counts, store.skipped())
    except (IndexTooNew, IndexLocked):
        raise
    except IndexProblem:
        # There is none, or it is damaged: it is built anew, with the default settings.
        return None


def _staged(progress: Progress | None, stage: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(stage, done, total)
