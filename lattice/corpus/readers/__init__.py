"""Which reader takes which file, decided by the suffix, and for an unknown one by a look at the first bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from lattice.corpus.readers import code, html, markdown, pdf, rst, text
from lattice.corpus.readers.source import looks_like_text
from lattice.types import Document


class Reader(Protocol):
    """Reads one family of file formats."""

    def read(self, path: str) -> Document:
        """Read the file at `path`; raise `errors.UnreadableFile` when it cannot be read."""
        ...


_FAMILIES: tuple[tuple[str, Reader, str], ...] = (
    ("markdown", markdown.READER, "md markdown mdown mkd mdx rmd qmd"),
    ("text", text.READER, "txt text log"),
    ("rst", rst.READER, "rst rest"),
    ("html", html.READER, "html htm xhtml"),
    ("pdf", pdf.READER, "pdf"),
    (
        "code",
        code.READER,
        "py pyi pyx js jsx mjs cjs ts tsx go rs c h cc cpp cxx hh hpp cs java kt kts scala swift m mm rb php pl pm lua "
        "r jl hs ml mli fs ex exs erl clj cljs lisp el scm nim zig d dart pony v vhd sh bash zsh fish ps1 bat sql toml "
        "ini cfg conf yaml yml json jsonc json5 xml css scss sass less proto graphql tf cmake gradle groovy vue svelte",
    ),
)
# Documents that a person would expect to find, and that no reader takes yet: a walk reports them.
_OFFICE = "doc docx odt rtf ppt pptx odp xls xlsx ods epub mobi azw3 djvu pages numbers"
# Never worth opening: pictures, sound, archives, programs and data by their suffix; what machines write; secrets.
_BINARY = (
    "png jpg jpeg gif bmp tif tiff webp avif heic ico psd xcf svg eps ps ai mp3 m4a flac ogg opus wav aac mp4 m4v mkv "
    "mov avi webm wmv zip gz tgz bz2 xz zst 7z rar tar jar war whl egg deb rpm dmg iso img exe dll so dylib a o obj "
    "lib class pyc pyo wasm bin dat db sqlite sqlite3 npy npz parquet arrow feather h5 hdf5 pkl pickle joblib onnx pt "
    "pth gguf safetensors ckpt woff woff2 ttf otf eot ipynb map lock pem key crt cer p12 pfx asc sig gpg"
)
FAMILIES = tuple(family for family, _, _ in _FAMILIES)
_READERS = {f".{suffix}": reader for _, reader, suffixes in _FAMILIES for suffix in suffixes.split()}
_FAMILY_OF = {f".{suffix}": family for family, _, suffixes in _FAMILIES for suffix in suffixes.split()}
UNREAD_DOCUMENTS = frozenset(f".{suffix}" for suffix in _OFFICE.split())
_UNREADABLE = frozenset(f".{suffix}" for suffix in _BINARY.split()) | UNREAD_DOCUMENTS
_UNREADABLE_ENDINGS = (".min.js", ".min.css", ".min.mjs", "-lock.json", "-lock.yaml")
_SNIFFED_BYTES = 8192  # binaries show a NUL well within these


def reader_for(path: Path) -> Reader | None:
    """Give the reader of the file at `path`; None when it is no document.

    A file with an unknown suffix is opened: it is plain text when its first bytes hold no NUL. Raise OSError when it
    cannot be opened.
    """
    known = _reader_by_name(path.name)
    if known is not None or _is_unreadable(path.name):
        return known
    return text.READER if _starts_as_text(path) else None


def has_reader(name: str) -> bool:
    """Whether a file of that name is read without a look into it."""
    return _reader_by_name(name) is not None


def family_of(name: str) -> str:
    """Give the family (of `FAMILIES`) that a document of that name was read as; an unknown suffix is plain text."""
    return _FAMILY_OF.get(os.path.splitext(name)[1].lower(), "text")


def is_readable(path: str, sniff: bool = True) -> bool:
    """Whether `reader_for` would give a reader; without `sniff`, an unknown suffix is trusted, the file unopened."""
    if not sniff:
        return not _is_unreadable(os.path.basename(path))
    return reader_for(Path(path)) is not None


def _reader_by_name(name: str) -> Reader | None:
    return None if _is_unreadable(name) else _READERS.get(os.path.splitext(name)[1].lower())


def _is_unreadable(name: str) -> bool:
    lowered = name.lower()
    suffix = os.path.splitext(lowered)[1]
    return suffix in _UNREADABLE or lowered.endswith(_UNREADABLE_ENDINGS)


def _starts_as_text(path: Path) -> bool:
    with path.open("rb") as file:
        return looks_like_text(file.read(_SNIFFED_BYTES))
