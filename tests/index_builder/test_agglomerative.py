"""Average linkage with a cap: what belongs together, how full groups are, what they survive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder.agglomerative import agglomerative
from lattice.index_builder.fill import target
from lattice.types import Matrix
from tests.index_builder.corpora import clouds, random_vectors


def test_well_parted_clouds_are_not_mixed() -> None:
    groups = agglomerative(clouds(centres=6, each=10), 12, seed=0)
    assert len(groups) == target(60, 12)
    assert all(len({row % 6 for row in group}) == 1 for group in groups)


def test_every_row_is_in_one_group() -> None:
    groups = agglomerative(clouds(30, 11), 12, seed=0)
    assert sorted(row for group in groups for row in group) == list(range(330))


def test_groups_are_mostly_full() -> None:
    sizes = [len(group) for group in agglomerative(clouds(40, 20, noise=1.0), 12, seed=0)]
    assert max(sizes) <= 12
    assert min(sizes) >= 2
    assert 0.6 <= np.mean(sizes) / 12 <= 1


@pytest.mark.parametrize("vectors", [np.zeros((500, 4)), np.ones((500, 4)) / 2])
def test_rows_that_are_all_alike_are_grouped_evenly(vectors: Matrix) -> None:
    sizes = [len(group) for group in agglomerative(vectors.astype(np.float32), 12, seed=0)]
    assert sum(sizes) == 500
    assert 0.6 <= np.mean(sizes) / 12 <= 1
    assert min(sizes) >= 2


def test_rows_that_are_all_alike_mostly_stay_with_those_beside_them() -> None:
    groups = agglomerative(np.zeros((300, 4), dtype=np.float32), 12, seed=0)
    assert np.median([group[-1] - group[0] for group in groups]) < 15


def test_pairs_are_grouped_even_when_their_number_is_odd() -> None:
    assert sorted(map(len, agglomerative(clouds(9, 3), 2, seed=0))) == [1] + [2] * 13


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(3, 200), st.integers(2, 12), st.integers(0, 1000))
def test_any_rows_are_parted_within_the_limit(count: int, limit: int, seed: int) -> None:
    groups = agglomerative(random_vectors(count, seed), limit, seed=0)
    assert sorted(row for group in groups for row in group) == list(range(count))
    assert all(1 <= len(group) <= limit for group in groups)
    assert len(groups) <= max(target(count, limit), 1)
    sizes = sorted(map(len, groups))
    assert sizes[0] >= 2 or sizes[1:] == [limit] * (len(sizes) - 1)
    assert groups == agglomerative(random_vectors(count, seed), limit, seed=0)
