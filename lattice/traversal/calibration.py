"""Latent relevance: what the scores of different slates say together, beside what the prior expected.

The paper models a raw score as s_v^i ≈ a·ŝ_v + b_i (node v, slate i) and fits a, ŝ and b by gradient descent. Here
a ≡ 1 and the prior's expectation μ_v anchors the gauge, which makes it a ridge regression with one exact solution
(method §3.6):

    minimise  Σ (s_v^i − ŝ_v − b_i)² + λ_s Σ (ŝ_v − μ_v)² + λ_b Σ b_i²

ŝ is eliminated: what is solved has one unknown a slate. With W = diag 1/(n_v + λ_s), C the node × slate incidence,
A = diag(n_i + λ_b) − CᵀWC, the standard errors are σ·sqrt([W + (WC)A⁻¹(WC)ᵀ]_vv).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[np.float64]"


@dataclass(frozen=True, slots=True)
class Observation:
    """The raw score in [0, 1] that `node` got in `slate` (a running number)."""

    slate: int
    node: int
    score: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How scores and prior are weighed.

    `prior_weight` is λ_s = σ²/τ²: how many judgements the prior is worth. `bias_weight` is λ_b; infinite, every b_i is
    0. `noise` is σ, the standard deviation of a score.
    """

    prior_weight: float
    bias_weight: float = math.inf
    noise: float = 0.1


@dataclass(frozen=True, slots=True)
class Latent:
    """The fit: ŝ and its standard error for each judged node, b for each slate."""

    relevance: dict[int, float]
    error: dict[int, float]
    bias: dict[int, float]


def fit(history: Sequence[Observation], expected: Mapping[int, float], calibration: Calibration) -> Latent:
    """Solve for the latent relevance of every node in `history`; `expected` gives μ_v for each of them.

    Exact; the work is cubic in the number of slates and linear in the number of observations. Raises KeyError for a
    node without an expectation.
    """
    import numpy as np

    if not history:
        return Latent({}, {}, {})
    nodes, row = np.unique([seen.node for seen in history], return_inverse=True)
    slates, column = np.unique([seen.slate for seen in history], return_inverse=True)
    score = np.array([seen.score for seen in history])
    shape = (len(nodes), len(slates))
    incidence = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    sums_by_node = np.bincount(row, score, shape[0]).astype(np.float64)
    sums_by_slate = np.bincount(column, score, shape[1]).astype(np.float64)
    weight = 1.0 / (incidence.sum(axis=1) + calibration.prior_weight)
    mean = np.array([expected[node] for node in nodes.tolist()])
    pulled = weight * (sums_by_node + calibration.prior_weight * mean)
    bias, spread = _biases(incidence, weight, sums_by_slate, pulled, calibration.bias_weight)
    relevance = pulled - weight * (incidence @ bias)
    error = calibration.noise * np.sqrt(weight + spread)
    return Latent(
        dict(zip(nodes.tolist(), relevance.tolist(), strict=True)),
        dict(zip(nodes.tolist(), error.tolist(), strict=True)),
        dict(zip(slates.tolist(), bias.tolist(), strict=True)),
    )


def _biases(
    incidence: Array, weight: Array, sums_by_slate: Array, pulled: Array, bias_weight: float
) -> tuple[Array, Array]:
    """Give b, and what not knowing b exactly adds to the variance of each ŝ (in units of σ²)."""
    import numpy as np

    if math.isinf(bias_weight):
        return np.zeros(len(sums_by_slate)), np.zeros(len(weight))
    weighted = incidence * weight[:, None]
    system = np.diag(incidence.sum(axis=0) + bias_weight) - incidence.T @ weighted
    inverse = np.linalg.inv(system)
    bias = inverse @ (sums_by_slate - incidence.T @ pulled)
    return bias, ((weighted @ inverse) * weighted).sum(axis=1)
