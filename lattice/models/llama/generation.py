"""Text from a model, token by token, greedy, held to a grammar where there is one."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import llama_cpp
import numpy as np
import numpy.typing as npt

from lattice.errors import ModelUnusable
from lattice.models.llama.decoding import Batch, Decoder, Rows, check_numbers
from lattice.models.llama.grammars import grammar_flaw
from lattice.models.llama.weights import Weights
from lattice.types import OutOfTime, Usage

# As llama_token_data lies in memory.
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])

Ended = Literal["end", "length", "seconds"]


@dataclass(frozen=True, slots=True)
class Generated:
    """What a model said, why it ended ("end": by itself, or the grammar was complete), and what it cost."""

    text: str
    ended: Ended
    usage: Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said: the text, why it ended, and the number of tokens generated."""

    text: str
    ended: Ended
    tokens: int


def generated(
    weights: Weights,
    decoder: Decoder,
    head: Sequence[int],
    tail: Sequence[int],
    grammar: str | None,
    max_tokens: int,
) -> Answer:
    """Decode `tail` behind the `head` that sequence 0 holds already, then generate. ModelUnusable, OutOfTime."""
    batch = Batch()
    batch.add(tail, len(head), 0, outputs=1)
    decoder.decode(batch)
    said: list[bytes] = []
    position = len(head) + len(tail)
    with _allowing(weights, grammar) as allowing:
        while len(said) < max_tokens:
            logits = decoder.logits(1)[0]
            check_numbers(logits, weights.path.name)
            token = allowing.likeliest(logits)
            if weights.ends(token):
                return _answer(said, "end")
            said.append(weights.piece(token))
            if len(said) == max_tokens:
                break
            step = Batch()
            step.add([token], position, 0, outputs=1)
            try:
                decoder.decode(step)
            except OutOfTime:
                return _answer(said, "seconds")
            position += 1
    return _answer(said, "length")


def _answer(said: Sequence[bytes], ended: Ended) -> Answer:
    return Answer(b"".join(said).decode("utf-8", errors="replace"), ended, len(said))


class _Anything:
    """No grammar."""

    def likeliest(self, logits: Rows) -> int:
        """Give the likeliest token; logits of shape (vocabulary,)."""
        return int(logits.argmax())


class _Grammar:
    """A grammar at the place where the text has come to."""

    def __init__(self, handle: Any, name: str) -> None:
        self._handle, self._name = handle, name

    def likeliest(self, logits: Rows) -> int:
        """Give the likeliest token that the grammar allows, and go on behind it; logits of shape (vocabulary,)."""
        token = int(logits.argmax())
        # Nearly always the likeliest is allowed: asking for it alone spares the other 49,151 (5 ms a token).
        if self._allowed(np.array([token]), logits[[token]])[0] == -np.inf:
            allowed = self._allowed(np.arange(len(logits)), logits)
            token = int(allowed.argmax())
            if allowed[token] == -np.inf:
                raise ModelUnusable(f"{self._name} has no token with which the grammar can go on. Use another model.")
        # Accepting what the grammar forbids would abort the process.
        llama_cpp.llama_sampler_accept(self._handle, token)
        return token

    def _allowed(self, tokens: npt.NDArray[np.intp], logits: Rows) -> Rows:
        candidates = np.zeros(len(tokens), dtype=_CANDIDATE)
        candidates["id"], candidates["logit"] = tokens, logits
        pointer = ctypes.cast(candidates.ctypes.data, llama_cpp.llama_token_data_p)
        array = llama_cpp.llama_token_data_array(pointer, len(candidates), -1, False)
        llama_cpp.llama_sampler_apply(self._handle, ctypes.byref(array))
        result: Rows = candidates["logit"]
        return result


@contextmanager
def _allowing(weights: Weights, grammar: str | None) -> Iterator[_Anything | _Grammar]:
    if grammar is None:
        yield _Anything()
        return
    flaw = grammar_flaw(grammar)
    handle = flaw is None and llama_cpp.llama_sampler_init_grammar(weights.vocabulary, grammar.encode(), b"root")
    if not handle:
        raise ModelUnusable(f"llama.cpp refuses this grammar, which {flaw or 'it cannot read'}: {grammar[:200]!r}")
    try:
        yield _Grammar(handle, weights.path.name)
    finally:
        llama_cpp.llama_sampler_free(handle)
