"""The fit of `calibration`, kept up to date slate by slate: what a search over thousands of scores can afford.

The same ridge regression and the same solution. Nodes are numbered by the caller (`rows`, from 0, without gaps). Only
those that were judged in more than one slate couple slates, and they are few: anchors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lattice.traversal.calibration import Array, Calibration


class Refit:
    """Scores so far; `relevance` solves for ŝ of every row in one linear system with an unknown a slate."""

    def __init__(self, calibration: Calibration, expected: float) -> None:
        """Take the weights, and μ, the same for every node."""
        self._calibration, self._expected = calibration, expected
        self._rows, self._slates = np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
        self._scores = np.empty(0)
        self._seen: dict[int, list[int]] = {}
        self._repeated: dict[int, list[int]] = {}
        self._slate_count = 0

    @property
    def prior_weight(self) -> float:
        """λ_s."""
        return self._calibration.prior_weight

    def add(self, rows: Sequence[int], scores: Sequence[float]) -> None:
        """Add one slate: the raw score of each row, which stands in it once."""
        self._rows = np.append(self._rows, rows)
        self._slates = np.append(self._slates, [self._slate_count] * len(rows))
        self._scores = np.append(self._scores, scores)
        for row in rows:
            seen = self._seen.setdefault(row, [])
            seen.append(self._slate_count)
            if len(seen) > 1:
                self._repeated[row] = seen
        self._slate_count += 1

    def relevance(self, count: int) -> tuple[Array, Array]:
        """Give ŝ (μ where a row has no score) and the number of scores of the rows 0 … `count` − 1."""
        rows, slates, scores = self._rows, self._slates, self._scores
        counts = np.bincount(rows, minlength=count).astype(np.float64)
        weight = 1.0 / np.maximum(1e-12, counts + self._calibration.prior_weight)
        sums = np.bincount(rows, scores, count).astype(np.float64)
        pulled = weight * (sums + self._calibration.prior_weight * self._expected)
        if not math.isinf(self._calibration.bias_weight):
            bias = self._biases(slates, scores - pulled[rows], weight)
            pulled -= weight * np.bincount(rows, bias[slates], count)
        return np.where(counts > 0.0, pulled, self._expected), counts

    def _biases(self, slates: npt.NDArray[np.intp], unexplained: Array, weight: Array) -> Array:
        """Solve A b = Cᵀ(s − W(…)), A = diag(n_i + λ_b) − CᵀWC: b of every slate."""
        sizes = np.bincount(slates, minlength=self._slate_count)
        repeated = np.zeros((len(self._repeated), self._slate_count))
        for i, seen in enumerate(self._repeated.values()):
            repeated[i, seen] = 1.0
        coupled = weight[list(self._repeated)][:, None] * repeated if self._repeated else repeated
        once = 1.0 / (1.0 + self._calibration.prior_weight)
        own = sizes + self._calibration.bias_weight - once * (sizes - repeated.sum(axis=0))
        system = np.diag(own) - repeated.T @ coupled
        right = np.bincount(slates, unexplained, self._slate_count)
        biases: Array = np.linalg.solve(system, right).astype(np.float64)
        return biases
