"""Follow-up questions by rule: what one lacks to stand alone is taken from the question before it.

For searches that no model helps, or one that is too small to rewrite a question. The rule knows English alone: in other
languages only a question of a single word counts as a follow-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import reduce

from lattice.tokens import STOPWORDS, Token, stem, tokens
from lattice.types import Understanding

# A question with more words that carry meaning stands alone, whatever it begins with.
_STANDS_ALONE = 6
# After a preposition a question of up to as many has no subject yet ("in early winter?").
_ONLY_A_PLACE = 3
# Of those that are taken over, the first: a pasted paragraph must not drown the next question.
MOST_CARRIED = 8

_LEADS = re.compile(
    r"(?:\s*(?:and|but|or|so|then|also|what about|how about|what if|what of|why not|and then)\b[\s,:]*)+", re.IGNORECASE
)
_PREPOSITIONS = frozenset("after at before below by during for from in inside near of on under with without".split())
_PRONOUNS = frozenset("it its itself they them their theirs he him his she her hers".split())
# They point back as well, unless they belong to a word before them ("papers that compare").
_POINTERS = frozenset("this that these those".split())


def stand_alone(question: str, history: Sequence[str]) -> Understanding | None:
    """Give the question with the words that it lacks of `history` (oldest first); None where it stands as it is."""
    text = question.strip()
    earlier = [one.strip() for one in history if one.strip()]
    if not earlier or not text:
        return None
    context = reduce(lambda before, one: _joined(one, before)[0], earlier)
    query, carried = _joined(text, context)
    return Understanding(query, carried) if carried else None


def needs_context(question: str) -> bool:
    """Whether a question seems to lean on an earlier one."""
    found = list(tokens(question))
    content = len({token.start for token in found if token.word not in STOPWORDS})
    if content >= _STANDS_ALONE:
        return False
    is_place = bool(found) and found[0].word in _PREPOSITIONS and content <= _ONLY_A_PLACE
    return content <= 1 or is_place or _LEADS.match(question) is not None or _points_back(found)


def _points_back(found: Sequence[Token]) -> bool:
    before = "of"  # nothing stands before the first word that it could belong to
    for token in found:
        if token.word in _PRONOUNS or (token.word in _POINTERS and before in STOPWORDS):
            return True
        before = token.word
    return False


def _joined(question: str, context: str) -> tuple[str, tuple[str, ...]]:
    """Give the question behind the words of `context` that it lacks, and those words; as it is where it needs none."""
    if not needs_context(question):
        return question, ()
    own = {stem(token.word) for token in tokens(question)}
    lacking = [word for word, stems in _content(context) if not stems & own]
    carried = tuple(dict.fromkeys(lacking))[:MOST_CARRIED]
    if not carried:
        return question, ()
    lead = _LEADS.match(question)
    rest = question[lead.end() :].lstrip() if lead else question
    return " ".join([*carried, rest] if any(True for _ in tokens(rest)) else carried), carried


def _content(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the words of a text that carry meaning, as they stand there, each with its stems."""
    for match in re.finditer(r"\S+", text):
        found = [token for token in tokens(match.group()) if token.word not in STOPWORDS]
        if found:
            start, end = min(token.start for token in found), max(token.end for token in found)
            yield match.group()[start:end], frozenset(stem(token.word) for token in found)
