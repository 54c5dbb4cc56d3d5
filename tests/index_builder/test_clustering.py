"""Capped clusters: what belongs together, how full they are, what they survive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder.clustering import clusters, target
from lattice.models.embedders import normalised
from lattice.types import Matrix
from tests.index_builder.corpora import random_vectors


def around(centres: int, each: int, noise: float = 0.1, seed: int = 0) -> Matrix:
    rng = np.random.default_rng(seed)
    middle = rng.standard_normal((centres, 16))
    rows = middle[np.arange(centres * each) % centres] + noise * rng.standard_normal((centres * each, 16))
    return normalised(rows.astype(np.float32))


def test_well_parted_clouds_are_not_mixed() -> None:
    groups = clusters(around(centres=6, each=10), 12, seed=0)
    assert len(groups) == target(60, 12)
    assert all(len({row % 6 for row in group}) == 1 for group in groups)


def test_every_row_is_in_one_group() -> None:
    groups = clusters(around(30, 11), 12, seed=0)
    assert sorted(row for group in groups for row in group) == list(range(330))


def test_groups_are_mostly_full() -> None:
    sizes = [len(group) for group in clusters(around(40, 20, noise=1.0), 12, seed=0)]
    assert max(sizes) <= 12
    assert min(sizes) >= 2
    assert 0.6 <= np.mean(sizes) / 12 <= 1


@pytest.mark.parametrize("vectors", [np.zeros((500, 4)), np.ones((500, 4)) / 2])
def test_rows_that_are_all_alike_are_grouped_evenly(vectors: Matrix) -> None:
    sizes = [len(group) for group in clusters(vectors.astype(np.float32), 12, seed=0)]
    assert sum(sizes) == 500
    assert 0.6 <= np.mean(sizes) / 12 <= 1
    assert min(sizes) >= 2


def test_rows_that_are_all_alike_mostly_stay_with_those_beside_them() -> None:
    groups = clusters(np.zeros((300, 4), dtype=np.float32), 12, seed=0)
    assert np.median([group[-1] - group[0] for group in groups]) < 15


def test_pairs_are_grouped_even_when_their_number_is_odd() -> None:
    assert sorted(map(len, clusters(around(9, 3), 2, seed=0))) == [1] + [2] * 13


@pytest.mark.parametrize(
    ("count", "limit", "expected"), [(13, 12, 2), (130, 12, 12), (144, 12, 15), (3, 2, 2), (8, 2, 4)]
)
def test_targets_worked_by_hand(count: int, limit: int, expected: int) -> None:
    # 130 at .83 · 12 would be 14 groups and one more level above; at .95 · 12 they are 12, which fit below the root.
    assert target(count, limit) == expected


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(3, 200), st.integers(2, 12), st.integers(0, 1000))
def test_any_rows_are_parted_within_the_limit(count: int, limit: int, seed: int) -> None:
    groups = clusters(random_vectors(count, seed), limit, seed=0)
    assert sorted(row for group in groups for row in group) == list(range(count))
    assert all(1 <= len(group) <= limit for group in groups)
    assert len(groups) <= max(target(count, limit), 1)
    sizes = sorted(map(len, groups))
    assert sizes[0] >= 2 or sizes[1:] == [limit] * (len(sizes) - 1)
    assert groups == clusters(random_vectors(count, seed), limit, seed=0)
