"""BM25 over whole documents, independent of our own index: the baseline that every search is measured beside."""

from __future__ import annotations

from collections.abc import Iterable

from lattice.errors import MissingExtra
from lattice.evaluate.collection import Collection, Record

K1, B = 0.9, 0.4  # the setting of the published BEIR baselines


def bm25_run(collection: Collection, depth: int = 100) -> dict[str, dict[str, float]]:
    """Give, for each query, the scores of its `depth` best documents (Lucene's BM25, Snowball English)."""
    try:
        import bm25s
        import Stemmer
    except ImportError as error:
        raise MissingExtra("The BM25 baseline needs bm25s: pip install 'lattice-search[eval]'.") from error
    stemmer = Stemmer.Stemmer("english")

    def tokenised(texts: Iterable[str]) -> object:
        return bm25s.tokenize(list(texts), stopwords="en", stemmer=stemmer, show_progress=False)

    index = bm25s.BM25(method="lucene", k1=K1, b=B)
    index.index(tokenised(map(_whole, collection.records)), show_progress=False)
    queries = list(collection.queries)
    found, scores = index.retrieve(
        tokenised(collection.queries[query] for query in queries),
        k=min(depth, len(collection.records)),
        show_progress=False,
    )
    return {
        query: {collection.records[i].id: float(score) for i, score in zip(row, values, strict=True) if score > 0}
        for query, row, values in zip(queries, found, scores, strict=True)
    }


def _whole(record: Record) -> str:
    return f"{record.title} {record.text}"
