"""Short names of nodes, for people: the author's where there is one, else phrases that tell a node from its siblings.

A cluster's name is made of the phrases that many of its passages hold and few of its siblings' do; of what is written
in the corpus, nothing else. No two siblings have the same name.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lattice.index_builder.branches import Branch
from lattice.index_builder.phrases import Beginnings, Counted, Reals, beginnings_of, counted
from lattice.tokens import normalise
from lattice.types import Passage

# Passages of a child that are looked at, evenly spaced: enough to tell which phrases are common in it.
SAMPLE = 600
# Phrases of a node that are weighed against each other.
CANDIDATES = 60
# A name is of so many phrases, and words in all; a single word is given company.
MOST_PHRASES = 3
MOST_WORDS = 6
FEWEST_WORDS = 2
# A phrase that adds less than this share of the first one's gain adds nothing to a reader.
LEAST_GAIN = 0.3
# What a further phrase is worth in a passage that holds one already: names are to cover all that is below.
COVERED = 0.35
# A longer phrase is taken in place of its part where it stands in this share of the passages that hold that.
WHOLE = 0.6
# Of equal weight, a phrase of more words says more.
BY_LENGTH = np.array([0.0, 1.0, 1.5, 1.7])
# An author's heading, or a model's name, is cut behind so many words; each of two that are shown together behind fewer.
GIVEN_WORDS = 9
PART_WORDS = 5
CUT = "…"
BETWEEN_PHRASES = ", "
BETWEEN_PARTS = " – "
NUMBERED = "Part"

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_MARKUP = re.compile(r"`+|\*\*|^#+\s*|\s*#+$")


@dataclass(frozen=True, slots=True)
class _Phrased:
    """The phrases of a node, most telling first; the first `enough` of them make a name."""

    phrases: tuple[str, ...]
    enough: int


def names_of(tree: Branch, passages: Sequence[Passage], title: str = "") -> list[str]:
    """Name every inner node, in the order in which nodes are numbered (parents first); "" for leaves.

    `title` is what the whole is called, where the tree has no name of its own. Siblings' names differ in more than
    case, spaces and diacritics.
    """
    beginnings = beginnings_of(passages)

    def visit(branch: Branch, name: str) -> Iterator[str]:
        yield name
        below = iter(_family(branch, beginnings, passages))
        for child in branch.children:
            if child.passage is not None:
                yield ""
            else:
                yield from visit(child, next(below))

    (alone,) = _distinct_names([_candidates(tree, _phrases_of([_leaves(tree)], beginnings)[0], passages, title)])
    return list(visit(tree, alone))


def _family(branch: Branch, beginnings: Beginnings, passages: Sequence[Passage]) -> list[str]:
    """Name the inner children of a node, which no two of them share."""
    inner = [child for child in branch.children if child.passage is None]
    beside = [child.passage for child in branch.children if child.passage is not None]
    if not inner:
        return []
    groups = [_leaves(child) for child in inner] + ([beside] if beside else [])
    found = _phrases_of(groups, beginnings)
    return _distinct_names([_candidates(child, own, passages) for child, own in zip(inner, found, strict=False)])


def _leaves(branch: Branch) -> list[int]:
    leaves = list(branch.leaves())
    places = np.linspace(0, len(leaves) - 1, min(SAMPLE, len(leaves))).astype(int).tolist()
    return [leaves[place] for place in places]


def _candidates(branch: Branch, own: _Phrased, passages: Sequence[Passage], title: str = "") -> list[str]:
    """Give what a node may be called, best first; none of it may be left where there are no words at all."""
    found = [own.phrases[:count] for count in range(max(1, own.enough), len(own.phrases) + 1)]
    phrased = [_capital(BETWEEN_PHRASES.join(phrases)) for phrases in found]
    given = _given(branch) or _tidy(title, GIVEN_WORDS)
    leaf = next(branch.leaves(), None)
    first = None if leaf is None else passages[leaf]
    if not given:
        beginning = "" if first is None else _tidy(first.title or first.text, GIVEN_WORDS)
        return [name for name in (*phrased, beginning) if name]
    files = [first.document.rpartition("/")[2], first.document] if first and branch.kind == "document" else []
    return [given, *(f"{given} ({more})" for more in (*files, *phrased))]


def _given(branch: Branch) -> str:
    """Give what a model or the author calls a node: of several headings the first and the last; "" for nothing."""
    if name := _tidy(branch.name, GIVEN_WORDS):
        return name
    headings = list(dict.fromkeys(filter(None, (_tidy(heading, GIVEN_WORDS) for heading in branch.headings))))
    if len(headings) < 2:
        return headings[0] if headings else ""
    return BETWEEN_PARTS.join(_tidy(heading, PART_WORDS) for heading in (headings[0], headings[-1]))


def _tidy(text: str, words: int) -> str:
    """Give a text on one line, without markup, cut behind so many words."""
    plain = _MARKUP.sub("", _LINK.sub(r"\1", " ".join(text.split()))).split()
    return " ".join(plain[:words]).rstrip(",;:") + (CUT if len(plain) > words else "")


def _distinct_names(candidates: Sequence[Sequence[str]]) -> list[str]:
    """Choose a name for each of several siblings: those that clash all go on to their next, and at last are counted."""
    at = [0] * len(candidates)
    for _ in range(max(map(len, candidates), default=0)):
        names = [each[place] if each else "" for each, place in zip(candidates, at, strict=True)]
        clashing = _clashing(names)
        if not clashing:
            return names
        for i in clashing:
            at[i] = min(at[i] + 1, max(0, len(candidates[i]) - 1))
    return _counted_apart([each[0] if each else "" for each in candidates])


def _counted_apart(names: Sequence[str]) -> list[str]:
    """Put numbers behind the names that clash, of which none makes another clash."""
    clashing = set(_clashing(names))
    taken = {same(name) for i, name in enumerate(names) if i not in clashing}
    found = []
    for i, name in enumerate(names):
        numbered = (f"{name} ({number})" if name else f"{NUMBERED} {number}" for number in itertools.count(1))
        chosen = name if i not in clashing else next(one for one in numbered if same(one) not in taken)
        taken.add(same(chosen))
        found.append(chosen)
    return found


def _clashing(names: Sequence[str]) -> list[int]:
    counts = Counter(map(same, names))
    return [i for i, name in enumerate(names) if counts[same(name)] > 1 or not name]


def same(name: str) -> str:
    """Give a name as it is compared: two that differ in case, spaces or diacritics alone are the same to a reader."""
    return normalise(" ".join(name.split()))


def _phrases_of(groups: Sequence[Sequence[int]], beginnings: Beginnings) -> list[_Phrased]:
    """Give the phrases that tell each group of passages from the others and from the whole corpus."""
    found = counted(beginnings, groups)
    weights = _weights(found, beginnings)
    return [_chosen(found, weights[:, group], group, beginnings) for group in range(len(groups))]


def _weights(found: Counted, beginnings: Beginnings) -> Reals:
    """Weigh each phrase for each group, (phrases, groups): p · min(ln p / p_others, ln p / p_all) · quality.

    p is the share of a group's passages that hold the phrase, and p_all the share of all passages that hold its rarest
    word. p_others is the geometric mean of the shares of all other groups' passages and of its rival's: what stands in
    one sibling as often tells no more than what stands in all. Better are longer phrases, and those whose last word is
    one that often ends a phrase, as nouns do. Of three passages and more, two must share a phrase where any is shared.
    """
    words, is_word = found.phrases, found.phrases >= 0
    length = is_word.sum(axis=1)
    share = found.counts / np.maximum(1, found.sizes)
    others = found.counts.sum(axis=1, keepdims=True) - found.counts
    usual = np.where(is_word, beginnings.shares[words], 1.0).min(axis=1, initial=1.0)
    logs = np.log(share + 1e-9)
    against_all = logs - np.log(usual)[:, None]
    usual_beside = (others + 0.5) / (found.sizes.sum() - found.sizes + 1.0)
    against_others = logs - np.log(usual_beside * np.maximum(usual_beside, _rival(share))) / 2
    if len(found.sizes) == 1:
        against_others = against_all = np.where(found.counts > 0, -np.log(usual)[:, None], 0.0)
    last = words[np.arange(len(words)), length - 1]
    quality = beginnings.ends[last] * BY_LENGTH[length]
    weights = share * np.maximum(0.0, np.minimum(against_others, against_all)) * quality[:, None]
    is_shared = (found.sizes >= 3) & np.any((found.counts >= 2) & (weights > 0), axis=0)
    weights[(found.counts < 2) & is_shared] = 0.0
    return np.asarray(np.round(weights, 9))


def _rival(share: Reals) -> Reals:
    """Give, for each phrase and group, the phrase's largest share in another group; 0 where there is no other."""
    if share.shape[1] < 2:
        return np.zeros_like(share)
    second, first = np.partition(share, -2, axis=1)[:, -2:].T[:, :, None]
    return np.asarray(np.where(share >= first, second, first))


