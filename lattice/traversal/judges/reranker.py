"""The pointwise judge on a reranker: a model that was trained to score pairs of query and text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from lattice.traversal.judges.reading import QUERY_WORDS, WINDOW_WORDS, PairScorer, Scale, shortened, shown_text
from lattice.traversal.windows import query_stems
from lattice.types import Candidate, Judgement, Slate

# Not fitted: no reranker has been at hand. Rerankers are trained on logits, so σ of one is the model's own probability.
SCALE = Scale(offset=0.0, width=1.0)


@dataclass(slots=True)
class RerankerJudge:
    """Scores a candidate by σ of what a reranker says of query and text. Candidates are scored independently.

    Leaves are shown by the window that matches the query best, as to the other judges; nothing is kept between calls.
    """

    engine: PairScorer
    window_words: int = WINDOW_WORDS
    query_words: int = QUERY_WORDS
    scale: Scale = SCALE
    slate_dependent: bool = False
    deadline: float | None = None

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate; OutOfTime when `deadline` (of time.monotonic) comes before that."""
        reading = self.engine.score_pairs(
            shortened(query, self.query_words), self._texts(query, slate.candidates), seconds=self._seconds_left()
        )
        return Judgement(tuple(self.scale.score(float(one)) for one in reading.scores), reading.usage)

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate evaluates."""
        shown = shortened(query, self.query_words)
        return [self.engine.pair_cost(shown, text) for text in self._texts(query, candidates)]

    def _texts(self, query: str, candidates: Sequence[Candidate]) -> list[str]:
        stems = query_stems(query)
        return [shown_text(one, stems, self.window_words) for one in candidates]

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
