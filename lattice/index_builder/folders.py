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
        pool = _Pool([units[i] for i in folder.own], [rows[i] for i in folder.own])
        for below in folder.folders.values():
            inner = pooled(below)
            crowd = len(inner.units) == 1 or len(inner.units) > loose
            if crowd and (floor == -math.inf or cohesion(rows, below.all, folder.all) >= floor):
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


def cohesion(rows: Matrix, inside: Sequence[int], around: Sequence[int]) -> float:
    """Say how well `inside` is grouped among `around`, which holds it: 0 as chance would, 1 as well as can be.

    For each document, the mean cosine with the others of its folder, over what it has with all around, as a share of
    what its nearest documents, as many as the folder has, would give: Σ (within − all) / Σ (nearest − all). A folder
    that is all there is, or of one document, has 1: to keep it costs nothing.
    """
    if len(inside) < 2 or len(inside) == len(around):
        return 1.0
    members, judged, others = _spaced(inside, AROUND), _spaced(inside, JUDGED), _spaced(around, AROUND)
    similar = rows[judged] @ rows[others].T
    similar[judged[:, None] == others[None, :]] = np.nan
    within = rows[judged] @ rows[members].T
    within[judged[:, None] == members[None, :]] = np.nan
    count = max(1, round((len(inside) - 1) * len(others) / len(around)))
    nearest = -np.sort(-np.nan_to_num(similar, nan=-np.inf), axis=1)[:, :count]
    usual = np.nanmean(similar, axis=1)
    gained = float((np.nanmean(within, axis=1) - usual).sum())
    possible = float((nearest.mean(axis=1) - usual).sum())
    return gained / possible if possible > 1e-6 else 0.0


def _spaced(numbers: Sequence[int], at_most: int) -> Numbers:
    found = np.asarray(numbers, dtype=np.int64)
    return found[np.linspace(0, len(found) - 1, min(at_most, len(found))).astype(np.int64)]
