"""The words of a text, as every room counts them: the lexical index, the vectors, snippets and descriptions.

One rule for all of them, so that what is indexed is what a query asks for:

- `camelCase`, `snake_case` and `kebab-case` give their parts and, for the first two, the joined whole as well;
- `C++`, `C#`, `F#` and emoji stay what they are; apostrophes fall away (`don't` is `dont`, `actor's` is `actor`);
- scripts written without spaces (Chinese, Japanese, Thai, …) give single characters and overlapping pairs;
- letters are compatibility-normalised, lower-cased and lose their Latin diacritics; words are then stemmed (Snowball).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import Stemmer

# Chinese, Japanese, Thai, Lao, Myanmar and Khmer put no space between words; pairs of characters stand in for words.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
# Pictures that people name things by; each is a word.
_SIGNS = "\u2600-\u27bf\U0001f300-\U0001faff"
_WORD = re.compile(
    rf"(?P<unspaced>[{UNSPACED}]+)|(?P<sign>[{_SIGNS}])|(?P<symbolic>\b[A-Za-z](?:\+\+|\#))|(?P<word>(?:(?![{UNSPACED}])[^\W_])+"
    rf"(?:[_'’](?:(?![{UNSPACED}])[^\W_])+)*)"
)
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\WA-Za-z\d_]+")
_DIACRITIC = re.compile("[\u0300-\u036f]")
_MAX_TOKEN = 64  # base64 blobs and hashes are no words; longer runs would only fill the vocabulary

STOPWORDS = frozenset(
    """
    a about above after again all also am an and any are as at be because been before being below between both but
    by can cannot could did do does doing dont down during each either else etc ever few for from further get gets
    got had has have having he her here hers him his how however i if in into is it its itself just let like made
    make makes many may me might more most much must my need needs no nor not now of off on once only or other our
    ours out over own per please same she should since so some such than that the their theirs them then there these
    they this those though through thus to too under until up upon us use used uses using very via want was we well
    were what when where whether which while who whom whose why will with within without would yes yet you your
    yours
    """.split()
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word as it stands in a text: its normalised form and the characters [start, end) that it covers."""

    word: str
    start: int
    end: int


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")


@lru_cache(maxsize=200_000)
def stem(word: str) -> str:
    """Reduce a normalised word to its stem; words that are not plain letters stay as they are."""
    return str(_stemmer().stemWord(word)) if word.isalpha() and word.isascii() else word


def normalise(text: str) -> str:
    """Fold compatibility forms, case and Latin diacritics."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFKC", _DIACRITIC.sub("", folded))


def tokens(text: str) -> Iterator[Token]:
    """Yield the words of `text` in order; a compound gives its parts and then its whole, over the same characters."""
    for match in _WORD.finditer(text):
        start, end = match.span()
        if match.lastgroup == "unspaced":
            yield from _pairs(match.group(), start)
        elif match.lastgroup in {"symbolic", "sign"}:
            yield Token(match.group().lower(), start, end)
        elif end - start <= _MAX_TOKEN:
            for word in _parts(match.group()):
                yield Token(word, start, end)


def words(text: str) -> list[str]:
    """Give the normalised, unstemmed words of `text`."""
    return [token.word for token in tokens(text)]


def stems(text: str) -> list[str]:
    """Give the stems of the words of `text`: what the lexical index and the vectors hold."""
    return [stem(token.word) for token in tokens(text)]


def content_stems(text: str) -> list[str]:
    """Give the stems of `text` without function words, or all of them where nothing else is left."""
    found = [token.word for token in tokens(text)]
    return [stem(word) for word in found if word not in STOPWORDS] or [stem(word) for word in found]


def _pairs(run: str, start: int) -> Iterator[Token]:
    for i, character in enumerate(run):
        yield Token(character, start + i, start + i + 1)
        if i + 1 < len(run):
            yield Token(run[i : i + 2], start + i, start + i + 2)


def _parts(word: str) -> list[str]:
    plain = word.replace("’", "'")
    if plain.endswith(("'s", "'S")):
        plain = plain[:-2]
    whole = normalise(plain.replace("'", "").replace("_", ""))
    if not whole:
        return []
    is_compound = "_" in plain or (not plain.islower() and not plain.isupper() and not plain[1:].islower())
    if not is_compound or not plain.isascii():
        return [whole]
    pieces = [piece.lower() for piece in _CAMEL.findall(plain)]
    return [whole] if len(pieces) < 2 else [*pieces, whole]
