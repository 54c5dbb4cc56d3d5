"""What a model holds ready to say after a text: the last token's hidden state and the logits of the next token.

One context gives both. With llama.cpp's switch for embeddings on, every token of a batch is an output, with a row of
logits each; so it is on for the last tokens alone, and the texts before them are read as for any other purpose.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import llama_cpp
import numpy as np

from lattice.models.llama.decoding import Batch, Decoder, Rows, check_numbers
from lattice.models.llama.states import ContextStates
from lattice.models.llama.texts import framed_tokens
from lattice.models.llama.weights import Weights
from lattice.models.prompts import Frame
from lattice.types import Usage

# Texts that begin unlike one another: the tokens that all of them share in a frame are the frame's own.
_PROBES = ("", "A", "a", "1", " ", "\n", '"', "(", "é", "文")


@dataclass(frozen=True, slots=True)
class Represented:
    """What was read at the end of each text, and the cost.

    `hidden` are the last layer's states after its norm, shape (texts, width); `logits` those of the token that would
    come next, shape (texts, vocabulary). Both float32, as the model gives them.
    """

    hidden: Rows
    logits: Rows
    usage: Usage


def represented(
    weights: Weights, decoder: Decoder, states: ContextStates, texts: Sequence[str], frame: Frame
) -> Represented:
    """Read the texts, each in its frame, in groups of as many as there are streams. OutOfTime, ModelUnusable.

    What the frame begins with is read once and its KV state kept. A text that does not fit loses its end.
    """
    started = time.perf_counter()
    width = int(llama_cpp.llama_model_n_embd_out(weights.handle))
    hidden = np.zeros((len(texts), width), dtype=np.float32)
    logits = np.zeros((len(texts), weights.vocabulary_size), dtype=np.float32)
    shared = _shared(weights, frame, decoder.capacity)
    fitted = [framed_tokens(weights, frame, text, decoder.capacity) for text in texts]
    usage = Usage(calls=1, trimmed=sum(was_cut for _, was_cut in fitted))
    for begin in range(0, len(texts), decoder.sequences):
        # The longest first, as streams are decoded fastest (plan.rectangles).
        order = sorted(range(begin, min(begin + decoder.sequences, len(texts))), key=lambda i: (-len(fitted[i][0]), i))
        try:
            usage += _read_heads(decoder, states, [fitted[i][0] for i in order], shared)
            hidden[order], logits[order] = _read_ends(decoder, [fitted[i][0] for i in order], width)
        finally:
            decoder.clear()
    check_numbers(hidden, weights.path.name)
    check_numbers(logits, weights.path.name)
    return Represented(hidden, logits, usage + Usage(seconds=time.perf_counter() - started))


def _shared(weights: Weights, frame: Frame, room: int) -> tuple[int, ...]:
    """Give the tokens that every text of the frame begins with."""
    probes = [framed_tokens(weights, frame, text, room)[0][:-1] for text in _PROBES]
    same = 0
    while all(same < len(one) and one[same] == probes[0][same] for one in probes):
        same += 1
    return tuple(probes[0][:same])


def _read_heads(
    decoder: Decoder, states: ContextStates, texts: Sequence[Sequence[int]], shared: tuple[int, ...]
) -> Usage:
    """Bring stream i to the last token of text i, not included; tell the tokens read, those to come counted."""
    # A text may flow into the frame, or be so long that the frame is cut: then it is read from its beginning.
    behind = [i for i, text in enumerate(texts) if shared and tuple(text[:-1][: len(shared)]) == shared]
    cold = [i for i in behind if not states.restore(decoder.handle, i, shared)]
    decoder.decode_streams(dict.fromkeys(cold, shared))
    if cold:
        states.save(decoder.handle, cold[0], shared)
    starts = {i: len(shared) for i in behind}
    rest = {i: text[starts.get(i, 0) : -1] for i, text in enumerate(texts)}
    decoder.decode_streams({i: rest[i] for i in sorted(rest, key=lambda i: -len(rest[i])) if rest[i]}, starts)
    read = sum(map(len, rest.values())) + len(texts) + len(shared) * len(cold)
    return Usage(evaluated=read, reused=len(shared) * (len(behind) - len(cold)))


def _read_ends(decoder: Decoder, texts: Sequence[Sequence[int]], width: int) -> tuple[Rows, Rows]:
    """Decode the last tokens of all streams together; give hidden states and logits."""
    batch = Batch()
    for stream, text in enumerate(texts):
        batch.add(text[-1:], len(text) - 1, stream, outputs=1)
    decoder.decode_shown(batch)
    return decoder.hidden(len(texts), width).copy(), decoder.logits(len(texts)).copy()
