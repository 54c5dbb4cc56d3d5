"""Parts of bounded size, before anything is clustered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder.partition import SMALLEST, parts
from lattice.types import Matrix
from tests.index_builder.corpora import clouds, random_vectors


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(0, 400), st.integers(1, 100), st.integers(0, 1000))
def test_every_row_is_in_one_part_of_bounded_size(count: int, at_most: int, seed: int) -> None:
    vectors = random_vectors(count, seed) if count else np.zeros((0, 3), dtype=np.float32)
    found = parts(vectors, at_most, seed)
    assert sorted(np.concatenate(found).tolist()) == list(range(count))
    assert all(len(part) <= at_most for part in found)
    if count > at_most > 8:
        assert min(map(len, found)) >= int(SMALLEST * at_most)
    again = parts(vectors.copy(), at_most, seed)
    assert [part.tolist() for part in found] == [part.tolist() for part in again]


def test_two_clouds_fall_into_two_parts() -> None:
    found = parts(clouds(2, 50), 60, seed=0)
    assert sorted(part.tolist() for part in found) == [[*range(0, 100, 2)], [*range(1, 100, 2)]]


@pytest.mark.parametrize("vectors", [np.zeros((50, 3)), np.ones((50, 1))])
def test_rows_that_are_all_alike_are_parted_by_position(vectors: Matrix) -> None:
    found = parts(vectors.astype(np.float32), 20, seed=0)
    assert all(np.array_equal(part, np.arange(part[0], part[0] + len(part))) for part in found)