def _chosen(found: Counted, weights: Reals, group: int, beginnings: Beginnings) -> _Phrased:
    """Choose phrases one by one, each by what it adds to the passages that the earlier ones have not covered."""
    order = np.argsort(-weights, kind="stable")[:CANDIDATES]
    order = order[weights[order] > 0]
    held = found.held(order, group)
    each = weights[order] / np.maximum(1, found.counts[order, group])
    stems = [found.stems(phrase) for phrase in order.tolist()]
    bare = np.ones(held.shape[1])
    used: set[int] = set()
    chosen: list[int] = []
    gains: list[float] = []
    while len(chosen) < 2 * MOST_PHRASES:
        left = [at for at, own in enumerate(stems) if used.isdisjoint(own)]
        if not left:
            break
        worth = np.round(each * (held @ bare), 9).tolist()
        best = max(left, key=lambda at: (worth[at], -order[at]))
        gains.append(worth[best])
        best = _whole(best, left, stems, found.counts[order, group].tolist())
        chosen.append(best)
        used.update(stems[best])
        bare *= np.where(held[best] > 0, COVERED, 1.0)
    lengths = [len(stems[at]) for at in chosen]
    return _Phrased(tuple(found.surface(int(order[at]), beginnings) for at in chosen), _enough(gains, lengths))


def _enough(gains: Sequence[float], lengths: Sequence[int]) -> int:
    """Say how many phrases make a name."""
    words = count = 0
    for gain, length in zip(gains, lengths, strict=True):
        is_slight = gain < LEAST_GAIN * gains[0] and words >= FEWEST_WORDS
        if count and (count == MOST_PHRASES or words + length > MOST_WORDS or is_slight):
            break
        words, count = words + length, count + 1
    return count


def _whole(phrase: int, others: Sequence[int], stems: Sequence[Sequence[int]], counts: Sequence[int]) -> int:
    """Give the longer phrase of which this one is mostly a part; itself where there is none."""
    own = stems[phrase]
    for other in others:
        if len(stems[other]) <= len(own) or counts[other] < WHOLE * counts[phrase]:
            continue
        if own in (stems[other][i : i + len(own)] for i in range(len(stems[other]) - len(own) + 1)):
            return _whole(other, others, stems, counts)
    return phrase


def _capital(name: str) -> str:
    """Begin a name with a capital, unless its first word is one that is written in some way of its own."""
    first = re.split(r"[\s,]", name, maxsplit=1)[0]
    return name[:1].upper() + name[1:] if first.isalpha() and first.islower() else name
