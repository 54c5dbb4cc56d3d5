"""One llama.cpp context: tokens go in, logits come out; it can be stopped, and every return code is looked at."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from lattice.errors import ModelUnusable
from lattice.models.kinds import NONE
from lattice.models.llama.interrupt import HeldInterrupt
from lattice.models.llama.plan import rectangles
from lattice.models.llama.weights import Weights
from lattice.types import OutOfTime, Usage

Rows = npt.NDArray[np.float32]

NOWHERE: Mapping[int, int] = {}  # no stream holds anything yet
_ABORTED = 2  # what llama_decode returns after the abort callback said stop


@dataclass(slots=True)
class Batch:
    """Tokens to decode together: token, position, sequence, and whether its logits are wanted."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    outputs: list[bool] = field(default_factory=list)

    def add(self, tokens: Sequence[int], start: int, sequence: int, *, outputs: int = 0) -> None:
        """Append tokens of one sequence from position `start` on; the logits of the last `outputs` are wanted."""
        self.tokens += tokens
        self.positions += range(start, start + len(tokens))
        self.sequences += [sequence] * len(tokens)
        self.outputs += [False] * (len(tokens) - outputs) + [True] * outputs


class Decoder:
    """A context with `sequences` KV streams of `capacity` tokens each. Not thread-safe: the engine's lock covers it.

    With a `pooling` (LLAMA_POOLING_TYPE_*) it gives one vector a sequence (`pooled`), else logits.
    """

    def __init__(
        self,
        weights: Weights,
        sequences: int,
        sequence_tokens: int,
        batch_tokens: int,
        threads: int,
        pooling: int = NONE,
    ) -> None:
        """Make the context; ModelUnusable where there is not enough memory for it, or the model cannot write."""
        self._weights = weights
        self._interrupt = HeldInterrupt()
        self._deadline: float | None = None
        self._decoded = 0
        self.sequences = min(sequences, int(llama_cpp.llama_max_parallel_sequences()))
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = self.sequences * sequence_tokens
        # A multiple of the sequences: else llama.cpp ends the process while it makes a context that pools a mean.
        batch = -(-batch_tokens // self.sequences) * self.sequences if pooling else batch_tokens
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = self.sequences
        params.n_threads = params.n_threads_batch = threads
        # A stream for each sequence: a score depends neither on the company nor on the order it was read in.
        params.kv_unified = False
        params.no_perf = True
        if pooling:
            params.embeddings, params.pooling_type = True, pooling
            # Flash attention reckons in half precision, by blocks that depend on what else is in the batch.
            params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        is_encoded = pooling and llama_cpp.llama_model_has_encoder(weights.handle)
        self._run = llama_cpp.llama_encode if is_encoded else llama_cpp.llama_decode
        self.handle = llama_cpp.llama_init_from_model(weights.handle, params)
        if not self.handle:
            raise ModelUnusable(
                f"llama.cpp cannot run {weights.path}: no context of {params.n_ctx} tokens. Free some memory."
            )
        # None for a model that keeps nothing between calls: an encoder, or one that writes by diffusion.
        self._memory = llama_cpp.llama_get_memory(self.handle)
        if not pooling and not self._memory:
            self.close()
            raise ModelUnusable(f"{weights.path.name} does not write from left to right. Use another model.")
        self.capacity = int(llama_cpp.llama_n_ctx_seq(self.handle))
        # Less than was asked for where the context is smaller: one token more would end the process.
        self.batch_tokens = int(llama_cpp.llama_n_batch(self.handle))
        self._abort = llama_cpp.ggml_abort_callback(self._should_abort)
        llama_cpp.llama_set_abort_callback(self.handle, self._abort, None)

    def close(self) -> None:
        """Free the context."""
        if self.handle is not None:
            llama_cpp.llama_free(self.handle)
            self.handle = None

    def start(self, seconds: float | None) -> None:
        """Begin a task that may take `seconds` (None: as long as it takes)."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._decoded = 0

    def stop(self) -> None:
        """End the task that another thread is at, as at its deadline."""
        self._deadline = 0.0

    def clear(self) -> None:
        """Forget all sequences."""
        if self._memory:
            llama_cpp.llama_memory_clear(self._memory, False)

    def decode(self, batch: Batch) -> None:
        """Decode a batch, in parts where it is larger than the context takes. OutOfTime, ModelUnusable."""
        for begin in range(0, len(batch.tokens), self.batch_tokens):
            self._decode_part(batch, begin, min(begin + self.batch_tokens, len(batch.tokens)))

    def decode_streams(self, texts: Mapping[int, Sequence[int]], starts: Mapping[int, int] = NOWHERE) -> None:
        """Decode whole texts, each in its stream, from their beginning or from where `starts` says that it stands.

        They come longest first, and fastest where the streams are neighbours. What a stream is padded with is taken
        out again. OutOfTime, ModelUnusable.
        """
        streams, tokens = list(texts), list(texts.values())
        for part in rectangles([len(text) for text in tokens], self.batch_tokens, may_pad=self._weights.can_forget):
            batch = Batch()
            for stream, text in zip(streams[: part.streams], tokens, strict=False):
                piece = list(text[part.begin : part.end])
                padding = [text[-1]] * (part.end - part.begin - len(piece))
                batch.add(piece + padding, starts.get(stream, 0) + part.begin, stream)
            self._decode_part(batch, 0, len(batch.tokens))
        for stream, text in texts.items():
            self._forget_after(stream, starts.get(stream, 0) + len(text))

    def _forget_after(self, stream: int, position: int) -> None:
        if self._weights.can_forget and not llama_cpp.llama_memory_seq_rm(self._memory, stream, position, -1):
            raise ModelUnusable(f"llama.cpp cannot take tokens of {self._weights.path.name} back. Use another model.")

    def logits(self, rows: int) -> Rows:
        """Give the logits of the last decoded part, a row for each wanted token, shape (rows, vocabulary)."""
        pointer = llama_cpp.llama_get_logits(self.handle)
        if not pointer:
            raise ModelUnusable(
                f"{self._weights.path.name} gave no logits; it is not a text-generating model. Use another model."
            )
        return np.ctypeslib.as_array(pointer, shape=(rows, self._weights.vocabulary_size))

    def decode_shown(self, batch: Batch) -> None:
        """Decode a batch of which `hidden` is wanted beside the logits: those of every token, so all are outputs."""
        llama_cpp.llama_set_embeddings(self.handle, True)
        try:
            self._decode_part(batch, 0, len(batch.tokens))
        finally:
            llama_cpp.llama_set_embeddings(self.handle, False)

    def hidden(self, rows: int, width: int) -> Rows:
        """Give the last layer's normed states of the tokens of `decode_shown`, in their order, shape (rows, width)."""
        pointer = llama_cpp.llama_get_embeddings(self.handle)
        if not pointer:
            raise ModelUnusable(f"{self._weights.path.name} gives no hidden states. Use another model.")
        return np.ctypeslib.as_array(pointer, shape=(rows, width))

    def pooled(self, sequence: int, width: int) -> Rows:
        """Give the pooled vector of a sequence of the last decoded part, shape (width,)."""
        pointer = llama_cpp.llama_get_embeddings_seq(self.handle, sequence)
        row = np.ctypeslib.as_array(pointer, shape=(width,)).copy() if pointer else None
        if row is None or not np.isfinite(row).all():
            name = self._weights.path.name
            raise ModelUnusable(f"{name} gave no vector for a text: it is damaged. Download it again.")
        return row

    def _decode_part(self, batch: Batch, begin: int, end: int) -> None:
        count = end - begin
        native = llama_cpp.llama_batch_init(count, 0, 1)
        try:
            native.n_tokens = count
            for i in range(count):
                native.token[i] = batch.tokens[begin + i]
                native.pos[i] = batch.positions[begin + i]
                native.n_seq_id[i] = 1
                native.seq_id[i][0] = batch.sequences[begin + i]
                native.logits[i] = batch.outputs[begin + i]
            with self._interrupt:
                code = self._run(self.handle, native)
        finally:
            llama_cpp.llama_batch_free(native)
        if code == _ABORTED:
            raise OutOfTime(Usage(evaluated=self._decoded, calls=1))
        if code != 0:
            name = self._weights.path.name
            raise ModelUnusable(f"llama.cpp could not decode with {name} (code {code}). Use another model.")
        self._decoded += count

    def _should_abort(self, _data: Any) -> bool:
        return self._interrupt.pending or (self._deadline is not None and time.monotonic() > self._deadline)


def check_numbers(rows: Rows, name: str) -> None:
    """Refuse what a damaged model computes: a score that is not a number would rank in silence. ModelUnusable."""
    if not np.isfinite(rows).all():
        raise ModelUnusable(
            f"{name} computes what are no numbers: its weights are damaged, or too large for their type. Download it "
            "again, or use another model."
        )


def usable_cores() -> int:
    """Give how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def log_softmax_at(logits: Rows, targets: npt.NDArray[np.intp]) -> Rows:
    """Give log softmax(logits)[i, targets[i]] for each row i. Overwrites `logits`, which nobody needs afterwards:

    fresh memory for a copy of some megabytes a candidate costs more than the arithmetic.
    """
    peak = logits.max(axis=1)
    chosen = logits[np.arange(len(targets)), targets] - peak
    logits -= peak[:, None]
    np.exp(logits, out=logits)
    result: Rows = chosen - np.log(logits.sum(axis=1))
    return result


def log_softmax(logits: Rows) -> Rows:
    """Give the log-probabilities of logits, row by row."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Rows = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
