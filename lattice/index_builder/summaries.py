"""Descriptions (paper: φ) without a model: the titles that stand for a node best, and its characteristic terms."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lattice.jobs import HERE, Workers
from lattice.tokens import STOPWORDS, normalise, stem, stems, tokens
from lattice.types import BEFORE_TERMS, Group, Matrix, Passage

BETWEEN_TITLES = "; "
# What an author has named is judged by that name as well, so its terms are told in the same breath, and fewer of them.
BEFORE_NAMED = ": "
NAMED_WORDS = 20
BETWEEN_TERMS = ", "
# Terms behind a sentence. Not BEFORE_TERMS: what stands before those are titles.
BEFORE_MORE = " — also: "
BETWEEN_HEADINGS = " › "
CUT = "…"
# What an empty corpus is called.
NOTHING = "(nothing indexed)"

# A longer title is mostly qualification; this much tells one from another.
TITLE_WORDS = 10
# Titles take at most this share of a description: two long ones, or many short ones, and there is room for terms.
TITLE_SHARE = 0.5
# MRR of the right child among its siblings, at all levels, by shared words and cosine with the query (scifact,
# tldr-nl2bash): .692, .638 with 10 terms and titles to .7; .697, .658 with 14 and to .5; .644, .551 with titles alone.
MOST_TERMS = 14
# A term held by one passage of several is that passage's; it must be shared by this many where a node has as many.
SHARED_BY = 2

# Texts whose terms are collected in one call: some tenths of a second.
TOGETHER = 500
# Passages below the nodes that are described in one call.
LEAVES_TOGETHER = 5_000

# Web addresses are read by machines; their words (https, org, com) say nothing to a reader.
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s*(?=\s|$|[\u3040-\u9fff])")

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The terms of a corpus of n = `passages`: passage i holds `held[i]` (ascending), `counts[t]` passages hold term t.

    `surfaces[t]` is the form in which the term's stem, `stems[t]`, is written most often.
    """

    held: tuple[Ids, ...]
    counts: npt.NDArray[np.int64]
    surfaces: tuple[str, ...]
    stems: tuple[str, ...]
    passages: int

    def telling(self, held: npt.NDArray[np.integer[Any]], counts: npt.NDArray[np.integer[Any]], leaves: int) -> Ids:
        """Rank the terms `held` (ascending) of a node v of so many passages, of which `counts` hold them; most first.

        By p_vt · ln(p_vt / p_t), the shares of passages below v and of all that hold t, where it is above zero; where
        it nowhere is, as at the root, whose shares are those of all, by p_vt · ln(1 / p_t).
        """
        if leaves > SHARED_BY and np.any(counts >= SHARED_BY):
            held, counts = held[counts >= SHARED_BY], counts[counts >= SHARED_BY]
        share, usual = counts / leaves, self.counts[held] / self.passages
        weights = np.round(share * np.log(share / usual), 6)
        if not np.any(weights > 0):
            weights = np.round(share * np.log(1 / usual), 6)
        order = np.lexsort((held, -weights))
        telling: Ids = held[order[weights[order] > 0]].astype(np.int32)
        return telling


