"""One level of the tree: groups of at most M vectors, by the clusterer that is asked for."""

from __future__ import annotations

from collections.abc import Callable

from lattice.errors import UsageError
from lattice.index_builder.agglomerative import agglomerative
from lattice.index_builder.duplicates import reunited
from lattice.index_builder.fill import Groups, joined
from lattice.index_builder.kmeans import kmeans
from lattice.index_builder.partition import parts
from lattice.index_builder.spectral import spectral
from lattice.types import Matrix

# Above this, vectors are parted first, and clustered within the parts.
WHOLE_UP_TO = 50_000
# Vectors a part: clustered in seconds, with exact neighbours.
PART_UP_TO = 10_000

Clusterer = Callable[[Matrix, int, int], Groups]
"""Parts the rows of a matrix (n, d), L2-normalised or zero, into groups of 1 to `limit` rows with a seed: each row in
one group, groups in the order of their first rows, rows ascending."""

CLUSTERERS: dict[str, Clusterer] = {"agglomerative": agglomerative, "spectral": spectral, "kmeans": kmeans}


def clusters(
    vectors: Matrix, limit: int, seed: int, clusterer: str = "agglomerative", whole_up_to: int = WHOLE_UP_TO
) -> Groups:
    """Part the rows of `vectors` (n, d), L2-normalised or zero, into groups of 1 to `limit` (at least 2) rows.

    Near-duplicates share a group where there are at most `limit` of them; a group of one is left only where no other
    has room. More than `whole_up_to` rows are parted first and clustered within the parts. UsageError for an unknown
    `clusterer`.
    """
    method = clusterer_named(clusterer)
    if len(vectors) <= whole_up_to:
        return reunited(method(vectors, limit, seed), vectors, limit)
    found: Groups = []
    for part in parts(vectors, min(PART_UP_TO, whole_up_to), seed):
        found += [part[group].tolist() for group in method(vectors[part], limit, seed)]
    return reunited(joined(found, vectors, limit), vectors, limit)


def clusterer_named(name: str) -> Clusterer:
    """Give the clusterer of that name; UsageError where there is none."""
    if name not in CLUSTERERS:
        raise UsageError(f"There is no clusterer {name!r}; choose one of {', '.join(CLUSTERERS)}.")
    return CLUSTERERS[name]
