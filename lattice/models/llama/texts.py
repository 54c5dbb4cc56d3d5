"""How texts become tokens in two phases, and how a text that is too long for its context is cut: after a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lattice.models.llama.weights import Weights
from lattice.models.prompts import Frame, Part, Prompt

# Where a text may be cut; a run without spaces that is longer than any word may be cut inside.
_WORD = re.compile(r"\S{1,32}")


@dataclass(frozen=True, slots=True)
class Text:
    """A text to decode in two phases; the logits of its last `outputs` tokens are wanted."""

    head: tuple[int, ...]
    tail: tuple[int, ...]
    outputs: int


def tokens_of(weights: Weights, parts: Sequence[Part]) -> list[int]:
    """Give the tokens of some parts; neighbours of one kind are tokenised as the one text that they are."""
    found: list[int] = []
    for text, control in _joined(parts):
        found += weights.tokenize(text, control=control)
    return found


def framed_tokens(weights: Weights, frame: Frame, text: str, room: int) -> tuple[list[int], bool]:
    """Give the tokens of a text in its frame, and whether its end had to be cut to fit into `room` tokens.

    Only where the frame alone is too long does it lose its beginning.
    """

    def tokens(end: int) -> list[int]:
        return tokens_of(weights, (*frame.before, Part(text[:end]), *frame.after))

    whole = tokens(len(text)) or [weights.first_token()]
    if len(whole) <= room:
        return whole, False
    ends = [0, *(match.end() for match in _WORD.finditer(text, 0, _characters(text, room)))]
    fitting = _last(len(ends), lambda i: len(tokens(ends[i])) <= room)
    return (tokens(ends[fitting]) or [weights.first_token()])[-room:], True


def prompt_tokens(weights: Weights, prompt: Prompt) -> tuple[list[int], list[int]]:
    """Give the tokens of a prompt's static and of its dynamic half."""
    return tokens_of(weights, prompt.static) or [weights.first_token()], tokens_of(weights, prompt.dynamic)


def in_two_phases(static: Sequence[int], dynamic: Sequence[int], room: int) -> tuple[Text, bool]:
    """Split a prompt for decoding, and tell whether it had to be cut to fit into `room` tokens.

    Judges cut what they show before it comes to this (`reading.shown_to_fit`): the static half loses its end.
    """
    over = len(static) + len(dynamic) - room
    if over > 0:
        static = static[: max(1, len(static) - over)]
        dynamic = dynamic[-max(1, room - len(static)) :]
    return Text(tuple(static[:-1]), (static[-1], *dynamic), 1), over > 0


def _joined(parts: Sequence[Part]) -> list[tuple[str, bool]]:
    joined: list[tuple[str, bool]] = []
    for part in parts:
        if joined and joined[-1][1] is part.control:
            joined[-1] = joined[-1][0] + part.text, part.control
        else:
            joined.append((part.text, part.control))
    return joined


def _characters(text: str, tokens: int) -> int:
    """Bound the characters that so many tokens can stand for, so that a huge text is not tokenised whole again."""
    longest_token = 64
    return min(len(text), longest_token * tokens)


def _last(count: int, holds: Callable[[int], bool]) -> int:
    """Give the last of the indices 0 … count − 1 for which a condition holds that ends once; 0 where there is none."""
    low, high = 0, count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
