"""From a folder to a corpus: walk it, read each file, split each document; what cannot be read is reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lattice.corpus.passages import split
from lattice.corpus.readers import markdown, reader_for
from lattice.corpus.readers.source import assemble, digest
from lattice.corpus.walk import Omitted, describe_os_error, walk
from lattice.errors import UnreadableFile
from lattice.types import BuildSettings, Document, Passage, Skipped


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
) -> Corpus:
    """Read every document below `root`; call `on_file(done, total)` after each file.

    A file that cannot be read is in `skipped` with the reason, and stops nothing. Raise `CorpusProblem` when `root` is
    no folder that can be listed. `exclude` is the file of the index itself, should it stand below `root`.
    """
    found = walk(root, settings.max_file_bytes, exclude)
    documents: list[Document] = []
    skipped = list(found.skipped)
    for done, file in enumerate(found.files, 1):
        outcome = read_file(root, file.path)
        if isinstance(outcome, Document):
            documents.append(outcome)
        else:
            skipped.append(replace(outcome, size=file.size, modified_ns=file.modified_ns))
        if on_file is not None:
            on_file(done, len(found.files))
    passages = [
        passage
        for document in documents
        for passage in split(document, settings.min_passage_words, settings.max_passage_words)
    ]
    skipped.sort(key=lambda skip: skip.path)
    return Corpus(tuple(documents), tuple(passages), tuple(skipped), found.omitted)


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
