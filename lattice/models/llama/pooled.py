"""Models that make one vector of a text, or one score of a pair: a context that pools, and what is read from it.

An encoder keeps no states: as many texts as fit go through it together, each a sequence, which sees no other. A decoder
reads them one by one. Its KV streams would split a batch of unequal texts into several passes, of which each overwrites
the vector that the one before has pooled (a wrong mean, without a word); and llama.cpp sets aside a row of logits for
every token of a batch though nobody asks for it (600 KB a token for a vocabulary of 150,000).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import llama_cpp
import numpy as np

from lattice.errors import ModelUnusable
from lattice.models.kinds import is_encoder, pooling_of
from lattice.models.llama.decoding import Batch, Decoder, Rows
from lattice.models.llama.framing import PairFrame, TextFrame
from lattice.models.llama.weights import Weights
from lattice.types import Usage

# llama.cpp ends their heads with a softmax over the labels.
_SOFTMAX = frozenset({"qwen3", "qwen3vl"})
# The least that a probability may be before its logarithm is taken: float32 goes no lower.
_SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class Vectors:
    """One L2-normalised float32 row a text, shape (texts, d), and what reading them cost."""

    rows: Rows
    usage: Usage


@dataclass(frozen=True, slots=True)
class PairReading:
    """One score a pair, a logit, shape (texts,), float32, and what reading them cost."""

    scores: Rows
    usage: Usage


class Pooled:
    """The context of an embedding model or a reranker. Not thread-safe: the engine's lock covers it."""

    def __init__(self, weights: Weights, sequences: int, tokens: int, batch_tokens: int, threads: int) -> None:
        """Make it for texts of at most `tokens`, of which `sequences` of `batch_tokens` in all are read together.

        ModelUnusable where the file lacks what reading needs: a head, special tokens, room.
        """
        self._weights, self._batch_tokens = weights, batch_tokens
        # A position beyond those that an encoder has learnt would abort the process.
        limit = min(tokens, weights.trained_context)
        if weights.file.kind == "reranker":
            self._pairs, self._width = PairFrame(weights, limit), int(llama_cpp.llama_model_n_cls_out(weights.handle))
            self._yes, self._no = _head(weights, self._width)
        else:
            self._texts, self._width = TextFrame(weights, limit), int(llama_cpp.llama_model_n_embd_out(weights.handle))
        # What an encoder reads, it reads in one pass: llama.cpp ends the process where the pass is too small.
        together, passes = (sequences, max(limit, batch_tokens)) if is_encoder(weights.metadata) else (1, limit)
        self._decoder = Decoder(
            weights, together, limit, passes, threads, pooling_of(weights.metadata, weights.file.kind)
        )

    def close(self) -> None:
        """Free the context."""
        self._decoder.close()

    def stop(self) -> None:
        """End what another thread reads here by OutOfTime."""
        self._decoder.stop()

    def vectors(self, texts: Sequence[str], seconds: float | None = None) -> Vectors:
        """Read a vector of each text; a zero row where a text holds no token. OutOfTime after `seconds`."""
        started = time.perf_counter()
        self._decoder.start(seconds)
        fitted = [self._texts.fit(text) for text in texts]
        rows = self._read([tokens for tokens, _ in fitted])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows /= np.where(lengths > 0, lengths, 1)
        return Vectors(rows, _usage(fitted, started))

    def score_pairs(self, query: str, texts: Sequence[str], seconds: float | None = None) -> PairReading:
        """Read a score of each text for the query; the texts lose their ends before the query does. OutOfTime."""
        started = time.perf_counter()
        self._decoder.start(seconds)
        asked, was_asked_less = self._pairs.fit_query(query)
        fitted = [self._pairs.fit(asked, text) for text in texts]
        rows = self._read([tokens for tokens, _ in fitted])
        return PairReading(self._logits(rows), _usage(fitted, started) + Usage(trimmed=int(was_asked_less)))

    def pair_cost(self, query: str, text: str) -> int:
        """Give the tokens that scoring the pair evaluates."""
        asked, _ = self._pairs.fit_query(query)
        return len(self._pairs.fit(asked, text)[0])

    def _read(self, texts: Sequence[Sequence[int]]) -> Rows:
        """Give what the model pools of each text, shape (texts, width); zeros for one without tokens."""
        rows = np.zeros((len(texts), self._width), dtype=np.float32)
        for group in self._groups(texts):
            batch = Batch()
            for sequence, i in enumerate(group):
                batch.add(texts[i], 0, sequence, outputs=len(texts[i]))
            try:
                self._decoder.decode(batch)
                for sequence, i in enumerate(group):
                    rows[i] = self._decoder.pooled(sequence, self._width)
            finally:
                self._decoder.clear()
        return rows

    def _groups(self, texts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Yield which texts are read together: neighbours, as many as there are sequences and tokens in a batch."""
        group: list[int] = []
        tokens = 0
        for i, text in enumerate(texts):
            if group and (len(group) == self._decoder.sequences or tokens + len(text) > self._batch_tokens):
                yield group
                group, tokens = [], 0
            if text:
                group.append(i)
                tokens += len(text)
        if group:
            yield group

    def _logits(self, rows: Rows) -> Rows:
        """Give one score a row: the only output, or that for yes less that for no (log P(yes) − log P(no))."""
        if self._no is None:
            return rows[:, self._yes].copy()
        if self._weights.metadata("general.architecture") in _SOFTMAX:
            rows = np.log(np.maximum(rows, _SMALLEST))
        difference: Rows = rows[:, self._yes] - rows[:, self._no]
        return difference


def _head(weights: Weights, outputs: int) -> tuple[int, int | None]:
    """Give which output says yes and which no (None: there is only one); ModelUnusable for what is no reranker's head.

    Without a head llama.cpp gives numbers all the same: of the last layer, and of the wrong text.
    """
    name, architecture = weights.path.name, weights.metadata("general.architecture") or ""
    tensor = "cls.weight" if architecture == "jina-bert-v2" else "cls.output.weight"
    if tensor not in weights.file.heads:
        raise ModelUnusable(
            f"{name} calls itself a reranker, but has no head for scores ({tensor}): convert it again, or use another."
        )
    if outputs == 1 and architecture not in _SOFTMAX:
        return 0, None
    labels = [llama_cpp.llama_model_cls_label(weights.handle, i) or b"" for i in range(outputs)]
    said = [label.decode("utf-8", errors="replace").casefold() for label in labels]
    if sorted(said) != ["no", "yes"]:
        raise ModelUnusable(
            f"{name} tells apart {', '.join(said) or 'nothing'}, and not yes and no: it is no reranker. Use another."
        )
    return said.index("yes"), said.index("no")


def _usage(fitted: Sequence[tuple[list[int], bool]], started: float) -> Usage:
    tokens = sum(len(one) for one, _ in fitted)
    cut = sum(was_cut for _, was_cut in fitted)
    return Usage(evaluated=tokens, calls=1, seconds=time.perf_counter() - started, trimmed=cut)
