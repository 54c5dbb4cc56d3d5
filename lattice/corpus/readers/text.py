"""Plain text, and every text file whose format has no reader of its own."""

from __future__ import annotations

from lattice.corpus.readers.outline import sections_of
from lattice.corpus.readers.source import Parsed, TextReader


def parse(text: str) -> Parsed:
    """Take a text as one section without a heading."""
    return Parsed(None, sections_of(text.split("\n"), ()))


READER = TextReader(parse)
