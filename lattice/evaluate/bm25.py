"""BM25 over whole documents, independent of our own index: the baseline that every search is measured beside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lattice.errors import MissingExtra
from lattice.evaluate.collection import Collection, Record

K1, B = 0.9, 0.4  # the setting of the published BEIR baselines


class Bm25:
    """An index of a collection's documents: Lucene's BM25, Snowball English, title and text, by bm25s."""

    def __init__(self, records: Iterable[Record]) -> None:
        try:
            import bm25s
            import Stemmer
        except ImportError as error:
            raise MissingExtra("The BM25 baseline needs bm25s: pip install 'lattice-search[eval]'.") from error
        self._tokenize = bm25s.tokenize
        self._stemmer = Stemmer.Stemmer("english")
        known = list(records)
        self._ids = [record.id for record in known]
        self._index = bm25s.BM25(method="lucene", k1=K1, b=B)
        self._index.index(self._tokenised([f"{record.title} {record.text}" for record in known]), show_progress=False)

    def search(self, query: str, depth: int) -> dict[str, float]:
        """Give the scores of the `depth` best documents, best first, ties by id; none of them is 0."""
        found, scores = self._index.retrieve(
            self._tokenised([query]), k=min(depth, len(self._ids)), show_progress=False
        )
        ranked = sorted((-float(score), self._ids[i]) for i, score in zip(found[0], scores[0], strict=True))
        return {name: -score for score, name in ranked if score < 0}

    def _tokenised(self, texts: list[str]) -> Any:  # noqa: ANN401 - a type of bm25s
        return self._tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)


def bm25_run(collection: Collection, depth: int = 100) -> dict[str, dict[str, float]]:
    """Give, for each query, the scores of its `depth` best documents."""
    index = Bm25(collection.records)
    return {query: index.search(text, depth) for query, text in collection.queries.items()}
