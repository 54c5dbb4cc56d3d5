"""Balanced spherical k-means."""

import numpy as np
import pytest

from lattice.index_builder import kmeans as module
from lattice.index_builder.kmeans import balanced, kmeans
from tests.index_builder.corpora import clouds, random_vectors


def test_two_clouds_are_told_apart() -> None:
    assert sorted(balanced(clouds(2, 8), 2, 10, seed=0)) == [[*range(0, 16, 2)], [*range(1, 16, 2)]]


def test_what_does_not_fit_goes_to_the_next_nearest() -> None:
    rows = np.array([[1, 0]] * 5 + [[0, 1]], dtype=np.float32)
    assert sorted(map(len, balanced(rows, 2, 3, seed=1))) == [3, 3]


def test_rows_that_are_all_alike_stay_with_those_beside_them() -> None:
    rows = np.tile(np.array([[0.6, 0.8]], dtype=np.float32), (20, 1))
    assert balanced(rows, 5, 4, seed=0) == [[*range(i, i + 4)] for i in range(0, 20, 4)]


@pytest.mark.parametrize(("choices", "block"), [(1, 1 << 24), (3, 100), (16, 1 << 24)])
def test_neither_choices_nor_blocks_break_the_capacity(
    monkeypatch: pytest.MonkeyPatch, choices: int, block: int
) -> None:
    monkeypatch.setattr(module, "CHOICES", choices)
    monkeypatch.setattr(module, "BLOCK", block)
    groups = balanced(random_vectors(200, 1), 25, 8, seed=0)
    assert sorted(row for group in groups for row in group) == list(range(200))
    assert {len(group) for group in groups} == {8}


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = kmeans(clouds(20, 10), 12, seed=0)
    monkeypatch.setattr(module, "BLOCK", 64)
    assert kmeans(clouds(20, 10), 12, seed=0) == whole
