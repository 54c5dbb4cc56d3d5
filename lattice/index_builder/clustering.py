"""One level of the tree: groups of at most M vectors, by the clusterer that is asked for."""

from __future__ import annotations

from collections.abc import Callable

from lattice.errors import UsageError
from lattice.index_builder.agglomerative import agglomerative
from lattice.index_builder.duplicates import reunited
from lattice.index_builder.fill import Groups
from lattice.index_builder.kmeans import kmeans
from lattice.index_builder.spectral import spectral
from lattice.types import Matrix

Clusterer = Callable[[Matrix, int, int], Groups]
"""Parts the rows of a matrix (n, d), L2-normalised or zero, into groups of 1 to `limit` rows with a seed: each row in
one group, groups in the order of their first rows, rows ascending."""

CLUSTERERS: dict[str, Clusterer] = {"agglomerative": agglomerative, "spectral": spectral, "kmeans": kmeans}


def clusters(vectors: Matrix, limit: int, seed: int, clusterer: str = "agglomerative") -> Groups:
    """Part the rows of `vectors` (n, d), L2-normalised or zero, into groups of 1 to `limit` (at least 2) rows.

    Near-duplicates share a group where there are at most `limit` of them; a group of one is left only where no other
    has room. The work grows faster than the rows: `grafting` parts large sets first. UsageError for an unknown
    `clusterer`.
    """
    return reunited(clusterer_named(clusterer)(vectors, limit, seed), vectors, limit)


def clusterer_named(name: str) -> Clusterer:
    """Give the clusterer of that name; UsageError where there is none."""
    if name not in CLUSTERERS:
        raise UsageError(f"There is no clusterer {name!r}; choose one of {', '.join(CLUSTERERS)}.")
    return CLUSTERERS[name]
