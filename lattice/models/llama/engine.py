"""A llama.cpp model as verbs. Probabilities are read, never sampled.

Two things make judging cheap here. A static text (instruction and description) is decoded once and its KV state kept,
so that another query costs only its own tokens. And many candidates are decoded together, each in a KV stream of its
own (`kv_unified=False`), which keeps a score independent of the company and of the order it was read in.

Every reading has two phases, cold or warm: the prefix without its last token, then that token with the continuation.
So a restored state and a fresh one give the same numbers, bit for bit.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
import numpy.typing as npt

from lattice.errors import ModelUnusable
from lattice.models.llama.interrupt import HeldInterrupt
from lattice.models.llama.native import check_gguf, quiet_native_log
from lattice.models.llama.states import StateCache
from lattice.types import OutOfTime, Usage

# One row of logits is 4 bytes for each entry of the vocabulary (197 KB for SmolLM2): rows are reduced in such groups.
_MAX_OUTPUT_ROWS = 256
_ABORTED = 2  # what llama_decode returns after the abort callback said stop


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How a model is run. `threads` 0 means every core that this process may use; `cache_bytes` bounds kept KV states.

    `sequences` candidates of at most `sequence_tokens` tokens are decoded together.
    """

    threads: int = 0
    sequences: int = 16
    sequence_tokens: int = 512
    batch_tokens: int = 512
    gpu_layers: int = 0
    cache_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """Mean log-probability (nats a token) of a continuation after each prefix, and what reading it cost.

    `trimmed` counts the prefixes and continuations that had to be cut to fit the context.
    """

    logprobs: tuple[float, ...]
    usage: Usage
    trimmed: int = 0


