"""The scent of a node: what its index terms promise of a query, without a token read of the node.

Information scent is what people go by who follow links (Pirolli & Card 1999). Here it is the share of the query that
stands among the node's index terms, each word weighed by its rarity in the corpus, and how strongly the model expects
some of the terms, having read the query once. With a small model that tells more of a node than reading its description
does, for the tokens of the query alone (benchmarks/scents.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lattice.models.prompts import EXPECTING
from lattice.tokens import STOPWORDS, stems
from lattice.traversal.judges.reading import QUERY_WORDS, WordReader, shortened
from lattice.traversal.windows import query_stems
from lattice.types import Candidate, Usage

Rarities = Callable[[Iterable[str]], Mapping[str, float]]
"""Gives how rare each of some stems is, 0 or more; those that stand nowhere in the corpus are left out."""

# Words that a model is asked for; of 500 to 3,000, more change nothing (benchmarks/scents.py).
MOST_WORDS = 500
# So many of a node's terms, those that are expected most, are what the model's word counts by, at so much a nat.
TERMS_EXPECTED = 3
A_NAT = 0.03
# What finding a node and looking through its terms takes is below what a small model takes for one token; as a price it
# ends a search that has no tokens left to read what it would find.
PRICE = 1


@dataclass(frozen=True, slots=True)
class _Asked:
    """A query, its stems, and the lifts (nats) of the words that are expected."""

    query: str
    stems: frozenset[str]
    lifts: Mapping[str, float]


@dataclass(slots=True)
class Scent:
    """Tells how strongly nodes smell of a query; what the query takes is read once."""

    engine: WordReader
    rarities: Rarities
    query_words: int = QUERY_WORDS
    _asked: _Asked | None = field(default=None, init=False)

    def strengths(
        self, query: str, candidates: Sequence[Candidate], seconds: float | None = None
    ) -> tuple[list[float], Usage]:
        """Give the scent of each inner node, 0 and more, comparable over all nodes of a query; and what it cost."""
        asked, usage = self._heard(query, seconds)
        rarities = self.rarities(asked.stems)  # each time: the index may have become another
        return [_strength(rarities, asked.lifts, candidate) for candidate in candidates], usage

    def cost(self, query: str) -> int:
        """Give the tokens that reading the query takes; 0 where it was read."""
        if self._asked is not None and self._asked.query == query:
            return 0
        return self.engine.expected_cost(shortened(query, self.query_words), EXPECTING)

    def _heard(self, query: str, seconds: float | None) -> tuple[_Asked, Usage]:
        if self._asked is not None and self._asked.query == query:
            return self._asked, Usage()
        shown = shortened(query, self.query_words)
        expected = self.engine.expected_words(shown, EXPECTING, MOST_WORDS, seconds=seconds)
        self._asked = _Asked(query, query_stems(query), expected.lifts)
        return self._asked, expected.usage


def evenly(wanted: Iterable[str]) -> dict[str, float]:
    """Take every word for equally rare, where no corpus is there to tell."""
    return dict.fromkeys(wanted, 1.0)


def _strength(rarities: Mapping[str, float], lifts: Mapping[str, float], candidate: Candidate) -> float:
    # An index of an older format has descriptions only, and what filters leave little of is known by its names.
    terms = candidate.index_terms or frozenset(stems(candidate.text)) - STOPWORDS
    whole = math.fsum(rarities.values())
    shared = math.fsum(rarity for word, rarity in rarities.items() if word in terms)
    expected = sorted((lifts[term] for term in terms if term in lifts), reverse=True)
    # Sums that do not depend on the order of a set: the same query gives the same numbers.
    return (shared / whole if whole > 0.0 else 0.0) + A_NAT * math.fsum(expected[:TERMS_EXPECTED]) / TERMS_EXPECTED
