"""The pointwise judge: yes or no, a candidate at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from lattice.models.prompts import NO, POINTWISE_DYNAMIC, POINTWISE_STATIC, RELEVANCE, SYSTEM, YES, Prompt
from lattice.traversal.judges.reading import (
    QUERY_WORDS,
    WINDOW_WORDS,
    LabelReader,
    Scale,
    shown_text,
    shown_to_fit,
    told,
)
from lattice.traversal.windows import query_stems
from lattice.types import Candidate, Judgement, Slate, Usage

# Not fitted: no larger model has been at hand. A gain of 0 is a text that says no more than an empty one.
SCALE = Scale(offset=1.0, width=1.0)


@dataclass(slots=True)
class PointwiseJudge:
    """Scores a candidate by log P(Yes) − log P(No), less the same for an empty passage: which of the two a model
    prefers whatever it reads is no evidence (method §3.1). Candidates are scored independently.
    """

    engine: LabelReader
    relevance: str = RELEVANCE
    problem: str = ""
    window_words: int = WINDOW_WORDS
    query_words: int = QUERY_WORDS
    scale: Scale = SCALE
    slate_dependent: bool = False
    deadline: float | None = None
    _baseline: tuple[str, float] | None = field(default=None, init=False)

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate; OutOfTime when `deadline` (of time.monotonic) comes before that."""
        gains, usage = self.gains(query, slate)
        return Judgement(tuple(self.scale.score(gain) for gain in gains), usage)

    def gains(self, query: str, slate: Slate) -> tuple[list[float], Usage]:
        """Give how much more each candidate says yes (nats) than an empty passage, and what reading them cost."""
        fitted = self._fitted(query, slate.candidates)
        prompts, cut = [prompt for prompt, _ in fitted], sum(cut for _, cut in fitted)
        baseline, usage = self._of_nothing(query)
        # A leaf's window depends on the query: its state would never be used again.
        reading = self.engine.label_logits(
            prompts, (YES, NO), keep=all(not one.is_leaf for one in slate.candidates), seconds=self._seconds_left()
        )
        gains = reading.logprobs[:, 0] - reading.logprobs[:, 1] - baseline
        return [float(gain) for gain in gains], usage + reading.usage + Usage(trimmed=cut)

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate would evaluate; what the query costs alone is on the first."""
        costs = self.prices(query, candidates)
        if costs and (self._baseline is None or self._baseline[0] != self._asked(query)):
            costs[0] += self.engine.prompt_cost(self._prompt(query, ""))
        return costs

    def prices(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate would evaluate where the empty passage has been read."""
        return [self.engine.prompt_cost(prompt) for prompt, _ in self._fitted(query, candidates)]

    def _fitted(self, query: str, candidates: Sequence[Candidate]) -> list[tuple[Prompt, int]]:
        """Give the prompt of each candidate, and whether its text had to be cut."""
        stems = query_stems(query)
        texts = [shown_text(one, stems, self.window_words) for one in candidates]
        return [shown_to_fit([one], lambda shown: self._prompt(query, shown[0]), self.engine.room) for one in texts]

    def _prompt(self, query: str, text: str) -> Prompt:
        asked = POINTWISE_DYNAMIC.format(query=self._asked(query), relevance=self.relevance)
        return self.engine.prompt(SYSTEM, POINTWISE_STATIC.format(text=text), asked)

    def _asked(self, query: str) -> str:
        return told(query, self.query_words, self.problem)

    def _of_nothing(self, query: str) -> tuple[float, Usage]:
        """Give the gain of an empty passage, read once a query."""
        if self._baseline is not None and self._baseline[0] == self._asked(query):
            return self._baseline[1], Usage()
        reading = self.engine.label_logits([self._prompt(query, "")], (YES, NO), seconds=self._seconds_left())
        gain = float(reading.logprobs[0, 0] - reading.logprobs[0, 1])
        self._baseline = (self._asked(query), gain)
        return gain, reading.usage

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
