"""Text from a model, token by token, greedy, held to a grammar where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import llama_cpp

from lattice.errors import ModelUnusable
from lattice.models.llama.decoding import Batch, Decoder, check_numbers
from lattice.models.llama.grammars import grammar_flaw
from lattice.models.llama.weights import Weights
from lattice.types import OutOfTime, Usage

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
    with _sampler(weights, grammar) as sampler:
        while len(said) < max_tokens:
            check_numbers(decoder.logits(1), weights.path.name)
            # Sampling accepts the token too; accepting it twice would abort the process.
            token = int(llama_cpp.llama_sampler_sample(sampler, decoder.handle, -1))
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


@contextmanager
def _sampler(weights: Weights, grammar: str | None) -> Iterator[Any]:
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    try:
        if grammar is not None:
            flaw = grammar_flaw(grammar)
            held = flaw is None and llama_cpp.llama_sampler_init_grammar(weights.vocabulary, grammar.encode(), b"root")
            if not held:
                raise ModelUnusable(
                    f"llama.cpp refuses this grammar, which {flaw or 'it cannot read'}: {grammar[:200]!r}"
                )
            llama_cpp.llama_sampler_chain_add(chain, held)
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_greedy())
        yield chain
    finally:
        llama_cpp.llama_sampler_free(chain)
