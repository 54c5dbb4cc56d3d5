"""The index of a collection: built once, from its files or from its records, and reused while nothing has changed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lattice.corpus.passages import split
from lattice.corpus.read import document_from_text
from lattice.embedding import forget_begun, has_same_model, passage_vectors, settled
from lattice.errors import IndexProblem, IndexTooNew, UnreadableFile
from lattice.evaluate.collection import Collection
from lattice.index_builder.build import build
from lattice.indexing import index_folder
from lattice.store.store import Store
from lattice.store.write import write
from lattice.types import BUILDER_VERSION, BuildSettings, Document, Skipped

Progress = Callable[[str, int, int], None]

DEFAULTS = BuildSettings()


def index_of(
    collection: Collection,
    work: Path,
    progress: Progress | None = None,
    *,
    rebuild: bool = False,
    settings: BuildSettings = DEFAULTS,
) -> Path:
    """Give an up-to-date index of the collection below `work`, building it where there is none with `settings`.

    `rebuild` builds anyway: a builder in development may make another tree under the same BUILDER_VERSION.
    ModelNotFound where `settings` name an embedding model that is not here: nothing is measured by words alone.
    """
    index, settings = work / "index.lattice", settled(settings)
    rebuild = rebuild or not has_same_model(settings, index, needed=True)
    if collection.is_files:
        folder = collection.folder or _written_out(collection, work / "files")
        index_folder(folder, index, settings, progress, force=rebuild)
    elif rebuild or not _is_fresh(index, collection, settings):
        _index_records(collection, index, settings, progress)
    return index


def _written_out(collection: Collection, folder: Path) -> Path:
    """Write the records to files, whole or not at all; the folder's name carries what they hold."""
    target = folder / collection.documents_digest[:16] / collection.name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        for record in collection.records:
            path = scratch / record.id
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(record.text, encoding="utf-8")
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return target


def _is_fresh(index: Path, collection: Collection, settings: BuildSettings) -> bool:
    try:
        with Store.open(index) as store:
            status = store.status()
            same = (BUILDER_VERSION, _root(collection), settings)
            return (status.builder, status.root, store.settings()) == same
    except IndexTooNew:
        raise
    except IndexProblem:
        return False


def _root(collection: Collection) -> str:
    return f"{collection.name}@{collection.documents_digest[:16]}"


def _index_records(collection: Collection, index: Path, settings: BuildSettings, progress: Progress | None) -> None:
    vectors = passage_vectors(settings, index, progress)
    documents: list[Document] = []
    skipped: list[Skipped] = []
    for done, record in enumerate(collection.records, 1):
        try:
            documents.append(document_from_text(record.id, record.title, record.text))
        except UnreadableFile as error:
            skipped.append(Skipped(record.id, str(error)))
        if progress is not None:
            progress("reading", done, len(collection.records))
    passages = [
        passage
        for document in documents
        for passage in split(document, settings.min_passage_words, settings.max_passage_words)
    ]
    snapshot = build(_root(collection), documents, passages, skipped, settings, progress, vectors)
    write(index, snapshot, datetime.now(UTC).isoformat(timespec="seconds"))
    forget_begun(index)
