"""Sparse vectors: kept as CSR, and scored as the dot products that they are."""

from __future__ import annotations

import numpy as np
import pytest

from lattice.errors import IndexCorrupt
from lattice.models.sparse import ID, IDS, INDPTR, NO_TERMS, SPARSE_ARRAYS, WEIGHT, WEIGHTS, SparseRows, Terms


def terms(weights: dict[int, int]) -> Terms:
    ids = sorted(weights)
    return Terms(np.array(ids, dtype=ID), np.array([weights[i] for i in ids], dtype=WEIGHT))


ROWS = [terms({1: 3, 70_000: 400}), NO_TERMS, terms({1: 2, 5: 7})]


def test_scores_are_dot_products_with_every_row() -> None:
    rows = SparseRows.of(ROWS)
    assert rows.scores(terms({1: 10, 5: 1, 9: 4})).tolist() == [30.0, 0.0, 27.0]
    assert rows.scores(terms({70_000: 500})).tolist() == [200_000.0, 0.0, 0.0]
    assert rows.scores(NO_TERMS).tolist() == [0.0, 0.0, 0.0]
    assert SparseRows.of([]).scores(terms({1: 1})).tolist() == []


def test_scores_are_those_of_dense_arithmetic() -> None:
    random = np.random.default_rng(3)
    dense = random.integers(0, 400, (40, 60)) * (random.random((40, 60)) < 0.2)
    of = [terms({int(i): int(row[i]) for i in np.flatnonzero(row)}) for row in dense]
    for asked, row in zip(of, dense, strict=True):
        assert SparseRows.of(of).scores(asked).tolist() == (dense @ row).astype(np.float32).tolist()


def test_rows_come_back_from_the_arrays_of_an_index() -> None:
    arrays = SparseRows.of(ROWS).arrays()
    assert set(arrays) == set(SPARSE_ARRAYS)
    back = SparseRows.from_arrays(arrays, 3)
    for number, row in enumerate(ROWS):
        assert back.row(number).ids.tolist() == row.ids.tolist()
        assert back.row(number).weights.tolist() == row.weights.tolist()


@pytest.mark.parametrize("name", SPARSE_ARRAYS)
def test_what_does_not_fit_together_is_told(name: str) -> None:
    arrays = SparseRows.of(ROWS).arrays()
    with pytest.raises(IndexCorrupt, match="build the index again"):
        SparseRows.from_arrays({other: array for other, array in arrays.items() if other != name}, 3)
    with pytest.raises(IndexCorrupt, match="build the index again"):
        SparseRows.from_arrays({**arrays, name: arrays[name][:-1]}, 3)
    with pytest.raises(IndexCorrupt, match="build the index again"):
        SparseRows.from_arrays({**arrays, name: arrays[name].astype(np.float32)}, 3)
    assert {INDPTR, IDS, WEIGHTS} == set(arrays)
