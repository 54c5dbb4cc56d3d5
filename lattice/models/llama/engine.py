"""A llama.cpp model as verbs: probabilities are read, and text is generated only where a judge must reason.

Two things make judging cheap here. A static text (instruction and description) is decoded once and its KV state kept,
so that another query costs only its own tokens. And many candidates are decoded together, each in a KV stream of its
own (`kv_unified=False`), which keeps a score independent of the company and of the order it was read in.

Every reading has two phases, cold or warm: the prefix without its last token, then that token with what follows.
So a restored state and a fresh one give the same numbers, bit for bit.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lattice.errors import ModelUnusable
from lattice.models.kinds import refusal
from lattice.models.llama.chat import framed
from lattice.models.llama.decoding import Batch, Decoder, Rows, check_numbers, log_softmax, log_softmax_at, usable_cores
from lattice.models.llama.expecting import Expected, expected_words, expected_words_cost
from lattice.models.llama.generation import Generated, generated
from lattice.models.llama.pooled import PairReading, Pooled, Vectors
from lattice.models.llama.readings import LabelReading, Reading
from lattice.models.llama.representing import Represented, represented
from lattice.models.llama.state_files import StateFiles
from lattice.models.llama.states import ContextStates, StateCache, owner
from lattice.models.llama.texts import Text, framed_tokens, in_two_phases, prompt_tokens
from lattice.models.llama.weights import Weights
from lattice.models.prompts import BARE, Frame, Prompt
from lattice.models.settings import EngineSettings
from lattice.types import Matrix, ModelKind, OutOfTime, Usage

# One row of logits is 4 bytes for each entry of the vocabulary (197 KB for SmolLM2): rows are reduced in such groups.
_MAX_OUTPUT_BYTES = 64 * 1024 * 1024

Reduce = Callable[[Rows], npt.NDArray[np.float32]]
"""Takes the logits of one candidate, shape (wanted tokens, vocabulary), to what is kept of them."""


class LlamaEngine:
    """One loaded model. Calls are serialised by a lock; never fork a process that holds one."""

    def __init__(self, path: Path, settings: EngineSettings | None = None) -> None:
        """Load the GGUF at `path`; ModelUnusable, with the reason, when it is none or llama.cpp refuses it."""
        self.settings = settings or EngineSettings()
        self.path = path
        self._lock = threading.Lock()
        self._is_stopped = False
        self._weights: Weights | None = Weights(path, self.settings.gpu_layers)
        # Static texts whose state was there when it was wanted, and those that had to be read.
        self.kept_found = self.kept_missed = 0
        self._process = os.getpid()
        self.kind: ModelKind = self._weights.file.kind
        self._prompts: Decoder | None = None
        self._context: Decoder | Pooled
        try:
            self._files = self._state_files()
            self._kept = StateCache(self.settings.cache_bytes, self._files)
            self._states, self._prompt_states = self._kept.of("streams"), self._kept.of("prompts")
            self._context = (
                self._pooled_context()
                if self.kind != "generative"
                else self._decoder(self.settings.sequences, self.settings.sequence_tokens)
            )
        except ModelUnusable:
            self._weights.close()
            raise
        self.name, self.parameters = self._weights.name, self._weights.parameters

    def close(self) -> None:
        """Free the contexts and the model; the engine is unusable afterwards."""
        with self._lock:
            if self._weights is not None:
                for decoder in (self._context, self._prompts):
                    if decoder is not None:
                        decoder.close()
                self._weights.close()
                self._weights = None

    def stop(self) -> None:
        """End by OutOfTime what another thread reads, and all that it begins before `resume`."""
        self._is_stopped = True  # first, so that what begins now either sees it or is ended below
        for decoder in (self._context, self._prompts):
            if decoder is not None:
                decoder.stop()

    def resume(self) -> None:
        """Read again after `stop`."""
        self._is_stopped = False

    @property
    def kept_bytes(self) -> int:
        """How many bytes the kept KV states take."""
        return self._kept.bytes_used

    @property
    def problem(self) -> str | None:
        """Why KV states could not be kept on disk, where that was asked for and went wrong."""
        return None if self._files is None else self._files.problem

    def tokenize(self, text: str) -> list[int]:
        """Give the token ids of `text`; control tokens that a document spells out are plain text."""
        return self._open().tokenize(text)

    def prompt(self, system: str, static: str, dynamic: str) -> Prompt:
        """Frame a request by the model's chat template; what does not depend on the query goes into `static`."""
        return framed(self._open(), system, static, dynamic)

    def continuation_logprobs(
        self,
        texts: Sequence[str],
        continuation: str,
        *,
        frame: Frame = BARE,
        keep: bool = True,
        seconds: float | None = None,
    ) -> Reading:
        """Read the mean log P (nats a token) of `continuation` after each of `texts`, each in its frame.

        With `keep`, the texts' KV states are kept for the next query. `seconds` caps the time: OutOfTime when it is
        over. A text or continuation that does not fit loses its end.
        """
        started = time.perf_counter()
        with self._task(self._streams, seconds):
            query, was_cut = self._fit_continuation(continuation)
            fitted = [framed_tokens(self._open(), frame, text, self._streams.capacity - len(query)) for text in texts]
            whole = [Text(tuple(tokens[:-1]), (tokens[-1], *query[:-1]), len(query)) for tokens, _ in fitted]
            targets = np.asarray(query, dtype=np.intp)
            rows, usage = self._read(
                self._streams, self._states, whole, lambda logits: log_softmax_at(logits, targets), keep
            )
        by_token = np.stack(rows) if rows else np.empty((0, len(query)), dtype=np.float32)
        means = tuple(map(float, by_token.mean(axis=1)))
        trimmed = was_cut + sum(cut for _, cut in fitted)
        return Reading(means, by_token, usage + Usage(0, 0, 0, 1, time.perf_counter() - started, trimmed))

    def label_logits(
        self, prompts: Sequence[Prompt], labels: Sequence[str], *, keep: bool = True, seconds: float | None = None
    ) -> LabelReading:
        """Read how probable each label is as the first thing said after each prompt.

        Labels must be single tokens of the model: ModelUnusable names one that is not. Prompts that fit a stream are
        decoded together, longer ones alone; one that is too long even so loses the end of its static half.
        """
        started = time.perf_counter()
        chosen = np.array([self._label(label) for label in labels], dtype=np.intp)
        found: dict[int, Rows] = {}
        usage, trimmed = Usage(calls=1), 0
        short = [i for i, one in enumerate(prompts) if self._length(one) <= self._streams.capacity]
        long = [i for i in range(len(prompts)) if i not in set(short)]
        for decoder, states, members in (
            (self._streams, self._states, short),
            (self._alone() if long else self._streams, self._prompt_states, long),
        ):
            if not members:
                continue
            with self._task(decoder, seconds):
                fitted = [self._fit_prompt(prompts[i], decoder.capacity) for i in members]
                rows, spent = self._read(
                    decoder, states, [text for text, _ in fitted], lambda logits: log_softmax(logits)[0, chosen], keep
                )
            found |= dict(zip(members, rows, strict=True))
            usage += spent
            trimmed += sum(was_cut for _, was_cut in fitted)
        by_label = np.stack([found[i] for i in range(len(prompts))])
        return LabelReading(by_label, usage + Usage(seconds=time.perf_counter() - started, trimmed=trimmed))

    def generate(
        self, prompt: Prompt, *, grammar: str | None = None, max_tokens: int = 512, seconds: float | None = None
    ) -> Generated:
        """Let the model answer, always with its likeliest token, as far as `grammar` (GBNF, from `root`) allows.

        Ends at the model's own end, at `max_tokens`, or when `seconds` are over: what was said until then is kept.
        ModelUnusable where llama.cpp refuses the grammar.
        """
        started = time.perf_counter()
        decoder = self._alone()
        with self._task(decoder, seconds):
            text, was_cut = self._fit_prompt(prompt, decoder.capacity - max_tokens)
            try:
                evaluated, reused = self._load_heads(decoder, self._prompt_states, [text.head], keep=True)
                answer = generated(self._open(), decoder, text.head, text.tail, grammar, max_tokens)
            finally:
                decoder.clear()
        usage = Usage(evaluated + len(text.tail), reused, answer.tokens, 1, time.perf_counter() - started, int(was_cut))
        return Generated(answer.text, answer.ended, usage)

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Give one L2-normalised float32 row a text, (n, d); prefixes that a model wants are the caller's business."""
        return self.embed_counted(texts).rows

    def embed_counted(self, texts: Sequence[str], *, seconds: float | None = None) -> Vectors:
        """Embed as `embed` does, and tell the cost and how many texts were cut; ModelUnusable, OutOfTime."""
        with self._lock:
            return self._pooled("embedding").vectors(texts, seconds)

    def represent(self, texts: Sequence[str], frame: Frame, *, seconds: float | None = None) -> Represented:
        """Give what a model that writes holds ready to say after each text; ModelUnusable, OutOfTime.

        A row of logits is kept of each: 4 bytes for every token of the vocabulary.
        """
        with self._task(self._streams, seconds):
            return represented(self._open(), self._streams, self._states, texts, frame)

    def expected_words(self, text: str, frame: Frame, most: int, *, seconds: float | None = None) -> Expected:
        """Give the `most` words that a text makes likelier than nothing does, as what comes next; OutOfTime."""
        with self._task(self._streams, seconds):
            return expected_words(self._open(), self._streams, self._states, text, frame, most)

    def expected_cost(self, text: str, frame: Frame) -> int:
        """Give the tokens that `expected_words` evaluates where no state is kept."""
        with self._task(self._streams, None):
            return expected_words_cost(self._open(), text, frame, self._streams.capacity)

    def score_pairs(self, query: str, texts: Sequence[str], *, seconds: float | None = None) -> PairReading:
        """Read a reranker's score (a logit) of each text for the query; ModelUnusable, OutOfTime."""
        with self._lock:
            return self._pooled("reranker").score_pairs(query, texts, seconds)

    def pair_cost(self, query: str, text: str) -> int:
        """Give the tokens that scoring the pair would evaluate."""
        with self._lock:
            return self._pooled("reranker").pair_cost(query, text)

    def cost(self, text: str, continuation: str, frame: Frame = BARE) -> int:
        """Give the tokens that reading `continuation` after `text` evaluates where no state of it is kept."""
        with self._task(self._streams, None):
            query, _ = self._fit_continuation(continuation)
            tokens, _ = framed_tokens(self._open(), frame, text, self._streams.capacity - len(query))
            return len(query) + len(tokens) - 1

    def prompt_cost(self, prompt: Prompt) -> int:
        """Give the tokens that reading the prompt evaluates where no state of it is kept."""
        with self._task(self._streams, None):
            is_short = self._length(prompt) <= self._streams.capacity
            text, _ = self._fit_prompt(prompt, self._streams.capacity if is_short else self._alone().capacity)
            return len(text.tail) + len(text.head)

    def room(self, prompt: Prompt, writing: int = 0) -> int:
        """Give how many tokens are left beside the prompt and `writing` tokens of an answer; below 0: so many over."""
        with self._task(self._streams, None):
            return self._prompt_capacity() - writing - self._length(prompt)

    def _open(self) -> Weights:
        if self._weights is None:
            raise ModelUnusable(f"The engine of {self.path.name} was closed; make a new one.")
        if os.getpid() != self._process:
            # llama.cpp's threads do not live on in a child: its first decode would wait for ever.
            raise ModelUnusable(f"{self.path.name} was loaded before this process was forked; load it here.")
        return self._weights

    @contextmanager
    def _task(self, decoder: Decoder, seconds: float | None) -> Iterator[None]:
        with self._lock:
            self._open()
            decoder.start(seconds)
            if self._is_stopped:
                raise OutOfTime(Usage())
            yield

    def _state_files(self) -> StateFiles | None:
        folder = self.settings.disk_cache
        if folder is None or self.settings.disk_bytes <= 0:
            return None
        try:
            return StateFiles(folder, self.settings.disk_bytes, owner(self._open(), self.settings.gpu_layers))
        except OSError as error:
            raise ModelUnusable(
                f"KV states cannot be kept in {folder}: {error.strerror or error}. Make it writable, or leave the "
                "cache on disk out."
            ) from error

    @property
    def _streams(self) -> Decoder:
        """The context that most is read in; ModelUnusable for a model that is not there to write."""
        self._require("generative")
        assert isinstance(self._context, Decoder)
        return self._context

    def _pooled(self, kind: ModelKind) -> Pooled:
        self._open()
        self._require(kind)
        assert isinstance(self._context, Pooled)
        return self._context

    def _require(self, kind: ModelKind) -> None:
        if self.kind != kind:
            raise ModelUnusable(refusal(self.path.name, self.kind, kind))

    def _pooled_context(self) -> Pooled:
        size = self.settings
        threads = size.threads or usable_cores()
        return Pooled(self._open(), size.sequences, size.sequence_tokens, size.batch_tokens, threads)

    def _decoder(self, sequences: int, sequence_tokens: int) -> Decoder:
        threads = self.settings.threads or usable_cores()
        return Decoder(self._open(), sequences, sequence_tokens, self.settings.batch_tokens, threads)

    def _alone(self) -> Decoder:
        """Give the context for one long prompt at a time."""
        self._require("generative")
        if self._prompts is None:
            self._prompts = self._decoder(1, self._prompt_capacity())
        return self._prompts

    def _prompt_capacity(self) -> int:
        return min(self.settings.prompt_tokens, self._open().trained_context or self.settings.prompt_tokens)

    def _fit_continuation(self, text: str) -> tuple[list[int], int]:
        tokens = self.tokenize(text)
        # All of its logits are wanted, and only those of one batch can be had.
        limit = min(self._streams.capacity // 2, self._streams.batch_tokens)
        if not text:
            raise ValueError("the continuation is empty and holds no token")
        if not tokens:
            raise ModelUnusable(
                f"The vocabulary of {self.path.name} has no token for {text[:40]!r}. Use another model."
            )
        return tokens[:limit], int(len(tokens) > limit)

    def _fit_prompt(self, prompt: Prompt, room: int) -> tuple[Text, bool]:
        return in_two_phases(*prompt_tokens(self._open(), prompt), room)

    def _length(self, prompt: Prompt) -> int:
        return sum(map(len, prompt_tokens(self._open(), prompt)))

    def _label(self, label: str) -> int:
        tokens = self.tokenize(label)
        if len(tokens) != 1:
            raise ModelUnusable(
                f"{label!r} is {len(tokens)} tokens of {self.path.name}, and as an answer must be one. Use --judge "
                "likelihood, which needs no answers, or another model."
            )
        return tokens[0]

    # How texts are read

    def _read(
        self, decoder: Decoder, states: ContextStates, texts: Sequence[Text], reduce: Reduce, keep: bool
    ) -> tuple[list[Rows], Usage]:
        """Read texts in groups of as many as there are streams; what `reduce` keeps of each, in their order."""
        found: dict[int, Rows] = {}
        usage = Usage()
        for begin in range(0, len(texts), decoder.sequences):
            # What must be decoded takes neighbouring streams, the longest first (plan.rectangles).
            order = sorted(
                range(begin, min(begin + decoder.sequences, len(texts))),
                key=lambda i: (states.holds(texts[i].head), -len(texts[i].head)),
            )
            group = [texts[i] for i in order]
            try:
                evaluated, reused = self._load_heads(decoder, states, [text.head for text in group], keep=keep)
                found |= zip(order, self._read_tails(decoder, group, reduce), strict=True)
            finally:
                decoder.clear()
            usage += Usage(evaluated=evaluated + sum(len(text.tail) for text in group), reused=reused)
        return [found[i] for i in range(len(texts))], usage

    def _load_heads(
        self, decoder: Decoder, states: ContextStates, heads: Sequence[tuple[int, ...]], *, keep: bool
    ) -> tuple[int, int]:
        """Bring stream i to the end of head i, from kept states where there are; tokens evaluated and reused."""
        cold = [i for i, head in enumerate(heads) if head and not states.restore(decoder.handle, i, head)]
        decoder.decode_streams({i: heads[i] for i in sorted(cold, key=lambda i: -len(heads[i]))})
        if keep:
            for sequence in cold:
                states.save(decoder.handle, sequence, heads[sequence])
            self.kept_found += len(heads) - len(cold)
            self.kept_missed += len(cold)
        evaluated = sum(len(heads[i]) for i in cold)
        return evaluated, sum(map(len, heads)) - evaluated

    def _read_tails(self, decoder: Decoder, group: Sequence[Text], reduce: Reduce) -> list[Rows]:
        """Decode the tails, as many at a time as batch and rows allow, for logits last until the next decode."""
        found: list[Rows] = []
        tokens, outputs = max(len(text.tail) for text in group), max(text.outputs for text in group)
        rows = _MAX_OUTPUT_BYTES // (4 * self._open().vocabulary_size)
        at_once = max(1, min(decoder.batch_tokens // tokens, rows // outputs))
        # Parts of equal size: a small rest would cost nearly as much as a large one.
        size = math.ceil(len(group) / math.ceil(len(group) / at_once))
        for begin in range(0, len(group), size):
            part, batch = group[begin : begin + size], Batch()
            for sequence, text in enumerate(part, begin):
                batch.add(text.tail, len(text.head), sequence, outputs=text.outputs)
            decoder.decode(batch)
            ends = np.cumsum([text.outputs for text in part])
            # What is no number is told below, by an error and not by a warning.
            with np.errstate(all="ignore"):
                found += [reduce(block) for block in np.split(decoder.logits(int(ends[-1])), ends[:-1])]
        for kept in found:
            check_numbers(kept, self.path.name)
        return found