@dataclass(frozen=True, slots=True)
class ExtractiveSummarizer:
    """Describes nodes by what their passages say; made once for a corpus by `summarizer_of`.

    `titles[i]` is what passage i is called, and `vectors[i]` its L2-normalised vector or zero.
    """

    lexicon: Lexicon
    titles: tuple[str, ...]
    vectors: Matrix
    words: int
    workers: Workers = HERE

    def describe_all(self, groups: Sequence[Group]) -> Iterator[tuple[int, str]]:
        """Yield the index of each group and its description."""
        together = _together(groups)
        if self.workers.count == 1:
            for numbers in together:
                (texts,) = HERE.each(_described, [(self, [groups[number] for number in numbers])])
                yield from zip(numbers, texts, strict=True)
            return
        # A node of many passages takes longer to send than to describe.
        sent = [numbers for numbers in together if len(groups[numbers[0]].leaves) <= LEAVES_TOGETHER]
        kept = [numbers for numbers in together if len(groups[numbers[0]].leaves) > LEAVES_TOGETHER]
        found = self.workers.each(_described, (self.excerpt([groups[i] for i in numbers]) for numbers in sent))
        found += HERE.each(_described, ((self, [groups[i] for i in numbers]) for numbers in kept))
        for numbers, described in zip([*sent, *kept], found, strict=True):
            yield from zip(numbers, described, strict=True)

    def excerpt(self, groups: Sequence[Group]) -> tuple[ExtractiveSummarizer, list[Group]]:
        """Give what is needed to describe these groups and no more: a summarizer that knows them under new numbers."""
        leaves = sorted({leaf for group in groups for leaf in group.leaves})
        place = {leaf: number for number, leaf in enumerate(leaves)}
        held = [self.lexicon.held[leaf] for leaf in leaves]
        terms, numbers = np.unique(np.concatenate([*held, np.zeros(0, dtype=np.int32)]), return_inverse=True)
        ends = np.cumsum([len(one) for one in held]).astype(np.int64)
        lexicon = Lexicon(
            tuple(np.split(numbers.astype(np.int32), ends)[: len(ends)]),
            self.lexicon.counts[terms],
            tuple(self.lexicon.surfaces[term] for term in terms),
            tuple(self.lexicon.stems[term] for term in terms),
            self.lexicon.passages,
        )
        renumbered = [
            replace(group, children=[[place[leaf] for leaf in child] for child in group.children]) for group in groups
        ]
        titles = tuple(self.titles[leaf] for leaf in leaves)
        return ExtractiveSummarizer(lexicon, titles, self.vectors[leaves], self.words), renumbered

    def describe(self, group: Group) -> str:
        """Describe a node in at most `words` words by the passages below each of its children.

        What the author calls the node, if anything, comes first, and in place of titles; behind what a model has said
        of it stand terms. What the children are called has no part in it.
        """
        leaves, headings = group.leaves, group.headings
        if not leaves:
            return NOTHING
        if group.said:
            return with_terms(group.said, self.terms(leaves, group.said), BEFORE_MORE)
        names = [*headings] or [self.titles[leaf] for leaf in self._representatives(group.children, leaves)]
        words, before = (min(self.words, NAMED_WORDS), BEFORE_NAMED) if headings else (self.words, BEFORE_TERMS)
        titles = BETWEEN_TITLES.join(_within(_distinct(names), max(1, int(words * TITLE_SHARE))))
        left = words - _length(titles) - _length(before)
        return with_terms(titles, self.terms(leaves)[: max(0, left)], before)

    def terms(self, leaves: Sequence[int], beside: str = "") -> list[str]:
        """Give at most `MOST_TERMS` terms of the passages `leaves` that the text `beside` lacks, most telling first."""
        taken = set(stems(beside))
        return [term for term in self._terms(list(leaves)) if taken.isdisjoint(stems(term))]

    def _representatives(self, children: Sequence[Sequence[int]], leaves: list[int]) -> list[int]:
        """Order the most central passage of each child so that the first few of them cover all passages well."""
        central = [self._most_central(child) for child in children]
        similarities = self.vectors[leaves] @ self.vectors[central].T
        covered = np.zeros(len(leaves), dtype=np.float32)
        order: list[int] = []
        remaining = list(range(len(central)))
        while remaining:
            gains = np.maximum(similarities[:, remaining] - covered[:, None], 0).sum(axis=0)
            best = remaining.pop(int(np.round(gains, 4).argmax()))
            covered = np.maximum(covered, similarities[:, best])
            order.append(central[best])
        return order

    def _most_central(self, leaves: Sequence[int]) -> int:
        rows = self.vectors[list(leaves)]
        return leaves[int(np.round(rows @ rows.sum(axis=0), 5).argmax())]

    def _terms(self, leaves: list[int]) -> list[str]:
        held, counts = np.unique(np.concatenate([self.lexicon.held[leaf] for leaf in leaves]), return_counts=True)
        return [self.lexicon.surfaces[term] for term in self.lexicon.telling(held, counts, len(leaves))[:MOST_TERMS]]


def summarizer_of(
    passages: Sequence[Passage], vectors: Matrix, words: int, workers: Workers = HERE
) -> ExtractiveSummarizer:
    """Make the summarizer of a corpus; `vectors` (n, d) belong to `passages`, `words` bounds a description."""
    titles = tuple(_name(passage) for passage in passages)
    texts = ["\n".join([passage.title, *passage.heading, passage.text]) for passage in passages]
    return ExtractiveSummarizer(lexicon_of(texts, workers), titles, vectors, words, workers)


