"""Small PDFs, written by hand: a page a text, with a title, or locked by a password that nobody has."""

from __future__ import annotations

_FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
_LOCK = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (b"1f" * 32, b"2e" * 32)


def pdf(*pages: str, title: str = "", locked: bool = False) -> bytes:
    """Give a PDF with one page for each text; lines of a text are set below each other."""
    numbers = [5 + 2 * i for i in range(len(pages))]
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        _FONT,
        b"<< /Title (%s) >>" % title.encode("latin-1"),
    ]
    for number, text in zip(numbers, pages, strict=True):
        objects += [_page(number + 1), _stream(text)]
    if locked:
        objects.append(_LOCK)
    return _file(objects, locked)


def _page(content: int) -> bytes:
    return (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
        b"/Resources << /Font << /F1 3 0 R >> >> >>" % content
    )


def _stream(text: str) -> bytes:
    shown = b" ".join(b"(%s) Tj T*" % line.encode("latin-1") for line in text.split("\n"))
    body = b"BT /F1 12 Tf 14 TL 72 720 Td %s ET" % shown
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(body), body)


def _file(objects: list[bytes], locked: bool) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    lock = b"/Encrypt %d 0 R /ID [<00> <00>]" % len(objects) if locked else b""
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 4 0 R %s >>\n" % (len(objects) + 1, lock)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)
