"""The likelihood judge: how probable does a text make the query?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from lattice.models.prompts import LIKELIHOOD
from lattice.traversal.judges.reading import QUERY_WORDS, LikelihoodReader, Scale, shortened, shown_text
from lattice.traversal.judges.scent import PRICE, Rarities, Scent, evenly
from lattice.traversal.windows import query_stems
from lattice.types import Candidate, Judgement, OutOfTime, Slate, Usage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Row: TypeAlias = "npt.NDArray[np.float32]"

# More of a passage costs more and ranks no better (benchmarks/fit_likelihood.py).
WINDOW_WORDS = 30
# Chosen on the tuning collections with SmolLM2-135M (benchmarks/fit_likelihood.py; the optimum is flat).
LEAF_SCALE = Scale(offset=1.1, width=0.5)
# A node gets the score of a leaf of the same fitted probability (benchmarks/fit_scales.py).
NODE_SCALE = Scale(offset=0.33, width=0.1)


@dataclass(slots=True)
class LikelihoodJudge:
    """Scores a passage by how much more probable it makes the query: log P(q | d) − log P(q | nothing), a token.

    The mean over the query's tokens weighs each by √(−log P(token | nothing)): what follows anyway, from the grammar or
    the words before it, says little of a text (benchmarks/fit_likelihood.py).
    The way in which a very small model judges best (method §3.1). Candidates are scored independently: there is no
    slate bias. An inner node is judged by its scent, for which no token of it is read. No KV state is kept: a passage's
    window depends on the query, so its state would never be used again.
    """

    engine: LikelihoodReader
    rarities: Rarities = evenly
    window_words: int = WINDOW_WORDS
    query_words: int = QUERY_WORDS
    leaf_scale: Scale = LEAF_SCALE
    node_scale: Scale = NODE_SCALE
    slate_dependent: bool = False
    deadline: float | None = None
    _alone: tuple[str, Row] | None = field(default=None, init=False)
    _scent: Scent = field(init=False)

    def __post_init__(self) -> None:
        self._scent = Scent(self.engine, self.rarities, self.query_words)

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate; OutOfTime when `deadline` (of time.monotonic) comes before that."""
        gains, usage = self.gains(query, slate)
        scores = tuple(
            (self.leaf_scale if candidate.is_leaf else self.node_scale).score(gain)
            for candidate, gain in zip(slate.candidates, gains, strict=True)
        )
        return Judgement(scores, usage)

    def gains(self, query: str, slate: Slate) -> tuple[list[float], Usage]:
        """Give the log-likelihood gain (nats a token) of each passage, the scent of each node, and what it all cost."""
        gains: dict[int, float] = {}
        usage = Usage()
        for is_leaf, read in ((False, self._scents), (True, self._gains)):
            chosen = [i for i, candidate in enumerate(slate.candidates) if candidate.is_leaf is is_leaf]
            if not chosen:
                continue
            try:
                found, spent = read(query, [slate.candidates[i] for i in chosen])
            except OutOfTime as late:
                raise OutOfTime(usage + late.usage) from late
            usage += spent
            gains |= dict(zip(chosen, found, strict=True))
        return [gains[i] for i in range(len(slate.candidates))], usage

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate takes; reading the query alone is put on the first."""
        shown, costs = self._shorten(query), self.prices(query, candidates)
        has_leaves = any(candidate.is_leaf for candidate in candidates)
        if has_leaves and (self._alone is None or self._alone[0] != shown):
            costs[0] += self.engine.cost("", shown, LIKELIHOOD)
        if not all(candidate.is_leaf for candidate in candidates):
            costs[0] += self._scent.cost(query)
        return costs

    def prices(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate takes where the query alone has been read."""
        shown, stems = self._shorten(query), query_stems(query)
        return [
            self.engine.cost(self._shown(candidate, stems), shown, LIKELIHOOD) if candidate.is_leaf else PRICE
            for candidate in candidates
        ]

    def _scents(self, query: str, nodes: Sequence[Candidate]) -> tuple[list[float], Usage]:
        return self._scent.strengths(query, nodes, self._seconds_left())

    def _gains(self, query: str, leaves: Sequence[Candidate]) -> tuple[list[float], Usage]:
        shown, stems = self._shorten(query), query_stems(query)
        alone, usage = self._log_probability_alone(shown)
        weights = (-alone).clip(min=0.0) ** 0.5  # what is certain can come out a rounding above log 1
        weights = weights / weights.sum() if weights.any() else weights + 1.0 / len(weights)
        texts = [self._shown(leaf, stems) for leaf in leaves]
        try:
            reading = self.engine.continuation_logprobs(
                texts, shown, frame=LIKELIHOOD, keep=False, seconds=self._seconds_left()
            )
        except OutOfTime as late:
            raise OutOfTime(usage + late.usage) from late
        gains: list[float] = ((reading.by_token - alone) @ weights).tolist()
        return gains, usage + reading.usage

    def _log_probability_alone(self, query: str) -> tuple[Row, Usage]:
        """Give log P(token | nothing) of the query's tokens, read once a query."""
        if self._alone is not None and self._alone[0] == query:
            return self._alone[1], Usage()
        reading = self.engine.continuation_logprobs([""], query, frame=LIKELIHOOD, seconds=self._seconds_left())
        self._alone = (query, reading.by_token[0])
        return reading.by_token[0], reading.usage

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def _shown(self, leaf: Candidate, stems: frozenset[str]) -> str:
        return shown_text(leaf, stems, self.window_words)

    def _shorten(self, query: str) -> str:
        return shortened(query, self.query_words)