@dataclass(slots=True)
class _Batch:
    """Tokens to decode together: token, position, sequence, and whether its logits are wanted."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    outputs: list[bool] = field(default_factory=list)

    def add(self, tokens: Sequence[int], start: int, sequence: int, *, output: bool) -> None:
        self.tokens += tokens
        self.positions += range(start, start + len(tokens))
        self.sequences += [sequence] * len(tokens)
        self.outputs += [output] * len(tokens)


class LlamaEngine:
    """One loaded model with one context. Calls are serialised by a lock; never fork a process that holds one."""

    def __init__(self, path: Path, settings: EngineSettings | None = None) -> None:
        """Load the GGUF at `path`; ModelUnusable, with the reason, when it is none or llama.cpp refuses it."""
        self.settings = settings or EngineSettings()
        self.path = path
        check_gguf(path)
        quiet_native_log()
        self._lock = threading.Lock()
        self._deadline: float | None = None
        self._interrupt = HeldInterrupt()
        self._decoded = 0
        self._model = self._load_model()
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model)
        self._vocabulary_size = int(llama_cpp.llama_vocab_n_tokens(self._vocabulary))
        self._context = self._make_context()
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._capacity = int(llama_cpp.llama_n_ctx_seq(self._context))
        self._states = StateCache(self.settings.cache_bytes)
        self.name = self._metadata("general.name") or path.stem
        self.parameters = int(llama_cpp.llama_model_n_params(self._model))

    def close(self) -> None:
        """Free the context and the model; the engine is unusable afterwards."""
        with self._lock:
            if self._context is not None:
                llama_cpp.llama_free(self._context)
                llama_cpp.llama_model_free(self._model)
                self._context = self._model = None

    @property
    def kept_bytes(self) -> int:
        """How many bytes the kept KV states take."""
        return self._states.bytes_used

    def fingerprint(self) -> str:
        """Name the model and everything that changes its probabilities; the key of what is kept between runs."""
        stat = self.path.stat()
        source = f"{self.path.name}:{stat.st_size}:{self.parameters}:{llama_cpp.__version__}:f16:split"
        return hashlib.sha256(source.encode()).hexdigest()[:16]

    def tokenize(self, text: str) -> list[int]:
        """Give the token ids of `text`; control tokens that a document spells out are plain text."""
        raw = text.encode("utf-8", errors="replace")
        room = len(raw) + 8
        buffer = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocabulary, raw, len(raw), buffer, room, False, False)
        if count < 0:
            raise ModelUnusable(
                f"{self.path.name} cannot tokenise a text; it is damaged or of an unknown kind. Use another model."
            )
        return list(buffer[:count])

    def continuation_logprobs(
        self, prefixes: Sequence[str], continuation: str, *, keep: bool = True, seconds: float | None = None
    ) -> Reading:
        """Read the mean log P (nats a token) of `continuation` after each of `prefixes`.

        With `keep`, the prefixes' KV states are kept for the next query. `seconds` caps the time: OutOfTime when it is
        over. A prefix that does not fit loses its beginning, a continuation its end.
        """
        started = time.perf_counter()
        with self._lock:
            self._check_open()
            self._deadline = None if seconds is None else time.monotonic() + seconds
            self._decoded = 0
            query, cut = self._fit_continuation(continuation)
            texts = [self._fit_prefix(prefix, len(query)) for prefix in prefixes]
            scores: list[float] = []
            usage = Usage(calls=1)
            for begin in range(0, len(texts), self.settings.sequences):
                group = [tokens for tokens, _ in texts[begin : begin + self.settings.sequences]]
                group_scores, group_usage = self._read_group(group, query, keep=keep)
                scores += group_scores
                usage += group_usage
        trimmed = cut + sum(was_cut for _, was_cut in texts)
        return Reading(tuple(scores), usage + Usage(seconds=time.perf_counter() - started), trimmed)

    def _check_open(self) -> None:
        if self._context is None:
            raise ModelUnusable(f"The engine of {self.path.name} was closed; make a new one.")

    def cost(self, prefix: str, continuation: str) -> int:
        """Give the tokens that reading `continuation` after `prefix` would evaluate now, kept states taken off."""
        with self._lock:
            self._check_open()
            query, _ = self._fit_continuation(continuation)
            tokens, _ = self._fit_prefix(prefix, len(query))
            head = tuple(tokens[:-1])
            return len(query) + (0 if self._states.holds(head) else len(head))

    def _fit_continuation(self, text: str) -> tuple[list[int], int]:
        tokens = self.tokenize(text)
        limit = self._capacity // 2
        if not tokens:
            raise ValueError("the continuation holds no token")
        return tokens[:limit], int(len(tokens) > limit)

    def _fit_prefix(self, text: str, reserved: int) -> tuple[list[int], bool]:
        tokens = self.tokenize(text) or [self._first_token()]
        limit = self._capacity - reserved
        return tokens[-limit:], len(tokens) > limit

    def _first_token(self) -> int:
        for token in (llama_cpp.llama_vocab_bos(self._vocabulary), llama_cpp.llama_vocab_eos(self._vocabulary)):
            if token >= 0:
                return int(token)
        return 0

    def _read_group(self, prefixes: list[list[int]], query: list[int], *, keep: bool) -> tuple[list[float], Usage]:
        try:
            evaluated, reused = self._load_prefixes(prefixes, keep=keep)
            scores = self._read_query(prefixes, query)
        finally:
            llama_cpp.llama_memory_clear(self._memory, False)
        return scores, Usage(evaluated=evaluated + len(prefixes) * len(query), reused=reused)

    def _load_prefixes(self, prefixes: list[list[int]], *, keep: bool) -> tuple[int, int]:
        batch, cold, reused = _Batch(), [], 0
        for sequence, tokens in enumerate(prefixes):
            head = tuple(tokens[:-1])
            if head and self._states.restore(self._context, sequence, head):
                reused += len(head)
            elif head:
                batch.add(head, 0, sequence, output=False)
                cold.append(sequence)
        self._decode(batch)
        if keep:
            for sequence in cold:
                self._states.save(self._context, sequence, tuple(prefixes[sequence][:-1]))
        return len(batch.tokens), reused

    def _read_query(self, prefixes: list[list[int]], query: list[int]) -> list[float]:
        """Decode the query behind every prefix, as many at a time as the rows allow, and average its log P."""
        targets = np.asarray(query, dtype=np.intp)
        together = max(1, min(_MAX_OUTPUT_ROWS, self.settings.batch_tokens) // len(query))
        scores: list[float] = []
        for begin in range(0, len(prefixes), together):
            batch = _Batch()
            chosen = range(begin, min(begin + together, len(prefixes)))
            for sequence in chosen:
                last = prefixes[sequence][-1]
                batch.add([last, *query[:-1]], len(prefixes[sequence]) - 1, sequence, output=True)
            self._decode(batch)
            rows = self._logits(len(batch.tokens)).reshape(len(chosen), len(query), -1)
            scores += [float(_log_softmax_at(block, targets).mean()) for block in rows]
        return scores

    def _logits(self, rows: int) -> npt.NDArray[np.float32]:
        pointer = llama_cpp.llama_get_logits(self._context)
        if not pointer:
            raise ModelUnusable(
                f"{self.path.name} gave no logits; it is not a text-generating model. Use another model."
            )
        return np.ctypeslib.as_array(pointer, shape=(rows, self._vocabulary_size))

    def _decode(self, batch: _Batch) -> None:
        limit = self.settings.batch_tokens
        for begin in range(0, len(batch.tokens), limit):
            self._decode_part(batch, begin, min(begin + limit, len(batch.tokens)))

    def _decode_part(self, batch: _Batch, begin: int, end: int) -> None:
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
                code = llama_cpp.llama_decode(self._context, native)
        finally:
            llama_cpp.llama_batch_free(native)
        if code == _ABORTED:
            raise OutOfTime(Usage(evaluated=self._decoded, calls=1))
        if code != 0:
            raise ModelUnusable(f"llama.cpp could not decode with {self.path.name} (code {code}). Use another model.")
        self._decoded += count

    def _should_abort(self, _data: Any) -> bool:
        return self._interrupt.pending or (self._deadline is not None and time.monotonic() > self._deadline)

    def _load_model(self) -> Any:
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.n_gpu_layers = self.settings.gpu_layers
        model = llama_cpp.llama_model_load_from_file(os.fsencode(self.path), params)
        if not model:
            raise ModelUnusable(
                f"llama.cpp cannot load {self.path}: the file is damaged, or its architecture is unknown to this "
                "version. Check the download, or use another model."
            )
        return model

    def _make_context(self) -> Any:
        settings = self.settings
        threads = settings.threads or _usable_cores()
        sequences = min(settings.sequences, int(llama_cpp.llama_max_parallel_sequences()))
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = sequences * settings.sequence_tokens
        params.n_batch = params.n_ubatch = settings.batch_tokens
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = False
        params.no_perf = True
        context = llama_cpp.llama_init_from_model(self._model, params)
        if not context:
            llama_cpp.llama_model_free(self._model)
            raise ModelUnusable(
                f"llama.cpp cannot run {self.path}: no context of {params.n_ctx} tokens. Free some memory."
            )
        self._abort = llama_cpp.ggml_abort_callback(self._should_abort)
        llama_cpp.llama_set_abort_callback(context, self._abort, None)
        return context

    def _metadata(self, key: str) -> str:
        buffer = ctypes.create_string_buffer(512)
        length = llama_cpp.llama_model_meta_val_str(self._model, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", errors="replace") if length > 0 else ""


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _log_softmax_at(logits: npt.NDArray[np.float32], targets: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Give log softmax(logits)[i, targets[i]] for each row i."""
    peak = logits.max(axis=1)
    total = np.exp(logits - peak[:, None]).sum(axis=1)
    chosen = logits[np.arange(len(targets)), targets]
    result: npt.NDArray[np.float32] = chosen - peak - np.log(total)
    return result
