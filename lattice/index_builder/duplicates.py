"""Near-duplicates: found exactly, or by hashing where there are too many for that, and kept below one parent."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lattice.index_builder.fill import Groups, joined, ordered
from lattice.types import Matrix

# Cosine from which two rows count as the same thing said twice.
ALIKE = 0.98
# A float32 product of some hundred terms is off by no more than this.
ROUNDING = 1e-5
# Coordinates compared first; the lengths of what is left of two rows bound the rest of their product.
LEADING = 48
# Numbers in one block of products: 64 MB.
BLOCK = 1 << 24
# Hashes of a row, and how many rows of the same hash each is compared with.
TABLES = 16
COMPARED = 32


def near_duplicates(vectors: Matrix) -> Groups:
    """Give the sets of two or more rows that chains of a cosine of at least ALIKE hold together, rows ascending.

    Exact, over all pairs of rows of `vectors` (n, d), L2-normalised or zero; zero rows are like none. The first
    coordinates decide about most pairs, for x · y ≤ x_a · y_a + ‖x_b‖ ‖y_b‖ (Cauchy and Schwarz).
    """
    labels = np.arange(len(vectors))
    leading = _bounds(vectors)
    rows = max(1, BLOCK // max(1, len(vectors)))
    for start in range(0, len(vectors), rows):
        near = leading[start : start + rows] @ leading[start:].T >= ALIKE - ROUNDING
        left, right = np.nonzero(near)
        left, right = left[left < right] + start, right[left < right] + start
        alike = _alike(vectors, left, right)
        labels = _linked(labels, left[alike], right[alike])
    return _sets(labels)


def probable_duplicates(vectors: Matrix, seed: int) -> Groups:
    """Give what `near_duplicates` gives, less a few: the work grows with the number of rows, and not with its square.

    Rows are compared that lie on the same sides of some random planes (Charikar 2002), log₂ n of them, sixteen times.
    Two of a cosine c share a hash with probability (1 - arccos(c) / π) ** log₂ n: of 100,000 rows, pairs of .98 are
    found with a probability of .998, those of .99 and above of more than .9999.
    """
    labels = np.arange(len(vectors))
    known = np.flatnonzero(np.any(vectors != 0, axis=1))
    if len(known) < 2:
        return []
    # Around their mean: where all rows point the same way, planes through the origin would hardly tell them apart.
    around = vectors[known] - vectors[known].mean(axis=0)
    planes = max(1, int(np.log2(len(known))))
    random = np.random.default_rng(seed)
    for _ in range(TABLES):
        directions = random.standard_normal((vectors.shape[1], planes)).astype(np.float32)
        hashes = (np.round(around @ directions, 4) > 0) @ (1 << np.arange(planes))
        order = np.argsort(hashes, kind="stable")
        for apart in range(1, min(COMPARED, len(order) - 1) + 1):
            same = np.flatnonzero(hashes[order[apart:]] == hashes[order[:-apart]])
            if not len(same):
                break
            left, right = known[order[same]], known[order[same + apart]]
            alike = _alike(vectors, left, right)
            labels = _linked(labels, left[alike], right[alike])
    return _sets(labels)


def _bounds(vectors: Matrix) -> Matrix:
    rest = np.linalg.norm(vectors[:, LEADING:], axis=1, keepdims=True)
    return np.ascontiguousarray(np.hstack([vectors[:, :LEADING], rest]), dtype=np.float32)


def _alike(vectors: Matrix, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(left), dtype=bool)
    step = max(1, BLOCK // (2 * max(1, vectors.shape[1])))
    for start in range(0, len(left), step):
        some = slice(start, start + step)
        found[some] = np.einsum("nd,nd->n", vectors[left[some]], vectors[right[some]]) >= ALIKE - ROUNDING
    return found


def _linked(labels: npt.NDArray[np.int64], left: Any, right: Any) -> npt.NDArray[np.int64]:  # noqa: ANN401
    if not len(left):
        return labels
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix((np.ones(len(left), dtype=bool), (labels[left], labels[right])), shape=(len(labels),) * 2)
    return np.asarray(connected_components(links, directed=False)[1][labels], dtype=np.int64)


def _sets(labels: npt.NDArray[np.int64]) -> Groups:
    order = np.argsort(labels, kind="stable")
    bounds = np.flatnonzero(np.diff(labels[order])) + 1
    return ordered([part for part in np.split(order, bounds) if len(part) > 1])


def reunited(groups: Groups, vectors: Matrix, limit: int) -> Groups:
    """Give the groups with every set of near-duplicates that fits in one of them in one of them.

    A set goes to the group that holds most of it where there is room, else into a group of its own.
    """
    group_of = np.empty(len(vectors), dtype=np.int64)
    for number, group in enumerate(groups):
        group_of[group] = number
    changed = False
    found = [set(group) for group in groups]
    for alike in near_duplicates(vectors):
        numbers, counts = np.unique(group_of[alike], return_counts=True)
        if len(numbers) > 1 and len(alike) <= limit:
            changed = True
            most = int(numbers[counts.argmax()])
            if len(found[most]) + len(alike) - int(counts.max()) > limit:
                most = len(found)
                found.append(set())
            for row in alike:
                found[int(group_of[row])].discard(row)
            found[most].update(alike)
            group_of[alike] = most
    return joined([list(group) for group in found], vectors, limit) if changed else groups
