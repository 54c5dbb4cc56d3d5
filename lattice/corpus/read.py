"""From a folder to a corpus: walk it, read each file, split each document; what cannot be read is reported."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lattice.corpus.passages import split
from lattice.corpus.readers import markdown, reader_for
from lattice.corpus.readers.source import assemble, digest
from lattice.corpus.walk import Found, Omitted, describe_os_error, walk
from lattice.errors import CorpusProblem, UnreadableFile
from lattice.jobs import HERE, Workers
from lattice.types import BuildSettings, Document, Passage, Skipped

# Files and bytes of them that another process reads in one call: some tenths of a second.
READ_TOGETHER = 100
BYTES_TOGETHER = 2_000_000


@dataclass(frozen=True, slots=True)
class Corpus:
    """The documents of a folder in the order of their paths, their passages in that order, and what was left out."""

    documents: tuple[Document, ...]
    passages: tuple[Passage, ...]
    skipped: tuple[Skipped, ...]
    omitted: Omitted


def read_corpus(
    root: Path,
    settings: BuildSettings,
    on_file: Callable[[int, int], None] | None = None,
    exclude: Path | None = None,
    workers: Workers = HERE,
) -> Corpus:
    """Read every document below `root`; call `on_file(done, total)` after each file, or after some of them.

    `workers` must see the folder under the same path. A file that cannot be read is in `skipped` with the reason, and
    stops nothing. Raise `CorpusProblem` when `root` is no folder that can be listed. `exclude` is the file of the index
    itself, should it stand below `root`.
    """
    found = walk(root, settings.max_file_bytes, exclude)
    files = found.files
    done = 0

    def told(part: _Part) -> None:
        nonlocal done
        done += len(part.names)
        if on_file is not None:
            on_file(done, len(files))

    parts = workers.each(_read, _parts(root, files, settings, workers), told)
    outcomes = [outcome for part in parts for outcome in part]
    documents = [outcome.document for outcome in outcomes if isinstance(outcome, _Read)]
    passages = [passage for outcome in outcomes if isinstance(outcome, _Read) for passage in outcome.passages]
    skipped = list(found.skipped)
    for file, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, Skipped):
            skipped.append(replace(outcome, size=file.size, modified_ns=file.modified_ns))
    skipped.sort(key=lambda skip: skip.path)
    return Corpus(tuple(documents), tuple(passages), tuple(skipped), found.omitted)


@dataclass(frozen=True, slots=True)
class _Part:
    """Files below `root` that are read in one call, and how their passages are cut."""

    root: Path
    names: tuple[str, ...]
    min_words: int
    max_words: int


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that could be read, and its passages."""

    document: Document
    passages: tuple[Passage, ...]


def _parts(root: Path, files: Sequence[Found], settings: BuildSettings, workers: Workers) -> Iterator[_Part]:
    together = READ_TOGETHER if workers.count > 1 else 1
    names: list[str] = []
    size = 0
    for file in files:
        names.append(file.path)
        size += file.size
        if len(names) == together or size > BYTES_TOGETHER:
            yield _Part(root, tuple(names), settings.min_passage_words, settings.max_passage_words)
            names, size = [], 0
    if names:
        yield _Part(root, tuple(names), settings.min_passage_words, settings.max_passage_words)


def _read(part: _Part) -> list[_Read | Skipped]:
    if not part.root.is_dir():
        raise CorpusProblem(
            f"There is no folder {part.root} on {platform.node()}: every machine must see it under this path."
        )
    found: list[_Read | Skipped] = []
    for name in part.names:
        outcome = read_file(part.root, name)
        if isinstance(outcome, Skipped):
            found.append(outcome)
        else:
            found.append(_Read(outcome, split(outcome, part.min_words, part.max_words)))
    return found


def read_file(root: Path, path: str) -> Document | Skipped:
    """Read the file at `path`, relative to `root`, as a document, or say why not."""
    where = root / path
    try:
        reader = reader_for(where)
        if reader is None:
            return Skipped(path, "it is no longer a document; index again")
        return replace(reader.read(str(where)), path=path)
    except UnreadableFile as error:
        return Skipped(path, str(error))
    except OSError as error:
        return Skipped(path, describe_os_error(error))
    except Exception as error:  # whatever a parser trips over in one file must not cost the others
        return Skipped(path, f"its reader failed ({type(error).__name__}: {error}); convert it or ignore it")


def fingerprint(root: Path, settings: BuildSettings, exclude: Path | None = None) -> dict[str, tuple[int, int]]:
    """Give size and mtime (ns) of every file that `read_corpus` would read, by path, without reading them.

    Files that turn out unreadable are among them, as they are among what an index has on record.
    """
    return {file.path: (file.size, file.modified_ns) for file in walk(root, settings.max_file_bytes, exclude).files}


def document_from_text(path: str, title: str, text: str) -> Document:
    """Make a document of a text that stands in no file, read as Markdown; its own title is used where `title` is empty.

    Raise `UnreadableFile` when it holds no text.
    """
    parsed = markdown.parse(text)
    raw = text.encode("utf-8", "surrogatepass")
    return assemble(path, replace(parsed, title=title.strip() or parsed.title), digest(raw), len(raw), 0)
