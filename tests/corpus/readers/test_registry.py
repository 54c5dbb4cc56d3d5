"""Which reader takes which file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lattice.corpus.readers import Reader, code, html, is_readable, markdown, pdf, reader_for, rst, text


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.md", markdown.READER),
        ("A.MARKDOWN", markdown.READER),
        ("a.b.txt", text.READER),
        ("a.rst", rst.READER),
        ("a.htm", html.READER),
        ("a.PDF", pdf.READER),
        ("a.py", code.READER),
        ("a.toml", code.READER),
        ("a.pony", code.READER),
    ],
)
def test_a_known_suffix_decides_without_opening_the_file(name: str, reader: Reader) -> None:
    assert reader_for(Path("nowhere") / name) is reader


@pytest.mark.parametrize("name", ["a.png", "a.docx", "a.zip", "a.min.js", "package-lock.json", "id.pem", "a.ipynb"])
def test_what_is_never_read_is_not_opened(name: str) -> None:
    assert reader_for(Path("nowhere") / name) is None
    assert not is_readable(f"nowhere/{name}", sniff=False)


def test_an_unknown_suffix_is_decided_by_the_first_bytes(tmp_path: Path) -> None:
    for name, raw in (("LICENSE", b"words"), ("blob", b"\x00words"), ("a.unknown", b"words")):
        (tmp_path / name).write_bytes(raw)
    assert reader_for(tmp_path / "LICENSE") is text.READER
    assert reader_for(tmp_path / "a.unknown") is text.READER
    assert reader_for(tmp_path / "blob") is None


def test_an_unknown_suffix_is_trusted_where_the_file_must_not_be_opened() -> None:
    assert is_readable("nowhere/huge", sniff=False)
    with pytest.raises(FileNotFoundError):
        is_readable("nowhere/huge")
