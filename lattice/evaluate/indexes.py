"""The index of a collection: built once, from its files or from its records, and reused while nothing has changed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lattice.corpus.passages import split
from lattice.corpus.read import document_from_text
from lattice.describing import DescribingModel, writers_for
from lattice.embedding import forget_begun, has_same_model, passage_vectors
from lattice.errors import IndexProblem, IndexTooNew, ModelNotFound, UnreadableFile
from lattice.evaluate.collection import Collection
from lattice.index_builder.authors import Written
from lattice.index_builder.build import build
from lattice.indexing import index_folder, settled_with
from lattice.store.store import Store
from lattice.store.write import sole_writer, write
from lattice.types import BUILDER_VERSION, BuildSettings, Document, Passage, Skipped

Progress = Callable[[str, int, int], None]

DEFAULTS = BuildSettings()


@dataclass(frozen=True, slots=True)
class Indexed:
    """An up-to-date index, and what making it took where it was built now.

    `written` counts what an LLM was to describe, None where it had no part; `notes` tell a person what went wrong.
    """

    path: Path
    written: Written | None = None
    notes: tuple[str, ...] = ()


def index_of(
    collection: Collection,
    work: Path,
    progress: Progress | None = None,
    *,
    rebuild: bool = False,
    settings: BuildSettings = DEFAULTS,
    model: DescribingModel | None = None,
) -> Path:
    """Give the place of what `indexed` gives."""
    return indexed(collection, work, progress, rebuild=rebuild, settings=settings, model=model).path


def indexed(
    collection: Collection,
    work: Path,
    progress: Progress | None = None,
    *,
    rebuild: bool = False,
    settings: BuildSettings = DEFAULTS,
    model: DescribingModel | None = None,
) -> Indexed:
    """Give an up-to-date index of the collection below `work`, building it where there is none with `settings`.

    `rebuild` builds anyway: a builder in development may make another tree under the same BUILDER_VERSION. `model`
    writes the descriptions where `settings` leave them to an LLM, and organises top-down; what it has written is kept
    beside the index as it comes, so that neither an interrupted build nor another one asks for it again.

    ModelNotFound where `settings` name an embedding model that is not here, or want an LLM's descriptions and no
    `model` is handed over: nothing is measured by words alone, and nothing by rule.
    """
    if settings.descriptions == "llm" and model is None:
        raise ModelNotFound(
            "The settings leave the descriptions to an LLM, and no model was handed over to write them: give a "
            "DescribingModel with a GGUF file or a server, or build with descriptions='extractive'."
        )
    writer = model or DescribingModel()
    index, settings = work / "index.lattice", settled_with(settings, writer)
    rebuild = rebuild or not has_same_model(settings, index, needed=True)
    if collection.is_files:
        folder = collection.folder or _written_out(collection, work / "files")
        built = index_folder(folder, index, settings, progress, force=rebuild, model=writer)
        return Indexed(index, built.written, built.notes)
    if not rebuild and _is_fresh(index, collection, settings):
        return Indexed(index)
    with sole_writer(index):
        return _index_records(collection, index, settings, progress, writer)


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


def _index_records(
    collection: Collection, index: Path, settings: BuildSettings, progress: Progress | None, writer: DescribingModel
) -> Indexed:
    vectors = passage_vectors(settings, index, progress)
    documents, passages, skipped = _read(collection, settings, progress)
    content = (documents, passages, skipped)
    with writers_for(index, writer, settings) as writers:
        by = (writers.describing, writers.organising)
        snapshot = build(_root(collection), *content, settings, progress, vectors, *by)
        write(index, snapshot, datetime.now(UTC).isoformat(timespec="seconds"))
        written, _, notes = writers.finish()
    forget_begun(index)
    return Indexed(index, written, notes)


def _read(
    collection: Collection, settings: BuildSettings, progress: Progress | None
) -> tuple[list[Document], list[Passage], list[Skipped]]:
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
    return documents, passages, skipped
