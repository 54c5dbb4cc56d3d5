"""Path relevance: what a node is worth, given what was found on the way to it (paper: p)."""

from __future__ import annotations


def path_relevance(parent: float, latent: float, alpha: float) -> float:
    """Give p(v) = α·p(parent(v)) + (1 − α)·ŝ_v, with p(root) = 1."""
    return alpha * parent + (1.0 - alpha) * latent


def without_depth(path: float, depth: int, alpha: float) -> float:
    """Give p̂ = (p − α^d) / (1 − α^d): the path relevance without what p(root) = 1 lends to shallow nodes.

    A constant ŝ gives the same p̂ at every depth, so nodes of different depths compare. The root (d = 0) is 1.
    """
    lent = alpha**depth
    return 1.0 if depth == 0 else (path - lent) / (1.0 - lent)
