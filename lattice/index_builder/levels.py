"""Summaries of five lengths (method.md §1, top-down, step 1): a text in one or two words, up to a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from lattice.index_builder.authors import Call
from lattice.models.embedders import terms_of
from lattice.models.prompts import LEVELS_STATIC, ORGANISE_SYSTEM, ORGANISE_VERSION, levels_dynamic

# Words that the summaries of a text have, from its shortest to its longest (the paper's 2^(i + 1), about).
LEVELS = ((1, 2), (3, 4), (4, 6), (7, 10), (11, 20))
# Texts a call, and of each so many words and all together so many bytes: with the answer they fit any context.
BATCH = 20
SHOWN_WORDS = 30
SHOWN_BYTES = 4_500
_CHARACTERS = (30, 48, 70, 110, 200)
_TOKENS_A_TEXT = 100
# A rule of a grammar: what may stand in a JSON string as it is.
CHARACTER = 'character ::= [^"\\\\\\x00-\\x1F\\x7F]'
_ENTRY = re.compile(r'"(\d{1,4})"\s*:\s*(\[[^\[\]]*\])')

Levels = tuple[str, ...]
"""A text's summaries, the shortest first; empty where there is none."""


def batches(count: int) -> list[range]:
    """Give which of so many texts go into one call each."""
    return [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]


def levels_call(texts: Sequence[str]) -> Call:
    """Give what is asked of a model about at most BATCH texts."""
    share = SHOWN_BYTES // max(1, len(texts))
    shown = [_short(text, share) for text in texts]
    tokens = _TOKENS_A_TEXT * len(texts)
    form = (grammar(len(texts)), schema(len(texts)))
    return Call(ORGANISE_SYSTEM, LEVELS_STATIC, levels_dynamic(shown), ORGANISE_VERSION, tokens, *form)


def _short(text: str, share: int) -> str:
    words = " ".join(text.split()[:SHOWN_WORDS])
    return words.encode("utf-8", "replace")[:share].decode("utf-8", "ignore")


def grammar(count: int) -> str:
    """Give the GBNF of an answer for so many texts: each number once, in order, with five summaries."""
    texts = ' ", " '.join(f'"\\"{number}\\": " text' for number in range(1, count + 1))
    levels = ' ", " '.join(f"level-{level}" for level in range(len(LEVELS)))
    rules = [f'root ::= "{{" {texts} "}}"', f'text ::= "[" {levels} "]"', CHARACTER]
    rules += [f'level-{level} ::= "\\"" character{{1,{most}}} "\\""' for level, most in enumerate(_CHARACTERS)]
    return "\n".join(rules)


def schema(count: int) -> dict[str, object]:
    """Give the JSON schema of the same answer."""
    numbers = [str(number) for number in range(1, count + 1)]
    text = {"type": "array", "items": {"type": "string"}, "minItems": len(LEVELS), "maxItems": len(LEVELS)}
    properties = dict.fromkeys(numbers, text)
    return {"type": "object", "properties": properties, "required": numbers, "additionalProperties": False}


def read_levels(said: str, count: int) -> list[Levels]:
    """Read the summaries of so many texts out of an answer, which may be cut anywhere or be none.

    Each is one line of at most its words; a text with fewer than five usable ones has five empty ones.
    """
    found = dict(_entries(said))
    return [_usable(found.get(number)) for number in range(1, count + 1)]


def _entries(said: str) -> Iterator[tuple[int, object]]:
    for number, content in _ENTRY.findall(said):
        try:
            yield int(number), json.loads(content)
        except ValueError:
            continue


def _usable(found: object) -> Levels:
    nothing = ("",) * len(LEVELS)
    if not isinstance(found, list) or len(found) != len(LEVELS):
        return nothing
    texts = [_within(text, most) for text, (_, most) in zip(found, LEVELS, strict=True)]
    return tuple(texts) if all(terms_of(text) for text in texts) else nothing


def _within(text: object, most: int) -> str:
    return " ".join(text.split()[:most]).strip(" .,;:") if isinstance(text, str) else ""


def levels_by_rule(title: str, terms: Sequence[str]) -> Levels:
    """Give summaries without a model: the most characteristic terms, then the first words of what a text is called."""
    words = title.split() or list(terms)
    return tuple(
        " ".join(terms[:most]) if most <= LEVELS[1][1] and terms else " ".join(words[:most]) for _, most in LEVELS
    )
