"""The words that a model expects after a text: those that it makes likelier, as what comes next, than nothing does.

One pass over the text tells it of the whole vocabulary (as PromptReps reads its sparse vectors: Zhuang et al. 2024,
arXiv 2404.18424). Only tokens that are whole words count; of the others nobody can say what they begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lattice.models.llama.decoding import Decoder, Rows, log_softmax
from lattice.models.llama.representing import represented
from lattice.models.llama.states import ContextStates
from lattice.models.llama.texts import framed_tokens
from lattice.models.llama.weights import Weights
from lattice.models.prompts import Frame
from lattice.tokens import STOPWORDS, stem, tokens
from lattice.types import Usage


@dataclass(frozen=True, slots=True)
class Expected:
    """How much likelier (nats, above 0) a text makes each of some words than nothing does, by stem; and the cost."""

    lifts: Mapping[str, float]
    usage: Usage


def expected_words(
    weights: Weights, decoder: Decoder, states: ContextStates, text: str, frame: Frame, most: int
) -> Expected:
    """Read a text in its frame, and nothing in it, for the `most` words that the text makes likelier."""
    read = represented(weights, decoder, states, [text, ""], frame)
    return Expected(_lifts(weights, read.logits, most), read.usage)


def expected_words_cost(weights: Weights, text: str, frame: Frame, room: int) -> int:
    """Give the tokens that this evaluates where no state is kept."""
    return sum(len(framed_tokens(weights, frame, one, room)[0]) for one in (text, ""))


def _lifts(weights: Weights, logits: Rows, most: int) -> dict[str, float]:
    """Give the `most` words with the largest log P(word | text) − log P(word | nothing), the largest first.

    `logits` has a row for the text and one for nothing, (2, vocabulary). Of the tokens of one stem the best counts.
    """
    text, nothing = log_softmax(logits)
    lifts = text - nothing
    found: dict[str, float] = {}
    for token in np.argsort(-lifts, kind="stable"):
        if len(found) == most or lifts[token] <= 0.0:
            break
        word = _word(weights, int(token))
        if word is not None:
            found.setdefault(word, float(lifts[token]))
    return found


def _word(weights: Weights, token: int) -> str | None:
    """Give the stem of the word that a token is; None where it is none, or only a part of one."""
    piece = weights.piece(token).decode("utf-8", errors="replace")
    # What stands behind a space begins a word; in a script without spaces every token does.
    if not (piece.startswith(" ") or not piece.isascii()):
        return None
    bare = piece.strip()
    whole = next((one.word for one in tokens(bare) if (one.start, one.end) == (0, len(bare))), "")
    return stem(whole) if len(whole) > 1 and whole not in STOPWORDS and bare.isalpha() else None
