"""Texts as weighted words, and the sentence of a passage that is most its own."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from lattice.tokens import STOPWORDS, stem, tokens

# A sentence of fewer words is a heading, a label or a line of a table.
FEWEST_TERMS = 4
# As much of a sentence as a judge reads of a query.
MOST_WORDS = 64
# How many of a passage's terms its ancestors are asked for.
OWN_TERMS = 10

_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*|\n+")

Bag = dict[str, float]


class Frequencies(Protocol):
    """What knows in how many passages a word stands: the store."""

    def frequencies(self, stems: list[str]) -> dict[str, int]:
        """Give the number of passages that hold each of the stems; those that stand nowhere are left out."""
        ...


class Weigher:
    """Turns texts into bags of words, each weighed by ln(1 + n / df) over the n passages of the index."""

    def __init__(self, frequencies: Frequencies, passages: int) -> None:
        self._frequencies = frequencies
        self._passages = passages
        self._weights: Bag = {}

    def weights(self, terms: set[str]) -> Bag:
        """Give the weight of each term; one that the index does not hold weighs as if one passage did."""
        unknown = sorted(terms - self._weights.keys())
        if unknown:
            found = self._frequencies.frequencies(unknown)
            for term in unknown:
                self._weights[term] = math.log(1.0 + self._passages / max(1, found.get(term, 1)))
        return {term: self._weights[term] for term in sorted(terms)}

    def bag(self, text: str) -> Bag:
        """Give the distinct terms of a text with their weights, of length 1; empty where it has no content."""
        return self.bag_of(terms_of(text))

    def bag_of(self, terms: Iterable[str]) -> Bag:
        """Give the same of terms that are known."""
        return _unit(self.weights(set(terms)))

    def own_terms(self, text: str) -> list[str]:
        """Give the terms that are most a text's own, by (1 + ln tf) · idf, at most `OWN_TERMS`."""
        counted = self._counted(text)
        return sorted(counted, key=lambda term: (-counted[term], term))[:OWN_TERMS]

    def sentence(self, text: str, title: str) -> str:
        """Give the sentence of `text` that is most characteristic of it; empty where it has no words.

        It is the one whose TF-IDF vector is nearest to that of the whole text (the sentence nearest the centroid, as in
        extractive summaries): what a reader would ask for, neither the rarest words nor the longest sentence. The title
        is left out, for descriptions repeat titles word for word, and so would a sentence that holds nothing else.
        """
        whole, named = _unit(self._counted(text)), set(terms_of(title))
        best, chosen = (False, 0.0), ""
        for part in _END.split(text):
            found = set(terms_of(part)) - named
            rank = (len(found) >= FEWEST_TERMS, round(cosine(_unit(self.weights(found)), whole), 6))
            if found and rank > best:
                best, chosen = rank, part
        return " ".join((chosen or text).split()[:MOST_WORDS]) if whole else ""

    def _counted(self, text: str) -> Bag:
        counts = Counter(terms_of(text))
        return {term: (1.0 + math.log(counts[term])) * weight for term, weight in self.weights(set(counts)).items()}


def terms_of(text: str) -> list[str]:
    """Give the stems of a text's words, without stopwords and single letters of the Latin script."""
    found = (token.word for token in tokens(text))
    return [stem(word) for word in found if word not in STOPWORDS and (len(word) > 1 or not word.isascii())]


def as_written(terms: Sequence[str], text: str) -> list[str]:
    """Give the form in which each of a text's terms first stands in it: people do not read stems."""
    forms: dict[str, str] = {}
    for token in tokens(text):
        forms.setdefault(stem(token.word), text[token.start : token.end])
    return [forms[term] for term in terms]


def cosine(one: Bag, other: Bag) -> float:
    """Give the cosine of two bags of length 1."""
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    return sum(weight * long[term] for term, weight in short.items() if term in long)


def _unit(bag: Bag) -> Bag:
    length = math.sqrt(sum(weight * weight for weight in bag.values()))
    return {term: weight / length for term, weight in bag.items()} if length > 0.0 else {}
