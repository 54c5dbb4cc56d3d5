"""Lexical search: BM25 over the stems of title, heading and text, by SQLite's FTS5.

Passages and whole documents have an index each: a passage says where the words stand, and a document has words together
that no passage of it has.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from lattice import tokens

# A word in the title says more about a passage than one in its text, but the title is the same for all passages of a
# document, so it must not decide among them. On five collections nDCG@10 moves by .003 at most between 1 and 3.
TITLE_WEIGHT = 2.0
HEADING_WEIGHT = 1.5
TEXT_WEIGHT = 1.0

# A pasted page has hundreds of distinct words. Those with the largest tf·idf carry nearly all of BM25's weight
# (beyond 64, nDCG@10 on whole paragraphs gains .001), and each further one makes SQLite score more passages.
MAX_QUERY_TERMS = 64

# What the tokenizer of the index keeps as one word (see `migrations`); compatibility forms such as "⑴" hold others.
_TERM = re.compile("[0-9a-z+#\u0080-\U0010ffff]+")


class Unit(StrEnum):
    """What is searched for, by the name of its table."""

    PASSAGES = "lexical"
    DOCUMENTS = "lexical_documents"


def terms(stems: Iterable[str]) -> list[str]:
    """Give `stems` as the words that the index keeps."""
    return _TERM.findall(" ".join(stems))


def search(
    connection: sqlite3.Connection, query: str, limit: int, admitted: bytes | None = None, unit: Unit = Unit.PASSAGES
) -> list[tuple[int, float]]:
    """Give up to `limit` (id, BM25 score) of passages or documents, the higher the better, sorted by (-score, id).

    `admitted` holds a byte a unit, from id 1 on; those whose byte is not 1 are passed over before they are scored.
    How rare a word is goes by all units, admitted or not.
    """
    counts = Counter(terms(tokens.content_stems(query)))
    wanted = list(counts) if len(counts) <= MAX_QUERY_TERMS else _weightiest(connection, counts)
    if not wanted or limit <= 0:
        return []
    only = "" if admitted is None else "AND substr(?2, rowid, 1) = x'01' "
    matched = " OR ".join(f'"{term}"' for term in wanted)
    rows = connection.execute(
        f"SELECT rowid, -bm25({unit}, {TITLE_WEIGHT}, {HEADING_WEIGHT}, {TEXT_WEIGHT}) AS score "
        f"FROM {unit} WHERE {unit} MATCH ?1 {only}ORDER BY score DESC, rowid LIMIT ?3",
        (matched, admitted, limit),
    )
    return [(int(number), float(score)) for number, score in rows]


def _weightiest(connection: sqlite3.Connection, counts: Counter[str]) -> list[str]:
    """Give the terms with the largest tf·idf, tf counted in the query; terms that stand nowhere are left out."""
    (passages,) = connection.execute("SELECT passages FROM build").fetchone()
    found = connection.execute(
        "SELECT term, doc FROM lexical_terms WHERE term IN (SELECT value FROM json_each(?))",
        (json.dumps(list(counts)),),
    )
    weights = {term: counts[term] * math.log(1 + passages / holding) for term, holding in found}
    return sorted(weights, key=lambda term: (-weights[term], term))[:MAX_QUERY_TERMS]
