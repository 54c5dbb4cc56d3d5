"""What a model was trained to see around a text that it embeds and around a pair that it scores, made to fit.

A text is cut in characters and not in tokens, so that what is left is framed like any other, and ends with a word.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import groupby

import llama_cpp

from lattice.errors import ModelUnusable
from lattice.models.kinds import RERANK_TEMPLATE
from lattice.models.llama.weights import Weights
from lattice.models.prompts import Part

_QUERY, _DOCUMENT = "{query}", "{document}"  # as llama.cpp's own server fills them in
# No tokeniser takes more characters for a token on average: what comes after as many is cut unseen.
_LETTERS_A_TOKEN = 64
# A word, or so many letters of a script without spaces, or of something that no person wrote.
_WORD = re.compile(r"\S{1,40}")


class TextFrame:
    """What the model wants at the begin and the end of a text: [CLS] and [SEP], BOS, EOS or nothing."""

    def __init__(self, weights: Weights, limit: int) -> None:
        """Frame texts for `weights` in at most `limit` tokens; ModelUnusable where they would not fit at all."""
        _check_special(weights)
        self._weights, self._limit = weights, limit
        _check_room(weights, len(self._tokens("")), limit)

    def fit(self, text: str) -> tuple[list[int], bool]:
        """Give the tokens of the framed text, and whether it had to lose its end."""
        tokens = self._tokens(text)
        if len(tokens) <= self._limit:
            return tokens, False
        return self._tokens(cut(text, lambda part: len(self._tokens(part)), self._limit)), True

    def _tokens(self, text: str) -> list[int]:
        return self._weights.tokenize(text, special=True)


class PairFrame:
    """How query and document are put together: by the template of the model's file, else its separators between."""

    def __init__(self, weights: Weights, limit: int) -> None:
        """Frame pairs for `weights` in at most `limit` tokens; ModelUnusable where none fits or a placeholder lacks."""
        self._weights, self._limit = weights, limit
        template = weights.metadata(RERANK_TEMPLATE)
        if template:
            self._parts = _parts_of(weights, template)
            self._join = self._filled
        else:
            _check_special(weights)
            self._begin, self._middle, self._end = _separators(weights)
            self._join = self._separated
        self._bare = len(self._join("", ""))
        _check_room(weights, self._bare, limit)

    def fit_query(self, query: str) -> tuple[str, bool]:
        """Give the query, and whether it had to lose its end: half of the room is kept for the document."""
        room = self._bare + (self._limit - self._bare) // 2
        fitted = cut(query, lambda part: len(self._join(part, "")), room)
        return fitted, len(fitted) < len(query)

    def fit(self, query: str, document: str) -> tuple[list[int], bool]:
        """Give the tokens of a pair, and whether the document had to lose its end; `query` is one of `fit_query`."""
        tokens = self._join(query, document)
        if len(tokens) <= self._limit:
            return tokens, False
        shorter = cut(document, lambda part: len(self._join(query, part)), self._limit)
        return self._join(query, shorter), True

    def _separated(self, query: str, document: str) -> list[int]:
        texts = self._weights.tokenize(query), self._weights.tokenize(document)
        return [*self._begin, *texts[0], *self._middle, *texts[1], *self._end]

    def _filled(self, query: str, document: str) -> list[int]:
        """Fill the template in; neighbouring plain texts become one, for " word" is another token than " ", "word"."""
        fillings = {_QUERY: query, _DOCUMENT: document}
        tokens: list[int] = []
        for control, parts in groupby(self._parts, key=lambda part: part.control):
            texts = [part.text if control else fillings.get(part.text, part.text) for part in parts]
            tokens += self._weights.tokenize("".join(texts), control=control)
        return tokens


