"""Whether the names of siblings tell them apart, as a person reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import comb

from lattice.lint.report import Finding
from lattice.lint.shape import Outline
from lattice.lint.words import terms_of
from lattice.tokens import normalise
from lattice.types import Node


def namesakes(outline: Outline) -> Iterator[Finding]:
    """Find siblings whose names differ in nothing but case, spaces and diacritics: each with the first of its name."""
    for named in _families(outline):
        first: dict[str, Node] = {}
        for node in named:
            bearer = first.setdefault(normalise(" ".join(node.name.split())), node)
            if bearer is not node:
                yield Finding("namesakes", (bearer.id, node.id), f"both are called {node.name}")


def same_words(outline: Outline) -> float | None:
    """Give the share of pairs of named siblings whose names hold the same words, whatever their order and endings.

    Stopwords and single digits are no words here: "Part 1" and "Part 2" tell a reader nothing. None where no node has
    two named children.
    """
    families = list(_families(outline))
    pairs = sum(comb(len(named), 2) for named in families)
    alike = sum(map(_alike, families))
    return alike / pairs if pairs else None


def _families(outline: Outline) -> Iterator[list[Node]]:
    """Give the named children of each node: leaves have no names, nor has any node of an older index."""
    for below in outline.children.values():
        yield [node for node in below if node.name]


def _alike(named: list[Node]) -> int:
    return sum(comb(count, 2) for count in Counter(frozenset(terms_of(node.name)) for node in named).values())
