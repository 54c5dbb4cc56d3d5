"""Sparse vectors over a model's vocabulary: a weight for each of a few tokens, and the scores of many for one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lattice.errors import IndexCorrupt
from lattice.models.embedders import Array
from lattice.types import Matrix

# Among an index's arrays: the passages' sparse vectors as CSR, the rows in the order of the passages.
INDPTR, IDS, WEIGHTS = SPARSE_ARRAYS = ("sparse_indptr", "sparse_ids", "sparse_weights")
ID, WEIGHT = np.dtype("<u4"), np.dtype("<u2")


@dataclass(frozen=True, slots=True)
class Terms:
    """The sparse vector of one text: token ids (k,), ascending, and their weights (k,), whole numbers above 0."""

    ids: npt.NDArray[np.uint32]
    weights: npt.NDArray[np.uint16]


NO_TERMS = Terms(np.empty(0, dtype=ID), np.empty(0, dtype=WEIGHT))


@dataclass(frozen=True, slots=True)
class SparseRows:
    """The sparse vectors of n texts as CSR: row i has the entries `indptr[i]` up to `indptr[i + 1]` of the others."""

    indptr: npt.NDArray[np.int64]
    ids: npt.NDArray[np.uint32]
    weights: npt.NDArray[np.uint16]
    _row_of: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    _by_id: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    _sorted: npt.NDArray[np.uint32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Inverted: a query looks at the rows that hold its tokens, and at no others.
        object.__setattr__(self, "_row_of", np.repeat(np.arange(len(self)), np.diff(self.indptr)))
        object.__setattr__(self, "_by_id", np.argsort(self.ids, kind="stable"))
        object.__setattr__(self, "_sorted", self.ids[self._by_id])

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @classmethod
    def of(cls, rows: Sequence[Terms]) -> SparseRows:
        """Put the sparse vectors of texts together."""
        indptr = np.cumsum([0, *(len(row.ids) for row in rows)], dtype=np.int64)
        ids = np.concatenate([NO_TERMS.ids, *(row.ids for row in rows)])
        weights = np.concatenate([NO_TERMS.weights, *(row.weights for row in rows)])
        return cls(indptr, ids, weights)

    def row(self, number: int) -> Terms:
        """Give the sparse vector of one text."""
        part = slice(self.indptr[number], self.indptr[number + 1])
        return Terms(self.ids[part], self.weights[part])

    def scores(self, query: Terms) -> Matrix:
        """Give the dot product of a query's sparse vector with each row, (n,), float32."""
        found = np.zeros(len(self), dtype=np.float32)
        begins = np.searchsorted(self._sorted, query.ids, side="left")
        ends = np.searchsorted(self._sorted, query.ids, side="right")
        for weight, begin, end in zip(query.weights, begins, ends, strict=True):
            entries = self._by_id[begin:end]
            # A row holds a token once, so no row is named twice here.
            found[self._row_of[entries]] += np.float32(weight) * self.weights[entries].astype(np.float32)
        return found

    def arrays(self) -> dict[str, Array]:
        """Give the rows as an index keeps them."""
        return {INDPTR: self.indptr.astype("<i8"), IDS: self.ids.astype(ID), WEIGHTS: self.weights.astype(WEIGHT)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], rows: int) -> SparseRows:
        """Give back the `rows` rows that `arrays` came from; IndexCorrupt where they do not fit together."""
        if not set(SPARSE_ARRAYS) <= arrays.keys():
            raise IndexCorrupt("the index lacks its passages' sparse vectors; build the index again")
        indptr, ids, weights = (arrays[name] for name in SPARSE_ARRAYS)
        if not all(one.dtype.kind in "iu" and one.ndim == 1 for one in (indptr, ids, weights)):
            raise _damaged()
        starts = indptr.astype(np.int64)
        ends_fit = len(starts) == rows + 1 and starts[0] == 0 and starts[-1] == len(ids) == len(weights)
        if not ends_fit or (np.diff(starts) < 0).any():
            raise _damaged()
        return cls(starts, ids.astype(ID, copy=False), weights.astype(WEIGHT, copy=False))


def _damaged() -> IndexCorrupt:
    return IndexCorrupt("the index's sparse vectors are damaged: their arrays do not fit; build the index again")
