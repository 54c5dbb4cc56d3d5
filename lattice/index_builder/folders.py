"""Folders as part of the tree: those whose documents belong together, which the author has grouped already."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from lattice.index_builder.branches import Branch, mean
from lattice.types import Matrix

# Documents of a folder, and of what lies around it, that are compared to judge it: enough to tell, evenly spaced.
JUDGED = 64
AROUND = 4096
# What lies deeper is taken for part of the folder at this level, so that no chain of folders makes the tree as deep.
LEVELS = 32

Gather = Callable[[list[Branch], Matrix], list[Branch]]
"""Groups branches with their vectors until they fit below one node."""
Numbers = npt.NDArray[np.int64]


@dataclass(slots=True)
class Folder:
    """A folder with branches below it: its name, its folders by name, the numbers of its own branches and of all."""

    name: str
    folders: dict[str, Folder] = field(default_factory=dict)
    own: list[int] = field(default_factory=list)
    all: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pool:
    """Branches that wait to be grouped, and the vector of each."""

    units: list[Branch]
    rows: list[Matrix]


def arranged(
    units: Sequence[Branch], rows: Matrix, paths: Sequence[str], gather: Gather, floor: float, loose: int = 1
) -> list[Branch]:
    """Group branches, each with its vector and the path of its document, by folders whose `cohesion` reaches `floor`.

    What stands in other folders, and in those of `loose` branches or fewer, is grouped with what stands in the folder
    above, by `gather`, which also divides a folder of too many. A folder of one branch is that branch.
    """
    root = folders_of(paths)

    def pooled(folder: Folder) -> _Pool:
        around = sampled(rows, folder.all)
        pool = _Pool([units[i] for i in folder.own], [rows[i] for i in folder.own])
        for below in folder.folders.values():
            inner = pooled(below)
            crowd = len(inner.units) == 1 or len(inner.units) > loose
            if crowd and (floor == -math.inf or cohesion(rows, below.all, around) >= floor):
                inner = _Pool([_closed(below.name, inner, gather)], [mean(np.array(inner.rows))])
            pool.units.extend(inner.units)
            pool.rows.extend(inner.rows)
        return pool

    whole = pooled(root)
    return gather(whole.units, np.array(whole.rows))


def _closed(name: str, pool: _Pool, gather: Gather) -> Branch:
    if len(pool.units) == 1:
        (only,) = pool.units
        return replace(only, headings=(f"{name}/{only.headings[0]}",)) if only.kind == "folder" else only
    return Branch("folder", tuple(gather(pool.units, np.array(pool.rows))), headings=(name,))


def folders_of(paths: Sequence[str]) -> Folder:
    """Give the folder over all branches, whose paths have forward slashes."""
    root = Folder("")
    for number, path in enumerate(paths):
        at = root
        at.all.append(number)
        for name in path.split("/")[:-1][:LEVELS]:
            at = at.folders.setdefault(name, Folder(name))
            at.all.append(number)
        at.own.append(number)
    return root


@dataclass(frozen=True, slots=True)
class Around:
    """What a folder is compared with: how many there are, and the numbers and vectors of a sample of them."""

    count: int
    numbers: Numbers
    rows: Matrix


def sampled(rows: Matrix, numbers: Sequence[int]) -> Around:
    """Take at most AROUND of the vectors with these numbers, evenly spaced."""
    chosen = _spaced(numbers, AROUND)
    return Around(len(numbers), chosen, rows[chosen])


def cohesion(rows: Matrix, inside: Sequence[int], around: Around) -> float:
    """Say how well `inside` is grouped among `around`, which holds it: 0 as chance would, 1 as well as can be.

    For each branch, the mean cosine with the others of its folder, over what it has with all around, as a share of what
    its nearest, as many as the folder has, would give: Σ (within − all) / Σ (nearest − all). A folder that is all there
    is, or of one branch, has 1: to keep it costs nothing.
    """
    if len(inside) < 2 or len(inside) == around.count:
        return 1.0
    judged = _spaced(inside, JUDGED)
    similar = _cosines(rows[judged], judged, around.rows, around.numbers)
    members = _spaced(inside, AROUND)
    within = _cosines(rows[judged], judged, rows[members], members)
    count = max(1, round((len(inside) - 1) * len(around.numbers) / around.count))
    nearest = -np.partition(-np.nan_to_num(similar, nan=-np.inf), count - 1, axis=1)[:, :count]
    usual = np.nanmean(similar, axis=1)
    gained = float((np.nanmean(within, axis=1) - usual).sum())
    possible = float((nearest.mean(axis=1) - usual).sum())
    return gained / possible if possible > 1e-6 else 0.0


def _cosines(left: Matrix, left_numbers: Numbers, right: Matrix, right_numbers: Numbers) -> Matrix:
    """Give all cosines, (n, m), with NaN for what would be compared with itself."""
    found = left @ right.T
    found[left_numbers[:, None] == right_numbers[None, :]] = np.nan
    return found


def _spaced(numbers: Sequence[int], at_most: int) -> Numbers:
    places = np.linspace(0, len(numbers) - 1, min(at_most, len(numbers))).astype(np.int64)
    return np.array([numbers[place] for place in places.tolist()], dtype=np.int64)
