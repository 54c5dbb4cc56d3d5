"""The phrases of a corpus: which words stand beside each other, in which passages, and how they are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lattice.tokens import STOPWORDS, normalise, stem
from lattice.types import Passage

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

# Of a passage's text so many characters are read, beside title and headings: what it is about is said early.
READ = 600
LONGEST = 3  # words a phrase

# What a piece of text may be to a phrase: its end; inside it; inside or last in it; any part of it.
BREAK, INNER, TAIL, WORD = 0, 1, 2, 3

# Han characters are words of one, of which phrases are made; other scripts without spaces are left in their runs.
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KANA = "\u3040-\u30ff"
_LETTER = rf"[^\W{_HAN}{_KANA}]"
_PIECE = re.compile(
    rf"{_LETTER}+(?:[-'’.]{_LETTER}+)*(?:\+\+|[+#])?|[{_HAN}]|[\u30a0-\u30ff]+|[{_KANA}]|[^\w\s]|\n\s*\n"
)
# Web addresses and places to be filled in ({{file}}) are no one's words.
_FOREIGN = re.compile(r"<?\b(?:https?://|www\.)\S+|\{\{.*?\}\}")
_INSIDE = frozenset(["of"])


@dataclass(frozen=True, slots=True)
class Beginnings:
    """The beginnings of passages as numbers: that of passage i is `forms[starts[i] : starts[i + 1]]`, a break last.

    `written[f]` is form f, `kinds[f]` what it may be to a phrase, `words[f]` the number of its stem. Of stem w,
    `shares[w]` of the passages hold it, and `ends[w]` of its occurrences have no other word of a phrase behind them.
    `usual` gives the commonest spelling of a form by its lower case.
    """

    forms: npt.NDArray[np.int32]
    starts: Ints
    written: tuple[str, ...]
    kinds: npt.NDArray[np.int8]
    words: npt.NDArray[np.int32]
    shares: Reals
    ends: Reals
    usual: dict[str, str]


class _Numbers(dict[str, int]):
    """Numbers forms as they come; the empty form, a break, is 0."""

    def __init__(self) -> None:
        super().__init__({"": 0})

    def __missing__(self, form: str) -> int:
        self[form] = number = len(self)
        return number


def beginnings_of(passages: Sequence[Passage]) -> Beginnings:
    """Read the beginnings of all passages once; memory grows by four bytes a word."""
    numbers, flat, starts = _Numbers(), list[int](), [0]
    for passage in passages:
        text = "\n\n".join([*dict.fromkeys([passage.title, *passage.heading]), passage.text[:READ]])
        if "://" in text or "www." in text or "{{" in text:
            text = _FOREIGN.sub(" . ", text)
        flat.extend(map(numbers.__getitem__, _PIECE.findall(text)))
        flat.append(0)
        starts.append(len(flat))
    written, forms, bounds = tuple(numbers), np.array(flat, dtype=np.int32), np.array(starts)
    stems: dict[str, int] = {}
    words = np.array([stems.setdefault(_stemmed(form), len(stems)) for form in written], dtype=np.int32)
    kinds = np.array([_kind(form) for form in written], dtype=np.int8)
    holders = np.repeat(np.arange(len(passages)), np.diff(bounds))
    held = _distinct(holders * len(stems) + words[forms]) % len(stems)
    last = np.append(kinds[forms[1:]] != WORD, _ones(min(1, len(forms))))
    seen = np.bincount(words[forms], minlength=len(stems))
    return Beginnings(
        *(forms, bounds, written, kinds, words),
        shares=np.bincount(held, minlength=len(stems)) / max(1, len(passages)),
        ends=(np.bincount(words[forms], weights=last, minlength=len(stems)) + 1) / (seen + 2),
        usual=_usual(forms, written),
    )


def _usual(forms: npt.NDArray[np.int32], written: tuple[str, ...]) -> dict[str, str]:
    """Give the commonest spelling of each form; what begins a sentence or a line counts next to nothing."""
    is_written = np.array([any(map(str.isalnum, form)) for form in written])
    weights = np.where(np.append(~_ones(min(1, len(forms))), is_written[forms[:-1]]), 1.0, 0.01)
    counts = np.bincount(forms, weights=weights, minlength=len(written))
    usual: dict[str, str] = {}
    for form in np.argsort(-counts, kind="stable").tolist():
        usual.setdefault(written[form].lower(), written[form])
    return usual


@dataclass(frozen=True, slots=True)
class Counted:
    """The phrases of some groups of passages: phrase i has the stems `phrases[i]`, -1 behind its last.

    `counts[i, g]` of the `sizes[g]` passages of group g hold it. `pairs` are (phrase, passage of these) as phrase ·
    passages + passage, ascending, the passages of a group side by side. `places[bounds[i] : bounds[i + 1]]` is where in
    `forms` phrase i stands.
    """

    phrases: Ints
    counts: Ints
    sizes: Ints
    pairs: Ints
    forms: npt.NDArray[np.int32]
    places: Ints
    bounds: Ints

    def stems(self, phrase: int) -> list[int]:
        """Give the stems of a phrase, in order."""
        return [word for word in self.phrases[phrase].tolist() if word >= 0]

    def held(self, phrases: Ints, group: int) -> Reals:
        """Give which passages of a group hold which of the phrases, 1 or 0, (phrases, passages of the group)."""
        firsts = phrases * self.sizes.sum() + self.sizes[:group].sum()
        bounds = np.searchsorted(self.pairs, [firsts, firsts + self.sizes[group]])
        held = np.zeros((len(phrases), self.sizes[group]))
        for row, (first, start, end) in enumerate(zip(firsts, *bounds, strict=True)):
            held[row, self.pairs[start:end] - first] = 1.0
        return held

    def surface(self, phrase: int, beginnings: Beginnings) -> str:
        """Give the way in which a phrase is written most often here, each word in its usual spelling."""
        length, written = len(self.stems(phrase)), beginnings.written
        places = self.places[self.bounds[phrase] : self.bounds[phrase + 1]].tolist()
        ways = Counter(tuple(self.forms[place : place + length].tolist()) for place in places)
        best = min(ways, key=lambda way: (-ways[way], [written[form] for form in way]))
        return _joined([beginnings.usual[written[form].lower()] for form in best])


def counted(beginnings: Beginnings, groups: Sequence[Sequence[int]]) -> Counted:
    """Count the phrases of groups of passages, given by their 0-based indices."""
    leaves = np.array([leaf for group in groups for leaf in group], dtype=np.int64)
    sizes = np.array([len(group) for group in groups], dtype=np.int64)
    group_of = np.repeat(np.arange(len(groups)), sizes)
    lengths = beginnings.starts[leaves + 1] - beginnings.starts[leaves]
    offsets = beginnings.starts[leaves] - (np.cumsum(lengths) - lengths)
    forms = beginnings.forms[np.repeat(offsets, lengths) + np.arange(lengths.sum())]
    passage = np.repeat(np.arange(len(leaves)), lengths)
    phrases, places = _phrases(beginnings.kinds[forms], beginnings.words[forms].astype(np.int64))
    order = np.lexsort((places, *phrases.T[::-1]))
    phrases, places = phrases[order], places[order]
    is_new = np.append(_ones(min(1, len(order))), np.any(phrases[1:] != phrases[:-1], axis=1))
    number = np.cumsum(is_new) - 1
    pairs = _distinct(number * len(leaves) + passage[places])
    kinds = int(is_new.sum())
    cells = pairs // max(1, len(leaves)) * len(groups) + group_of[pairs % max(1, len(leaves))]
    counts = np.bincount(cells, minlength=kinds * len(groups)).reshape(kinds, len(groups))
    bounds = np.append(np.flatnonzero(is_new), len(order))
    return Counted(phrases[is_new], counts, sizes, pairs, forms, places, bounds)


def _phrases(kinds: npt.NDArray[np.int8], words: Ints) -> tuple[Ints, Ints]:
    """Give the phrases of up to `LONGEST` words, (n, LONGEST), and where each begins."""
    found, places = [], []
    for length in range(1, LONGEST + 1):
        fits = np.ones(max(0, len(kinds) - length + 1), dtype=bool)
        for at in range(length):
            least = WORD if at == 0 else TAIL if at == length - 1 else INNER
            fits &= kinds[at : at + len(fits)] >= least
        starts = np.flatnonzero(fits)
        rows = np.full((len(starts), LONGEST), -1, dtype=np.int64)
        for at in range(length):
            rows[:, at] = words[starts + at]
        found.append(rows)
        places.append(starts)
    return np.concatenate(found), np.concatenate(places)


def _distinct(keys: Ints) -> Ints:
    """Sort and take each once; numpy's own `unique` hashes, which takes several times as long here."""
    ordered = np.sort(keys)
    return np.asarray(ordered[np.append(_ones(min(1, len(ordered))), ordered[1:] != ordered[:-1])])


def _ones(count: int) -> npt.NDArray[np.bool_]:
    return np.ones(count, dtype=bool)


def _stemmed(form: str) -> str:
    head, dash, last = normalise(form).rpartition("-")
    return head + dash + stem(last.removesuffix("'s"))


def _kind(form: str) -> int:
    plain = normalise(form)
    if plain in _INSIDE:
        return INNER
    if plain in STOPWORDS or not any(map(str.isalnum, plain)) or re.fullmatch(rf"[{_KANA}]", form):
        return BREAK
    if not any(map(str.isalpha, plain)):
        return INNER
    if len(plain) == 1 and plain.isascii():
        return TAIL if form.isupper() else BREAK
    return WORD


def _joined(words: list[str]) -> str:
    text = ""
    for word in words:
        is_unspaced = bool(text) and ord(text[-1]) >= 0x3000 <= ord(word[0])
        text += word if not text or is_unspaced else f" {word}"
    return text