def cut(text: str, measure: Callable[[str], int], limit: int) -> str:
    """Give as much of the begin of `text` as measures `limit` at most, up to the end of a word where one is near."""
    if measure(text) <= limit:
        return text
    begin = text[: limit * _LETTERS_A_TOKEN]
    ends = [0, *(word.end() for word in _WORD.finditer(begin))]
    fitting = _last_within(ends, lambda end: measure(begin[:end]), limit)
    kept, rest = ends[fitting], ends[fitting + 1 : fitting + 2]
    if rest and (kept == 0 or not begin[kept].isspace()):
        # A single word that is too long, or the middle of a run without spaces: its letters count.
        kept += _last_within(range(kept, rest[0]), lambda end: measure(begin[:end]), limit)
    return begin[:kept]


def _last_within(ends: Sequence[int], measure: Callable[[int], int], limit: int) -> int:
    """Give the place of the last of `ends` that measures `limit` at most; 0 where none does."""
    return max(0, bisect_right(ends, limit, key=measure) - 1)


def _parts_of(weights: Weights, template: str) -> list[Part]:
    """Split a template into its control tokens, its placeholders and the plain text between them."""
    missing = [name for name in (_QUERY, _DOCUMENT) if name not in template]
    if missing:
        raise ModelUnusable(
            f"The template for pairs of {weights.path.name} leaves out {' and '.join(missing)}. Use another reranker."
        )
    spellings = {weights.spelling(token) for token in weights.tokenize(template, control=True) if weights.steers(token)}
    control = sorted(spellings - {""}, key=len, reverse=True)
    pattern = "|".join(map(re.escape, [*control, _QUERY, _DOCUMENT]))
    return [Part(text, control=text in spellings) for text in re.split(f"({pattern})", template) if text]


def _separators(weights: Weights) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Give what stands before, between and after the two texts, as llama.cpp's server has it.

    But a WordPiece pair always ends with [SEP], as a single text does there: files without the flag lack it by mistake.
    """
    vocabulary = weights.vocabulary
    separator = llama_cpp.llama_vocab_sep(vocabulary)
    eos = llama_cpp.llama_vocab_eos(vocabulary)
    eos = separator if eos < 0 else eos
    begin = [llama_cpp.llama_vocab_bos(vocabulary)] if llama_cpp.llama_vocab_get_add_bos(vocabulary) else []
    end = [eos] if llama_cpp.llama_vocab_get_add_eos(vocabulary) else []
    middle = [*end, separator] if llama_cpp.llama_vocab_get_add_sep(vocabulary) else end
    if not middle:
        raise ModelUnusable(
            f"{weights.path.name} does not say how query and text are kept apart: it has neither a template for pairs "
            "nor separators. Use another reranker."
        )
    return begin, middle, end or ([separator] if _is_wordpiece(weights) else [])


def _check_special(weights: Weights) -> None:
    """Refuse a file that wants tokens added which it does not have: llama.cpp would abort the process."""
    vocabulary = weights.vocabulary
    is_wordpiece = _is_wordpiece(weights)
    begins = is_wordpiece or llama_cpp.llama_vocab_get_add_bos(vocabulary)
    ends = not is_wordpiece and llama_cpp.llama_vocab_get_add_eos(vocabulary)
    separates = is_wordpiece or llama_cpp.llama_vocab_get_add_sep(vocabulary)
    wanted = {
        "BOS": llama_cpp.llama_vocab_bos(vocabulary) if begins else 0,
        "EOS": llama_cpp.llama_vocab_eos(vocabulary) if ends else 0,
        "SEP": llama_cpp.llama_vocab_sep(vocabulary) if separates else 0,
    }
    missing = [name for name, token in wanted.items() if not 0 <= token < weights.vocabulary_size]
    if missing:
        raise ModelUnusable(
            f"The vocabulary of {weights.path.name} lacks the {' and '.join(missing)} that it asks for. "
            "Use another model, or convert it again."
        )


def _check_room(weights: Weights, bare: int, limit: int) -> None:
    if bare >= limit:
        raise ModelUnusable(f"{weights.path.name} has no room for a text: {limit} tokens. Use another model.")


def _is_wordpiece(weights: Weights) -> bool:
    return bool(llama_cpp.llama_vocab_type(weights.vocabulary) == llama_cpp.LLAMA_VOCAB_TYPE_WPM)