def lexicon_of(texts: Sequence[str], workers: Workers = HERE) -> Lexicon:
    """Collect the terms of `texts` that can describe: no stopwords, no bare numbers, no single letters."""
    ids: dict[str, int] = {}
    forms: defaultdict[int, Counter[str]] = defaultdict(Counter)
    held: list[Ids] = []
    for part in workers.each(_collected, (texts[i : i + TOGETHER] for i in range(0, len(texts), TOGETHER))):
        numbers = np.array([ids.setdefault(term, len(ids)) for term in part.forms], dtype=np.int32)
        for number, counted in zip(numbers.tolist(), part.forms.values(), strict=True):
            forms[number].update(counted)
        ends = np.cumsum(part.sizes)
        held += [np.sort(own) for own in np.split(numbers[part.held], ends)[: len(ends)]]
    counts = np.bincount(np.concatenate([*held, np.zeros(0, dtype=np.int32)]), minlength=len(ids))
    surfaces = tuple(min(forms[i].items(), key=lambda item: (-item[1], item[0]))[0] for i in range(len(ids)))
    return Lexicon(tuple(held), counts, surfaces, tuple(ids), len(texts))


def _together(groups: Sequence[Group]) -> list[list[int]]:
    """Part the numbers of groups into those described in one call, by how many passages stand below them."""
    found: list[list[int]] = []
    room = 0
    for number, group in enumerate(groups):
        size = len(group.leaves)
        if size > room or not found:
            found.append([])
            room = LEAVES_TOGETHER
        found[-1].append(number)
        room -= size
    return found


def _described(call: tuple[ExtractiveSummarizer, list[Group]]) -> list[str]:
    summarizer, groups = call
    return [summarizer.describe(group) for group in groups]


@dataclass(frozen=True, slots=True)
class _Collected:
    """The terms of some texts in the order in which they first came, and how often each is written in which form.

    Text i holds the next `sizes[i]` of `held`, which are places among `forms`.
    """

    forms: dict[str, dict[str, int]]
    sizes: npt.NDArray[np.int64]
    held: Ids


def _collected(texts: Sequence[str]) -> _Collected:
    numbers: dict[str, int] = {}
    forms: dict[str, dict[str, int]] = {}
    sizes, held = list[int](), list[int]()
    for text in texts:
        found = set()
        for term, form in _forms(text):
            found.add(numbers.setdefault(term, len(numbers)))
            written = forms.setdefault(term, {})
            written[form] = written.get(form, 0) + 1
        sizes.append(len(found))
        held += found
    return _Collected(forms, np.array(sizes, dtype=np.int64), np.array(held, dtype=np.int32))


def with_terms(text: str, terms: Sequence[str], before: str) -> str:
    """Give a description: its text, and behind `before` its terms, where there are any."""
    return text + (before + BETWEEN_TERMS.join(terms) if terms else "")


def named(headings: Sequence[str], words: int) -> str:
    """Give the author's names for a node in at most `words` words; empty where there are none."""
    return BETWEEN_TITLES.join(_within(_distinct(headings), words))


def label(passage: Passage) -> str:
    """Give a leaf's short label: title › headings, or the first words of its text."""
    parts = _distinct([passage.title, *passage.heading])
    return BETWEEN_HEADINGS.join(shortened(part) for part in parts) if parts else shortened(passage.text)


def shortened(text: str) -> str:
    """Cut a text after `TITLE_WORDS` words, marking the cut."""
    found = text.split()
    return " ".join(found[:TITLE_WORDS]) + (CUT if len(found) > TITLE_WORDS else "")


def _forms(text: str) -> Iterator[tuple[str, str]]:
    plain = _ADDRESS.sub(" ", text)
    for token in tokens(plain):
        if len(token.word) > 1 and token.word not in STOPWORDS and any(map(str.isalpha, token.word)):
            form = plain[token.start : token.end]
            # Parts of compounds (`ses` of `OSes`) and words that lost an apostrophe stand nowhere as they are.
            if (form.lower() if form.isascii() else normalise(form)).replace("_", "") == token.word:
                yield stem(token.word), form


def _name(passage: Passage) -> str:
    return passage.title or (passage.heading[0] if passage.heading else _first_sentence(passage.text))


def _first_sentence(text: str) -> str:
    return _SENTENCE_END.split(text.strip(), maxsplit=1)[0]


def _distinct(names: Sequence[str]) -> list[str]:
    seen: dict[str, str] = {}
    for name in names:
        if name.strip():
            seen.setdefault(normalise(" ".join(name.split())), name)
    return list(seen.values())


def _within(names: list[str], room: int) -> list[str]:
    chosen: list[str] = []
    for name in map(shortened, names):
        length = _length(name)
        if length <= room:
            chosen.append(name)
            room -= length
        elif not chosen:
            return [" ".join(name.split()[:room])]
    return chosen


def _length(text: str) -> int:
    return len(text.split())
