"""What every reader shares: bytes to text, a title from a name, a hash, and the reader of all text formats."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from lattice.errors import UnreadableFile
from lattice.types import Document, Section

_HASH_BYTES = 16  # 128 bits: no accidental collision among any number of files a person can own
_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAX_BROKEN = 0.1  # a UTF-8 file may hold a few broken characters; more of them mean that it is not UTF-8
_MAX_ACCENTED = 0.3  # no Western European language accents more letters than this; other encodings exceed it at once
_MAX_CONTROL = 0.02  # terminal logs hold some control characters, binaries many
_ABOVE_SPACE = bytes(range(0x21, 0x100))
_ABOVE_ASCII = bytes(range(0x80, 0x100))
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z]\w{0,9}$")
_SEPARATORS = re.compile(r"[-_\s]+")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a format's parser makes of a text; without a `title` the document takes one from its file name."""

    title: str | None
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class TextReader:
    """A `Reader` of any format that is text: decodes the file and hands the text to `parse`."""

    parse: Callable[[str], Parsed]

    def read(self, path: str) -> Document:
        """Read the file at `path`; raise `UnreadableFile` with the reason when it is no text, or holds none."""
        raw, status = load(path)
        return assemble(path, self.parse(decode(raw)), digest(raw), len(raw), status.st_mtime_ns)


def load(path: str) -> tuple[bytes, os.stat_result]:
    """Give the bytes of a file and its status as of when it was opened; raise `UnreadableFile` when it is empty."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        raw = file.read()
    if not raw:
        raise UnreadableFile("it is empty; write something into it or ignore it")
    return raw, status


def decode(raw: bytes) -> str:
    r"""Decode a text file: by its byte order mark, else as UTF-8, else as Windows-1252; lines end in `\n` alone.

    Raise `UnreadableFile` for binaries and for text that is plainly in some other encoding.
    """
    text = _decode(raw)
    controls = len(_CONTROL.findall(text))
    if "\x00" in text or controls > _MAX_CONTROL * len(text):
        raise UnreadableFile("it is a binary, not a text; rename or ignore it")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def looks_like_text(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a text: a byte order mark, or no NUL."""
    return head.startswith(tuple(mark for mark, _ in _BOMS)) or b"\x00" not in head


def assemble(path: str, parsed: Parsed, content_hash: str, size: int, modified_ns: int) -> Document:
    """Make a document; a heading that gives the title is not repeated in heading paths.

    Raise `UnreadableFile` when no section holds any text.
    """
    if not any(section.text.strip() for section in parsed.sections):
        raise UnreadableFile("it holds no text; write something into it or ignore it")
    title = parsed.title or title_from_name(path)
    sections = tuple(_below_title(section, title) for section in parsed.sections)
    return Document(path, title, sections, content_hash, size, modified_ns)


def title_from_name(path: str) -> str:
    """Make a title from a file name: `my-notes_2024.md` gives `my notes 2024`."""
    name = PurePath(path).name
    return _SEPARATORS.sub(" ", _SUFFIX.sub("", name)).strip() or name


def digest(raw: bytes) -> str:
    """Give the content hash of some bytes: 32 hexadecimal characters."""
    return hashlib.blake2b(raw, digest_size=_HASH_BYTES).hexdigest()


def _below_title(section: Section, title: str) -> Section:
    if section.heading and section.heading[0].casefold() == title.casefold():
        return Section(section.heading[1:], section.text, section.location)
    return section


def _decode(raw: bytes) -> str:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return raw.decode(encoding, "replace")
    text = raw.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    foreign = len(text) - len(text.encode("ascii", "ignore")) - broken
    return text if broken <= _MAX_BROKEN * foreign else _decode_western(raw)


def _decode_western(raw: bytes) -> str:
    letters = len(raw) - len(raw.translate(None, _ABOVE_SPACE))
    accented = len(raw) - len(raw.translate(None, _ABOVE_ASCII))
    if accented > _MAX_ACCENTED * letters:
        raise UnreadableFile("it is in none of the encodings UTF-8, UTF-16 and Windows-1252; save it as UTF-8")
    return raw.decode("cp1252", "replace")
