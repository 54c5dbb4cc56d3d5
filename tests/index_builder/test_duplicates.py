"""Near-duplicates: which rows they are, and that they come together."""

import numpy as np
import pytest

from lattice.index_builder import duplicates
from lattice.index_builder.duplicates import ALIKE, near_duplicates, reunited
from lattice.models.embedders import normalised
from lattice.types import Matrix


def turned(*degrees: float) -> Matrix:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_rows_within_the_angle_are_alike() -> None:
    edge = float(np.degrees(np.arccos(ALIKE)))
    assert near_duplicates(turned(0, edge - 0.1, 90, 90 + edge + 0.1)) == [[0, 1]]


def test_chains_hang_together() -> None:
    assert near_duplicates(turned(0, 10, 20, 30, 60, 65)) == [[0, 1, 2, 3], [4, 5]]


def test_zero_rows_are_like_none() -> None:
    assert near_duplicates(np.zeros((5, 4), dtype=np.float32)) == []


def test_no_rows_have_no_duplicates() -> None:
    assert near_duplicates(np.zeros((0, 4), dtype=np.float32)) == []


@pytest.mark.parametrize("block", [1 << 24, 700])
def test_the_quick_bound_leaves_no_pair_out(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", block)
    rng = np.random.default_rng(3)
    rows = np.repeat(rng.standard_normal((90, 120)), 3, axis=0)
    vectors = normalised((rows + 0.14 * rng.standard_normal(rows.shape)).astype(np.float32))
    linked = vectors @ vectors.T >= ALIKE
    pairs = {(int(i), int(j)) for i, j in np.argwhere(linked) if i < j}
    found = near_duplicates(vectors)
    assert len(pairs) > 20
    for i, j in pairs:
        assert any(i in rows and j in rows for rows in found)
    assert sum(map(len, found)) == int((linked.sum(axis=1) > 1).sum())


def test_a_set_goes_where_most_of_it_is_and_there_is_room() -> None:
    rows = turned(0, 1, 2, 90, 91, 180)
    assert reunited([[0, 1, 5], [2, 3, 4]], rows, 4) == [[0, 1, 2, 5], [3, 4]]


def test_a_set_without_room_gets_a_group_of_its_own() -> None:
    rows = turned(0, 1, 90, 120, 200, 240)
    assert reunited([[0, 2, 3], [1, 4, 5]], rows, 3) == [[0, 1], [2, 3], [4, 5]]


def test_a_set_larger_than_a_group_is_left_as_it_is() -> None:
    rows = turned(0, 0, 0, 0, 0)
    groups = [[0, 1], [2, 4], [3]]
    assert reunited(groups, rows, 2) is groups
