"""PDF: one section a page, read with pypdfium2; every handle is closed before the reader returns."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

from lattice.corpus.readers.source import Parsed, assemble, digest, load
from lattice.errors import UnreadableFile
from lattice.types import Document, Location, Section

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfiumError

_PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD
_SECURITY_ERROR = 5  # FPDF_ERR_SECURITY: an encryption that PDFium does not know
_HYPHENATED = re.compile("[\u0002\ufffe\u00ad]\n?")  # PDFium's marks for a word broken over two lines
_PROGRAM = re.compile(r"^Microsoft (?:Word|PowerPoint|Excel) - ")  # what printing to PDF puts before a file name
_NO_TITLE = frozenset({"untitled", "title", "(anonymous)", "unspecified"})


class PdfReader:
    """A `Reader` of PDF files."""

    def read(self, path: str) -> Document:
        """Read the PDF at `path`; raise `UnreadableFile` when it is damaged, encrypted or without pages or text."""
        raw, status = load(path)
        return assemble(path, _parse(raw), digest(raw), len(raw), status.st_mtime_ns)


def _parse(raw: bytes) -> Parsed:
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        with closing(PdfDocument(raw)) as document:
            pages = [_page(document, index) for index in range(len(document))]
            title = _title(document)
    except PdfiumError as error:
        raise UnreadableFile(_why_closed(error)) from None
    sections = tuple(page for page in pages if page.text)
    if not sections:
        raise UnreadableFile(f"no text on its {len(pages)} pages, only images; run OCR on it")
    return Parsed(title, sections)


def _why_closed(error: PdfiumError) -> str:
    code = getattr(error, "err_code", None)
    if code == _PASSWORD_ERROR:
        return "it is an encrypted PDF; save a copy without a password"
    if code == _SECURITY_ERROR:
        return "it is a PDF under an unknown kind of encryption; save a copy without it"
    return "it is damaged, without pages, or no PDF; export it again"


def _page(document: PdfDocument, index: int) -> Section:
    with closing(document[index]) as page, closing(page.get_textpage()) as textpage:
        text = str(textpage.get_text_range())
    lines = _HYPHENATED.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", ""))
    return Section((), lines.strip(), Location("page", index + 1, index + 1))


def _title(document: PdfDocument) -> str | None:
    title = " ".join(_PROGRAM.sub("", str(document.get_metadata_value("Title"))).split())
    return None if title.casefold() in _NO_TITLE else title or None


READER = PdfReader()
