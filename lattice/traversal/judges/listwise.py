"""The listwise judge: the whole slate in one pass, and the letter that the model is about to name."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice.models.prompts import (
    LETTERS,
    LISTWISE_DYNAMIC,
    LISTWISE_STATIC,
    NO_QUERY,
    RELEVANCE,
    SYSTEM,
    Prompt,
    listed,
)
from lattice.traversal.judges.reading import (
    QUERY_WORDS,
    WINDOW_WORDS,
    LabelReader,
    Scale,
    costs_in_turn,
    shown_text,
    shown_to_fit,
    told,
)
from lattice.traversal.windows import query_stems
from lattice.types import Candidate, Judgement, Slate, Usage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Not fitted: no larger model has been at hand. 0 is a candidate that is as likely as any other of its slate.
SCALE = Scale(offset=0.5, width=1.0)


@dataclass(slots=True)
class ListwiseJudge:
    """Scores a slate by the log-probabilities of its letters as the answer to "which is the most relevant?".

    With `corrected`, those for an empty query are taken off, which removes what a model likes of positions and letters
    (contextual calibration, Zhao et al. 2021). `permutations` orders are read and averaged, drawn with `seed`. Scores
    depend on the company, so that slates need anchors and a bias each.
    """

    engine: LabelReader
    relevance: str = RELEVANCE
    problem: str = ""
    corrected: bool = True
    permutations: int = 1
    seed: int = 0
    window_words: int = WINDOW_WORDS
    query_words: int = QUERY_WORDS
    scale: Scale = SCALE
    slate_dependent: bool = True
    deadline: float | None = None

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate; slates of more than 20 are split. OutOfTime when `deadline` comes before that."""
        scores: list[float] = []
        usage = Usage()
        for begin in range(0, len(slate.candidates), len(LETTERS)):
            part = slate.candidates[begin : begin + len(LETTERS)]
            gains, spent = self.gains(query, part)
            scores += [self.scale.score(gain) for gain in gains]
            usage += spent
        return Judgement(tuple(scores), usage)

    def gains(self, query: str, candidates: Sequence[Candidate]) -> tuple[list[float], Usage]:
        """Give for each of up to 20 candidates how much likelier (nats) it is named than one of them at random."""
        import numpy as np

        total = np.zeros(len(candidates))
        usage = Usage()
        for order in self._orders(len(candidates)):
            found, spent = self._read(query, [candidates[i] for i in order])
            total[order] += found
            usage += spent
        return [float(one) for one in total / self.permutations], usage

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate would evaluate, the request itself put on the first."""
        costs: list[int] = []
        stems, bare = query_stems(query), self._prompt(NO_QUERY, [])
        texts = [shown_text(one, stems, self.window_words) for one in candidates]
        # The passages are decoded once a permutation; their state serves the empty query too.
        again = self.engine.prompt_cost(Prompt((), bare.dynamic)) if self.corrected else 0
        for begin in range(0, len(texts), len(LETTERS)):
            part = texts[begin : begin + len(LETTERS)]
            first, *rest = costs_in_turn(part, lambda shown: self._prompt(query, shown), self.engine.prompt_cost)
            costs += [(first + again) * self.permutations, *(one * self.permutations for one in rest)]
        return costs

    def _orders(self, count: int) -> list[list[int]]:
        generator = random.Random(self.seed)  # noqa: S311 - an order, no secret
        shuffled = [generator.sample(range(count), count) for _ in range(self.permutations - 1)]
        return [list(range(count)), *shuffled]

    def _read(self, query: str, candidates: Sequence[Candidate]) -> tuple[npt.NDArray[np.float64], Usage]:
        letters, stems = LETTERS[: len(candidates)], query_stems(query)
        texts = [shown_text(one, stems, self.window_words) for one in candidates]
        prompt, cut = shown_to_fit(texts, lambda shown: self._prompt(query, shown), self.engine.room)
        reading = self.engine.label_logits([prompt], letters, seconds=self._seconds_left())
        found, usage = _likelier(reading.logprobs[0]), reading.usage + Usage(trimmed=cut)
        if self.corrected:
            # The same passages in front of no query; their state is kept, so that only the request is read again.
            blank, _ = shown_to_fit(texts, lambda shown: self._prompt(NO_QUERY, shown), self.engine.room)
            empty = self.engine.label_logits([blank], letters, seconds=self._seconds_left())
            found, usage = found - _likelier(empty.logprobs[0]), usage + empty.usage
        return found, usage

    def _prompt(self, asked: str, texts: Sequence[str]) -> Prompt:
        problem = "" if asked == NO_QUERY else self.problem
        dynamic = LISTWISE_DYNAMIC.format(query=told(asked, self.query_words, problem), relevance=self.relevance)
        return self.engine.prompt(SYSTEM, LISTWISE_STATIC.format(passages=listed(texts)), dynamic)

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


def _likelier(logprobs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Give log P of each letter among the letters, less that of an even choice."""
    import numpy as np

    among = logprobs.astype(np.float64)
    even: npt.NDArray[np.float64] = among - np.log(np.exp(among - among.max()).mean()) - among.max()
    return even
