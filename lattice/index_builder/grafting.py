"""Large sets are parted once, at the top; what grows of each part grows by itself, and is grafted below one root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from lattice.index_builder.branches import Branch, layered, mean
from lattice.index_builder.duplicates import probable_duplicates
from lattice.index_builder.folders import Gather
from lattice.index_builder.partition import parts
from lattice.jobs import HERE, Workers
from lattice.types import Matrix

# Up to here branches are gathered whole: a border between parts costs what lies near it.
WHOLE_UP_TO = 50_000
# Branches a part: gathered in seconds, with exact neighbours.
PART_UP_TO = 10_000
# Parts of fewer nodes than this might be left as they are, and there would be no end of parting.
LEAST_NODES = 8

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Part:
    """What is sent to who grows a part: its branches and the vector of each, (n, d)."""

    units: list[Branch]
    rows: Matrix


@dataclass(frozen=True, slots=True)
class _Grown:
    """What comes back: at most M branches over those of the part, and the mean vector of each."""

    tops: list[Branch]
    rows: Matrix


def grafted(
    units: list[Branch],
    rows: Matrix,
    gather: Gather,
    branching: int,
    seed: int,
    workers: Workers = HERE,
    done: Callable[[int], object] | None = None,
) -> list[Branch]:
    """Gather branches, whose vectors are `rows` (n, d), until at most `branching` are left.

    Up to WHOLE_UP_TO of them that is what `gather` does. More are parted, each part is gathered by itself, and what is
    left of the parts is gathered in the same way. The parts depend on the vectors and the seed, and not on `workers`,
    which grow them, and for whose sake `gather` is picklable. `done` is told how many more passages are in place.
    """
    if len(units) <= WHOLE_UP_TO:
        return gather(units, rows)

    def told(part: _Part) -> None:
        if done is not None:
            done(sum(1 for unit in part.units for _ in unit.leaves()))

    places = parted(rows, max(PART_UP_TO, LEAST_NODES * branching), branching, seed)
    found = workers.each(
        partial(_grown, gather), (_Part([units[i] for i in place], rows[place]) for place in places), told
    )
    tops = [top for grown in found for top in grown.tops]
    return grafted(tops, np.concatenate([grown.rows for grown in found]), gather, branching, seed, workers)


def layered_in_parts(
    units: list[Branch],
    rows: Matrix,
    branching: int,
    seed: int,
    clusterer: str,
    at_most: int,
    workers: Workers = HERE,
) -> tuple[list[Branch], Matrix]:
    """Cluster branches, whose vectors are `rows` (n, d), until about `at_most` are left, and give them with theirs.

    More than WHOLE_UP_TO are parted, and each part is clustered by itself until it has its share of `at_most`.
    """
    if len(units) <= WHOLE_UP_TO:
        return layered(units, rows, branching, seed, clusterer, at_most)
    places = parted(rows, max(PART_UP_TO, LEAST_NODES * branching), branching, seed)
    share = at_most / len(units)
    grow = partial(_layered, branching=branching, seed=seed, clusterer=clusterer, share=share)
    found = workers.each(grow, (_Part([units[i] for i in place], rows[place]) for place in places))
    return [top for grown in found for top in grown.tops], np.concatenate([grown.rows for grown in found])


def _layered(part: _Part, branching: int, seed: int, clusterer: str, share: float) -> _Grown:
    at_most = max(branching, int(share * len(part.units)))
    return _Grown(*layered(part.units, part.rows, branching, seed, clusterer, at_most))


def parted(rows: Matrix, at_most: int, limit: int, seed: int) -> list[Numbers]:
    """Part `rows` (n, d), L2-normalised or zero, into parts of about `at_most` rows, rows ascending.

    Near-duplicates, of which a node can hold `limit`, stand in one part, that which holds most of them.
    """
    found = parts(rows, at_most, seed)
    part_of = np.empty(len(rows), dtype=np.int64)
    for number, part in enumerate(found):
        part_of[part] = number
    for alike in probable_duplicates(rows, seed):
        if len(alike) <= limit:
            numbers, counts = np.unique(part_of[alike], return_counts=True)
            part_of[alike] = numbers[counts.argmax()]
    return [part for number in range(len(found)) if len(part := np.flatnonzero(part_of == number))]


def _grown(gather: Gather, part: _Part) -> _Grown:
    tops = gather(part.units, part.rows)
    place = {next(unit.leaves()): number for number, unit in enumerate(part.units)}
    rows = [mean(part.rows[[place[leaf] for leaf in top.leaves() if leaf in place]]) for top in tops]
    return _Grown(tops, np.array(rows, dtype=np.float32))
