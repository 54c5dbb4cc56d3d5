"""Judges: who reads a slate and scores it. All scores leave in [0, 1], larger is more relevant."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lattice.models.prompts import likelihood_prefix
from lattice.traversal.windows import best_window, query_stems
from lattice.types import Candidate, Judgement, OutOfTime, Slate, Usage


class Reading(Protocol):
    """What an engine answers: the mean log P (nats a token) of the continuation after each prefix, and the cost."""

    @property
    def logprobs(self) -> tuple[float, ...]:
        """One mean log-probability a prefix."""
        ...

    @property
    def usage(self) -> Usage:
        """What the reading cost."""
        ...


class ProbabilityReader(Protocol):
    """An engine that reads probabilities; `lattice.models.llama.engine.LlamaEngine` is one."""

    def continuation_logprobs(
        self, prefixes: Sequence[str], continuation: str, *, keep: bool = True, seconds: float | None = None
    ) -> Reading:
        """Read the mean log P of `continuation` after each of `prefixes`."""
        ...

    def cost(self, prefix: str, continuation: str) -> int:
        """Give the tokens that reading `continuation` after `prefix` would evaluate."""
        ...


@dataclass(frozen=True, slots=True)
class Scale:
    """Turns a log-likelihood gain x (nats a token) into a score σ((x − offset) / width) (method §3.6)."""

    offset: float
    width: float

    def score(self, gain: float) -> float:
        """Give the score in (0, 1) of a gain."""
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, (gain - self.offset) / self.width))))


# Chosen on the tuning collections with SmolLM2-135M (benchmarks/fit_likelihood.py; the optimum is flat).
LEAF_SCALE = Scale(offset=1.0, width=0.8)
# Not fitted yet: descriptions say less of a query than passages do, so the same gain counts for more.
NODE_SCALE = Scale(offset=0.5, width=0.8)
# A leaf is judged by the 60 words that match the query best: longer costs more and ranks no better (method §3.1).
WINDOW_WORDS = 60
# A long need is read up to here, for every candidate pays for every word; what the rest would add was not measured.
QUERY_WORDS = 64


@dataclass(slots=True)
class LikelihoodJudge:
    """Scores a candidate by how much more probable it makes the query: mean log P(q | d) − mean log P(q | nothing).

    The way in which a very small model judges best (method §3.1). Candidates are scored independently: there is no
    slate bias. The KV states of internal nodes' descriptions are kept; a leaf's window depends on the query, so its
    state would never be used again.
    """

    engine: ProbabilityReader
    window_words: int = WINDOW_WORDS
    query_words: int = QUERY_WORDS
    leaf_scale: Scale = LEAF_SCALE
    node_scale: Scale = NODE_SCALE
    slate_dependent: bool = False
    deadline: float | None = None
    _baseline: tuple[str, float] | None = None

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate; OutOfTime when `deadline` (of time.monotonic) comes before that."""
        gains, usage = self.gains(query, slate)
        scores = tuple(
            (self.leaf_scale if candidate.is_leaf else self.node_scale).score(gain)
            for candidate, gain in zip(slate.candidates, gains, strict=True)
        )
        return Judgement(scores, usage)

    def gains(self, query: str, slate: Slate) -> tuple[list[float], Usage]:
        """Give the log-likelihood gain (nats a token) of each candidate, and what reading them cost."""
        shown = self._shorten(query)
        stems = query_stems(query)
        baseline, usage = self._log_probability_alone(shown)
        gains: dict[int, float] = {}
        for is_leaf in (False, True):
            chosen = [i for i, candidate in enumerate(slate.candidates) if candidate.is_leaf is is_leaf]
            if not chosen:
                continue
            texts = [self._prefix(slate.candidates[i], stems) for i in chosen]
            try:
                reading = self.engine.continuation_logprobs(
                    texts, shown, keep=not is_leaf, seconds=self._seconds_left()
                )
            except OutOfTime as late:
                raise OutOfTime(usage + late.usage) from late
            usage += reading.usage
            gains |= {i: value - baseline for i, value in zip(chosen, reading.logprobs, strict=True)}
        return [gains[i] for i in range(len(slate.candidates))], usage

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate would evaluate; reading the query alone is put on the first."""
        shown, costs = self._shorten(query), self.prices(query, candidates)
        if costs and (self._baseline is None or self._baseline[0] != shown):
            costs[0] += self.engine.cost(likelihood_prefix("", ""), shown)
        return costs

    def prices(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate would evaluate where the query alone has been read."""
        shown, stems = self._shorten(query), query_stems(query)
        return [self.engine.cost(self._prefix(candidate, stems), shown) for candidate in candidates]

    def _log_probability_alone(self, query: str) -> tuple[float, Usage]:
        """Give mean log P(q | nothing), read once a query."""
        if self._baseline is not None and self._baseline[0] == query:
            return self._baseline[1], Usage()
        reading = self.engine.continuation_logprobs([likelihood_prefix("", "")], query, seconds=self._seconds_left())
        self._baseline = (query, reading.logprobs[0])
        return reading.logprobs[0], reading.usage

    def _prefix(self, candidate: Candidate, stems: frozenset[str]) -> str:
        if not candidate.is_leaf:
            return likelihood_prefix("", candidate.text)
        start, end = best_window(candidate.text, stems, self.window_words)
        return likelihood_prefix(candidate.title, candidate.text[start:end])

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def _shorten(self, query: str) -> str:
        words = query.split()
        return " ".join(words[: self.query_words])
