"""The tree, from its leaves up: documents by their outlines, then by folders where these tell, then by likeness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lattice.errors import UsageError
from lattice.index_builder.branches import Branch, gathered, mean
from lattice.index_builder.clustering import clusterer_named
from lattice.index_builder.folders import arranged
from lattice.index_builder.outlines import documents
from lattice.types import Matrix, Passage

__all__ = ["Branch", "check_methods", "documents", "grow"]

# The `folders.cohesion` from which a folder is kept. On pony-docs-rebuilt and tldr-nl2bash it hardly matters between .4
# and .7; below, folders like `linux` come in, which hold a bit of everything, and more nodes must be opened.
AUTO = 0.6
_FLOORS = {"folders": -np.inf, "auto": AUTO}
STRUCTURES = ("documents", "flat", *_FLOORS)


def grow(
    passages: Sequence[Passage],
    vectors: Matrix,
    branching: int,
    seed: int,
    clusterer: str = "agglomerative",
    structure: str = "documents",
) -> Branch:
    """Grow the tree of `passages`, which stand in the order of (document, position), with `vectors` (n, d).

    Every node has at most `branching` (the paper's M, at least 2) children, and at least two unless it is the root of
    fewer than two passages. What the author has ordered is kept as `structure` says: nothing ("flat"), the outlines of
    documents ("documents"), those and all folders ("folders"), or those and the folders whose documents are alike
    ("auto"); `clusterer` groups the rest. UsageError for unknown names.
    """
    check_methods(clusterer, structure)
    if structure == "flat":
        units = [Branch("passage", passage=leaf) for leaf in range(len(passages))]
    else:
        units = documents(passages, branching)
    rows = np.array([mean(vectors[list(unit.leaves())]) for unit in units], dtype=np.float32)

    def gather(found: list[Branch], of: Matrix) -> list[Branch]:
        return gathered(found, of, branching, seed, clusterer)

    if structure in _FLOORS:
        paths = [passages[next(unit.leaves())].document for unit in units]
        units = arranged(units, rows, paths, gather, _FLOORS[structure])
    else:
        units = gather(units, rows)
    if len(units) == 1 and units[0].children:
        return Branch("root", units[0].children, headings=units[0].headings)
    return Branch("root", tuple(units))


def check_methods(clusterer: str, structure: str) -> None:
    """Raise UsageError where there is no clusterer or structure of that name."""
    clusterer_named(clusterer)
    if structure not in STRUCTURES:
        raise UsageError(f"There is no structure {structure!r}; choose one of {', '.join(STRUCTURES)}.")
