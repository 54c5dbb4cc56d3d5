"""Bytes to text, titles from names, and how documents are put together."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from lattice.corpus.readers.source import (
    Parsed,
    TextReader,
    assemble,
    decode,
    digest,
    load,
    looks_like_text,
    title_from_name,
)
from lattice.corpus.readers.text import READER, parse
from lattice.errors import UnreadableFile
from lattice.types import Location, Section

WORDS = "naïve café – “quoted” 中文"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_decoded_with_and_without_its_mark(encoding: str) -> None:
    assert decode(WORDS.encode(encoding)) == WORDS


def test_utf16_is_decoded_in_both_orders() -> None:
    assert decode(codecs.BOM_UTF16_BE + WORDS.encode("utf-16-be")) == WORDS
    assert decode(codecs.BOM_UTF16_LE + WORDS.encode("utf-16-le")) == WORDS


def test_western_text_is_decoded_and_undefined_bytes_replaced() -> None:
    text = "Das schöne Märchen – “naïve” words"
    assert decode(text.encode("cp1252")) == text
    assert (
        decode(b"A long line of words, one byte undefined: \x81.")
        == "A long line of words, one byte undefined: \ufffd."
    )


def test_one_broken_character_does_not_make_utf8_western() -> None:
    assert (
        decode("日本語の文章です".encode() + b"\xff" + "日本語の文章です".encode())
        == "日本語の文章です\ufffd日本語の文章です"
    )


@pytest.mark.parametrize("encoding", ["koi8-r", "shift-jis", "euc-kr", "gbk"])
def test_other_encodings_are_refused_rather_than_misread(encoding: str) -> None:
    text = {"koi8-r": "широкая электрификация", "shift-jis": "日本語の文章", "euc-kr": "한국어 문장", "gbk": "中文句子"}
    with pytest.raises(UnreadableFile, match="save it as UTF-8"):
        decode(text[encoding].encode(encoding))


@pytest.mark.parametrize("raw", [b"text\x00text", bytes(range(1, 32)) * 10, b"MZ\x01\x02\x03\x04"])
def test_binaries_are_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableFile, match="binary"):
        decode(raw)


def test_a_terminal_log_is_text() -> None:
    assert decode(b"\x1b[31mred\x1b[0m\ttab\x0cfeed")


def test_line_ends_of_all_kinds_become_one() -> None:
    assert decode(b"a\r\nb\rc\nd\r\n") == "a\nb\nc\nd\n"
    assert decode("a\r\nb".encode("utf-16")) == "a\nb"


@pytest.mark.parametrize(
    ("head", "is_text"), [(b"", True), (b"abc", True), (b"a\x00", False), (b"\xff\xfea\x00", True)]
)
def test_a_text_is_known_by_its_first_bytes(head: bytes, is_text: bool) -> None:
    assert looks_like_text(head) is is_text


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("notes/my-notes_2024.md", "my notes 2024"),
        ("Makefile", "Makefile"),
        ("v1.2-notes", "v1.2 notes"),
        ("archive.tar.md", "archive.tar"),
        ("__init__.py", "init"),
        ("---.md", "---.md"),
    ],
)
def test_a_title_is_made_from_a_file_name(path: str, title: str) -> None:
    assert title_from_name(path) == title


def test_lines_of_a_file_with_crlf_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf\r\n\r\none\r\ntwo\r\n")
    document = READER.read(str(path))
    assert document.sections == (Section((), "one\ntwo", Location("lines", 3, 4)),)
    assert document.title == "a"
    assert (document.size, document.content_hash) == (17, digest(path.read_bytes()))


def test_a_heading_that_gives_the_title_is_not_repeated() -> None:
    here = Location("lines", 1, 1)
    sections = (Section(("The Title", "A"), "x", here), Section(("Other", "The Title"), "x", here))
    document = assemble("a.md", Parsed("The title", sections), "", 0, 0)
    assert [section.heading for section in document.sections] == [("A",), ("Other", "The Title")]


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    with pytest.raises(UnreadableFile, match="it is empty"):
        load(str(empty))
    empty.write_text("\n \t\n")
    with pytest.raises(UnreadableFile, match="holds no text"):
        TextReader(parse).read(str(empty))
