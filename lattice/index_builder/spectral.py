"""Spectral clustering on the graph of nearest neighbours, from the whole down to groups of at most M."""

from __future__ import annotations

from typing import Any

import numpy as np

from lattice.index_builder.fill import Groups, joined, target
from lattice.index_builder.kmeans import balanced
from lattice.index_builder.neighbours import neighbours
from lattice.models.embedders import normalised
from lattice.types import Matrix

# Parts made at a time, from as many eigenvectors: so many are told apart well, and each then has a graph of its own.
WAYS = 8
# A part of several groups may be this much larger than its equal share.
SLACK = 1.3
# Neighbours of a row in the graph.
NEIGHBOURS = 20
# Weight of the link between rows that follow one another: it holds together what has no other link.
FOLLOWING = 0.01
# Weight that is spread over all pairs, as a share of the mean degree: small loose parts do not take the eigenvectors.
SPREAD = 0.1
# Up to so many rows the eigenvectors are exact; above, so many rounds of orthogonal iteration bring them near enough.
EXACT_UP_TO = 300
ROUNDS = 40


def spectral(vectors: Matrix, limit: int, seed: int) -> Groups:
    """Part the rows of `vectors` (n, d), L2-normalised or zero, into groups of at most `limit` (at least 2) rows.

    Normalised spectral clustering (Ng, Jordan and Weiss 2002) with the regularised degrees of Amini et al. (2013), up
    to `WAYS` parts at a time, and again within each part until it fits: the eigenvectors of a large graph tell large
    parts apart, not groups of a dozen.
    """
    found: Groups = []
    waiting = [np.arange(len(vectors))]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= limit:
            found.append(rows.tolist())
            continue
        wanted = target(len(rows), limit)
        ways = min(WAYS, wanted)
        capacity = limit if wanted <= WAYS else int(np.ceil(SLACK * len(rows) / ways))
        waiting += [rows[part] for part in balanced(_embedded(vectors[rows], ways, seed), ways, capacity, seed) if part]
    return joined(found, vectors, limit)


def _embedded(vectors: Matrix, dimensions: int, seed: int) -> Matrix:
    """Give each row its place (n, dimensions) in the first eigenvectors of the normalised graph, L2-normalised."""
    graph = _graph(vectors, seed)
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    spread = SPREAD * float(degrees.mean())
    scale = 1 / np.sqrt(degrees + spread)
    if len(vectors) <= EXACT_UP_TO:
        dense = (graph.toarray() + spread / len(vectors)) * scale[:, None] * scale[None, :]
        places = np.linalg.eigh(dense)[1][:, -dimensions:]
    else:
        places = _iterated(graph, spread, scale, dimensions, seed)
    return normalised(places.astype(np.float32))


def _iterated(graph: Any, spread: float, scale: Any, dimensions: int, seed: int) -> Any:  # noqa: ANN401
    places = np.random.default_rng(seed).standard_normal((len(scale), dimensions))
    for _ in range(ROUNDS):
        scaled = scale[:, None] * places
        moved = scale[:, None] * (graph @ scaled + spread * scaled.mean(axis=0))
        # Half of each: eigenvalues then lie in [0, 1], and the largest are those that are wanted.
        places = np.linalg.qr((places + moved) / 2)[0]
    return places


def _graph(vectors: Matrix, seed: int) -> Any:  # noqa: ANN401 - a scipy CSR matrix, which has no annotations
    from scipy.sparse import coo_matrix

    count = len(vectors)
    found, similar = neighbours(vectors, NEIGHBOURS, seed)
    own = np.repeat(np.arange(count), found.shape[1])
    links = coo_matrix((np.maximum(similar.ravel(), 0).astype(np.float64), (own, found.ravel())), shape=(count, count))
    after = np.arange(count - 1)
    chain = coo_matrix((np.full(count - 1, FOLLOWING), (after, after + 1)), shape=(count, count))
    graph = links.maximum(links.T) + chain + chain.T
    return graph.tocsr()
