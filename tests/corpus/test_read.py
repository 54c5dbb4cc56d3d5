"""Reading whole folders: one bad file is reported and never stops the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lattice.corpus import document_from_text, fingerprint, read_corpus
from lattice.corpus.read import read_file
from lattice.corpus.readers.source import load
from lattice.errors import CorpusProblem, UnreadableFile
from lattice.types import BuildSettings, Document, Skipped
from tests.corpus.conftest import Write
from tests.corpus.pdfs import pdf

SETTINGS = BuildSettings()


def test_each_format_becomes_documents_and_passages_in_the_order_of_paths(write: Write) -> None:
    root = write(
        {
            "b/guide.md": "# Guide\n\nHow to.",
            "a.txt": "plain words",
            "c.html": "<title>Page</title><p>Words",
            "d.pdf": pdf("Paper words", title="Paper"),
            "e.rst": "Manual\n======\n\nWords.",
            "my-code_file.py": "def f():\n    pass\n",
            "LICENSE": "Permission is granted.",
        }
    )
    corpus = read_corpus(root, SETTINGS)
    expected = ["LICENSE", "a.txt", "b/guide.md", "c.html", "d.pdf", "e.rst", "my-code_file.py"]
    assert [document.path for document in corpus.documents] == expected
    assert [passage.document for passage in corpus.passages] == expected
    titles = ["LICENSE", "a", "Guide", "Page", "Paper", "Manual", "my code file"]
    assert [document.title for document in corpus.documents] == titles
    assert corpus.skipped == ()


def test_bad_files_are_reported_and_the_good_ones_read(write: Write) -> None:
    root = write(
        {
            "good.md": "words",
            "empty.md": "",
            "blank.md": " \n\n",
            "binary.txt": b"text\x00\x01\x02",
            "koi8.txt": "Съешь же ещё этих мягких французских булок".encode("koi8-r"),
            "broken.pdf": b"%PDF-1.4 broken",
            "locked.pdf": pdf("secret", locked=True),
            "pages.pdf": pdf(),
            "scan.pdf": pdf("", ""),
            "bundle.js": "var a=1;" * 10_000,
        }
    )
    corpus = read_corpus(root, SETTINGS)
    assert [document.path for document in corpus.documents] == ["good.md"]
    reasons = {skip.path: skip.reason for skip in corpus.skipped}
    assert list(reasons) == sorted(reasons)
    assert "empty" in reasons["empty.md"]
    assert "no text" in reasons["blank.md"]
    assert "binary" in reasons["binary.txt"]
    assert "save it as UTF-8" in reasons["koi8.txt"]
    assert "damaged" in reasons["broken.pdf"]
    assert "encrypted" in reasons["locked.pdf"]
    assert "PDF" in reasons["pages.pdf"]
    assert "OCR" in reasons["scan.pdf"]
    assert "minified" in reasons["bundle.js"]


def test_a_document_knows_its_size_time_and_content(write: Write) -> None:
    root = write({"a.md": "words\r\n", "b.md": "words\r\n", "c.md": "other"})
    os.utime(root / "a.md", ns=(1, 2))
    a, b, c = read_corpus(root, SETTINGS).documents
    assert (a.size, a.modified_ns) == (7, 2)
    assert a.content_hash == b.content_hash != c.content_hash


def test_a_file_that_vanishes_after_the_walk_is_reported(write: Write) -> None:
    root = write({"a.md": "words", "b.md": "words", "c": "words"})
    gone = iter(["b.md", "c"])
    corpus = read_corpus(root, SETTINGS, lambda done, total: (root / next(gone, "none")).unlink(missing_ok=True))
    assert [document.path for document in corpus.documents] == ["a.md"]
    assert [skip.path for skip in corpus.skipped] == ["b.md", "c"]
    assert "vanished" in corpus.skipped[0].reason


def test_a_file_that_becomes_a_binary_after_the_walk_is_reported(write: Write) -> None:
    root = write({"a": b"\x00"})
    assert read_file(root, "a") == Skipped("a", "it is no longer a document; index again")


def test_a_file_without_permission_is_reported(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"a.md": "words", "b.md": "words"})

    def refuse(path: str) -> tuple[bytes, os.stat_result]:
        if path.endswith("b.md"):
            raise PermissionError(13, "Permission denied", path)
        return load(path)

    if os.geteuid() == 0:  # root may read everything, so the refusal is played
        monkeypatch.setattr("lattice.corpus.readers.source.load", refuse)
    else:
        (root / "b.md").chmod(0)
    corpus = read_corpus(root, SETTINGS)
    assert [document.path for document in corpus.documents] == ["a.md"]
    assert "no permission" in corpus.skipped[0].reason


def test_whatever_a_parser_trips_over_is_reported(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tripping:
        def read(self, path: str) -> Document:
            raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("lattice.corpus.read.reader_for", lambda _: Tripping())
    (skip,) = read_corpus(write({"a.md": "words"}), SETTINGS).skipped
    assert skip.reason == "its reader failed (ZeroDivisionError: division by zero); convert it or ignore it"


def test_progress_counts_every_file(write: Write) -> None:
    seen: list[tuple[int, int]] = []
    read_corpus(write({"a.md": "words", "b.md": ""}), SETTINGS, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_settings_bound_files_and_passages(write: Write) -> None:
    root = write({"a.md": "word " * 100, "b.md": "word " * 1000})
    corpus = read_corpus(root, BuildSettings(min_passage_words=5, max_passage_words=10, max_file_bytes=600))
    assert [document.path for document in corpus.documents] == ["a.md"]
    assert len(corpus.passages) == 10 + 0
    assert "too big" in corpus.skipped[0].reason


def test_reading_twice_gives_the_same(write: Write) -> None:
    root = write({f"{i}.md": f"# {i}\n\n" + "Some words. " * 50 * i for i in range(1, 6)})
    assert read_corpus(root, SETTINGS) == read_corpus(root, SETTINGS)


def test_an_empty_folder_is_an_empty_corpus_and_a_missing_one_a_problem(write: Write) -> None:
    root = write({})
    corpus = read_corpus(root, SETTINGS)
    assert (corpus.documents, corpus.passages, corpus.skipped) == ((), (), ())
    with pytest.raises(CorpusProblem):
        read_corpus(root / "nowhere", SETTINGS)


def test_the_index_may_stand_in_the_folder_under_any_name(write: Write) -> None:
    root = write({"a.md": "words", "index.txt": "words"})
    assert len(read_corpus(root, SETTINGS, exclude=root / "index.txt").documents) == 1
    assert list(fingerprint(root, SETTINGS, exclude=root / "index.txt")) == ["a.md"]


def test_the_fingerprint_tells_sizes_and_times_of_what_would_be_read(write: Write) -> None:
    root = write({"a.md": "words", "b/c.py": "x = 1", "d.png": "x", ".e.md": "x"})
    before = fingerprint(root, SETTINGS)
    documents = read_corpus(root, SETTINGS).documents
    assert before == {document.path: (document.size, document.modified_ns) for document in documents}
    (root / "a.md").write_text("other words")
    assert fingerprint(root, SETTINGS)["a.md"] != before["a.md"]
    assert fingerprint(root, SETTINGS)["b/c.py"] == before["b/c.py"]


def test_unreadable_files_keep_their_fingerprint_and_unread_ones_have_none(write: Write) -> None:
    root = write({"broken.pdf": b"no PDF", "letter.docx": b"PK"})
    broken, letter = read_corpus(root, SETTINGS).skipped
    assert fingerprint(root, SETTINGS) == {"broken.pdf": (broken.size, broken.modified_ns)}
    assert (letter.size, letter.modified_ns) == (0, 0)


def test_a_text_that_stands_in_no_file_becomes_a_document() -> None:
    document = document_from_text("7", "A title", "# Heading\n\nWords.")
    assert (document.path, document.title, document.size, document.modified_ns) == ("7", "A title", 17, 0)
    assert document.sections[0].heading == ("Heading",)
    assert document_from_text("7", " ", "# Heading\n\nWords.").title == "Heading"
    assert document_from_text("doc-7", "", "Words.").title == "doc 7"
    with pytest.raises(UnreadableFile):
        document_from_text("7", "A title", "  \n")


def test_the_parsers_are_loaded_only_when_needed() -> None:
    probe = (
        "import sys, lattice.corpus, pathlib; lattice.corpus.document_from_text('a', '', 'words');"
        "print([name for name in ('pypdfium2', 'selectolax', 'pathspec') if name in sys.modules])"
    )
    where = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=where)
    assert done.stdout.strip() == "[]"
