"""Latent relevance from ranks alone: for judges whose order means more than their scores.

The Plackett-Luce model (Luce 1959, Plackett 1975): an order is drawn place by place, each time a node with the
probability of its worth e^θ among those that are left. Orders of different slates then say together, as scores do in
`calibration`, what a slate's company and its bias have no part in. The fit is the maximum of

    Σ_slates Σ_j (θ_{r_j} − log Σ_{k ≥ j} e^{θ_{r_k}}) − λ/2 Σ (θ_v − μ_v)²

which is concave: Newton's method with its exact gradient and Hessian finds it in a few steps. λ keeps a node that was
always first (or never) from running away, and fixes the gauge. Not used by default: no listwise judge has been at hand
to measure it on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lattice.traversal.calibration import Array

_STEPS = 100  # of Newton's method; fewer than ten are usual
_CLOSE = 1e-10  # of the largest change of a θ, where it ends


@dataclass(frozen=True, slots=True)
class Worths:
    """The fit: θ of each node, a natural logarithm, and its standard error (of the Laplace approximation)."""

    worth: dict[int, float]
    error: dict[int, float]


def fit_ranks(
    orders: Sequence[Sequence[int]], prior_weight: float, expected: Mapping[int, float] | None = None
) -> Worths:
    """Fit the worth of every node in `orders`, one order a slate, the best first, each node at most once.

    `prior_weight` is λ, above 0; `expected` gives μ (0 where it says nothing). ValueError for another λ. The work is
    cubic in the number of nodes.
    """
    if not prior_weight > 0.0:
        raise ValueError(
            f"prior_weight is {prior_weight}; without one a node that is always first has no finite worth."
        )
    nodes = sorted({node for order in orders for node in order})
    row = {node: i for i, node in enumerate(nodes)}
    places = [np.array([row[node] for node in order], dtype=np.intp) for order in orders]
    mean = np.array([(expected or {}).get(node, 0.0) for node in nodes])
    worth, hessian = mean.copy(), np.eye(len(nodes))
    for _ in range(_STEPS if nodes else 0):
        gradient, hessian = _slopes(places, worth, prior_weight, mean)
        newton: Array = np.linalg.solve(hessian, gradient).astype(np.float64)
        step = _shortened(places, worth, newton, prior_weight, mean)
        worth = worth + step
        if float(np.abs(step).max()) < _CLOSE:
            break
    error = np.sqrt(np.diag(np.linalg.inv(hessian)))
    return Worths(dict(zip(nodes, worth.tolist(), strict=True)), dict(zip(nodes, error.tolist(), strict=True)))


def log_likelihood(places: Sequence[npt.NDArray[np.intp]], worth: Array, prior_weight: float, mean: Array) -> float:
    """Give what is maximised, for orders of rows of `worth`."""
    total = -0.5 * prior_weight * float(((worth - mean) ** 2).sum())
    for order in places:
        left = np.logaddexp.accumulate(worth[order][::-1])[::-1]
        total += float((worth[order] - left).sum())
    return total


def _slopes(
    places: Sequence[npt.NDArray[np.intp]], worth: Array, prior_weight: float, mean: Array
) -> tuple[Array, Array]:
    """Give the gradient, and the Hessian with its sign turned (positive definite)."""
    gradient = -prior_weight * (worth - mean)
    hessian = prior_weight * np.eye(len(worth))
    for order in places:
        left = np.logaddexp.accumulate(worth[order][::-1])[::-1]
        # chosen[j, k]: the probability that, of those left at place j, the node of place k is taken.
        chosen = np.triu(np.exp(np.minimum(0.0, worth[order][None, :] - left[:, None])))
        gradient[order] += 1.0 - chosen.sum(axis=0)
        hessian[np.ix_(order, order)] += np.diag(chosen.sum(axis=0)) - chosen.T @ chosen
    return gradient, hessian


def _shortened(
    places: Sequence[npt.NDArray[np.intp]], worth: Array, step: Array, prior_weight: float, mean: Array
) -> Array:
    """Halve a step until it climbs."""
    before = log_likelihood(places, worth, prior_weight, mean)
    while log_likelihood(places, worth + step, prior_weight, mean) < before and float(np.abs(step).max()) > _CLOSE:
        step = step / 2.0
    return step
