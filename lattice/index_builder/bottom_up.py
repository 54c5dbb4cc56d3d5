"""The tree: documents by their outlines, then by folders where these tell, then by likeness, from the leaves up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from lattice.errors import UsageError
from lattice.index_builder.branches import Branch, gathered, mean
from lattice.index_builder.clustering import clusterer_named
from lattice.index_builder.folders import Gather, arranged
from lattice.index_builder.grafting import grafted
from lattice.index_builder.outlines import documents
from lattice.jobs import HERE, Workers
from lattice.types import Matrix, Passage

__all__ = ["Branch", "check_methods", "documents", "grow"]

# The `folders.cohesion` from which a folder is kept. On pony-docs-rebuilt and tldr-nl2bash it hardly matters between .4
# and .7; below, folders like `linux` come in, which hold a bit of everything, and more nodes must be opened.
AUTO = 0.6
# A node of so few children costs an opening and tells hardly more than they do. Without such documents a judge who
# knows opens 22.8 nodes in place of 32.7 on doris-mae-dev, 22.7 in place of 22.0 on pony-docs-rebuilt.
LOOSE = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """What of the author's order a tree keeps: outlines of documents, folders from some `cohesion` on (None: none).

    Documents and folders of `loose` branches or fewer are not kept.
    """

    outlines: bool = True
    floor: float | None = None
    loose: int = 1


STRUCTURES = {
    "documents": Kept(),
    "flat": Kept(outlines=False),
    "folders": Kept(floor=-math.inf),
    "auto": Kept(floor=AUTO, loose=LOOSE),
}


def grow(
    passages: Sequence[Passage],
    vectors: Matrix,
    branching: int,
    seed: int,
    clusterer: str = "agglomerative",
    structure: str = "documents",
    gather: Gather | None = None,
    workers: Workers = HERE,
    done: Callable[[int], object] | None = None,
) -> Branch:
    """Grow the tree of `passages`, which stand in the order of (document, position), with `vectors` (n, d).

    Every node has at most `branching` (the paper's M, at least 2) children, and at least two unless it is the root of
    fewer than two passages. What the author has ordered is kept as `structure` says: nothing ("flat"), the outlines of
    documents ("documents"), those and all folders ("folders"), or both where they tell more than likeness ("auto");
    `clusterer` groups the rest, or `gather` where one is given. Where there is much to cluster, `workers` grow parts of
    it (`grafting`), and `done` is told of how many more passages the place is found. UsageError for unknown names.
    """
    check_methods(clusterer, structure)
    kept = STRUCTURES[structure]
    units = documents(passages, branching, kept.loose) if kept.outlines else _leaves(passages)
    rows = np.array([mean(vectors[list(unit.leaves())]) for unit in units], dtype=np.float32)

    if gather is None:
        group = partial(gathered, branching=branching, seed=seed, clusterer=clusterer)
        gather = partial(grafted, gather=group, branching=branching, seed=seed, workers=workers, done=done)

    if kept.floor is None:
        units = gather(units, rows)
    else:
        paths = [passages[next(unit.leaves())].document for unit in units]
        units = arranged(units, rows, paths, gather, kept.floor, kept.loose)
    if len(units) == 1 and units[0].children:
        return Branch("root", units[0].children, headings=units[0].headings)
    return Branch("root", tuple(units))


def check_methods(clusterer: str, structure: str) -> None:
    """Raise UsageError where there is no clusterer or structure of that name."""
    clusterer_named(clusterer)
    if structure not in STRUCTURES:
        raise UsageError(f"There is no structure {structure!r}; choose one of {', '.join(STRUCTURES)}.")


def _leaves(passages: Sequence[Passage]) -> list[Branch]:
    return [Branch("passage", passage=leaf) for leaf in range(len(passages))]
