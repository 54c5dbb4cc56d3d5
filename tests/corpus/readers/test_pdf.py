"""PDF: pages, titles, and files that cannot be read; leaked handles would fail here as warnings."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from lattice.corpus.readers.pdf import READER
from lattice.errors import UnreadableFile
from lattice.types import Document, Location
from tests.corpus.pdfs import pdf


def read(tmp_path: Path, content: bytes) -> Document:
    path = tmp_path / "my-paper.pdf"
    path.write_bytes(content)
    try:
        return READER.read(str(path))
    finally:
        gc.collect()


def test_each_page_is_a_section(tmp_path: Path) -> None:
    document = read(tmp_path, pdf("First page\nof two lines", "", "Third page", title="A Title"))
    assert document.title == "A Title"
    assert [section.text for section in document.sections] == ["First page\nof two lines", "Third page"]
    assert [section.location for section in document.sections] == [Location("page", 1, 1), Location("page", 3, 3)]


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        ("", "my paper"),
        ("untitled", "my paper"),
        ("Microsoft Word - Thesis.doc", "Thesis.doc"),
        ("  Two   spaces ", "Two spaces"),
    ],
)
def test_the_title_is_the_metadata_title_unless_it_says_nothing(tmp_path: Path, metadata: str, title: str) -> None:
    assert read(tmp_path, pdf("words", title=metadata)).title == title


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"no PDF at all", "damaged"),
        (pdf("words")[:200], "damaged"),
        (pdf(), "without pages"),
        (pdf("words").replace(b"/Type /Page /Parent", b"/Type /Pagx /Parent"), "damaged"),
        (pdf("words", locked=True), "encrypted PDF; save a copy without a password"),
        (pdf("", ""), "no text on its 2 pages.*OCR"),
    ],
)
def test_what_cannot_be_read_is_told_with_the_cure(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        read(tmp_path, content)
