"""From a folder of files to documents and passages."""

from lattice.corpus.passages import split
from lattice.corpus.read import Corpus, document_from_text, fingerprint, read_corpus
from lattice.corpus.walk import Found, Omitted, Walk

__all__ = [
    "Corpus",
    "Found",
    "Omitted",
    "Walk",
    "document_from_text",
    "fingerprint",
    "read_corpus",
    "split",
]
