from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder.divisive import divided
from tests.index_builder.corpora import clouds, random_vectors


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.integers(3, 400), st.integers(2, 12), st.integers(0, 9))
def test_a_split_has_few_groups_of_bounded_size(count: int, limit: int, seed: int) -> None:
    if count <= limit:
        count += limit
    vectors = random_vectors(count, seed)
    groups = divided(vectors, limit, seed)
    assert sorted(row for group in groups for row in group) == list(range(count))
    assert 2 <= len(groups) <= limit
    room = limit
    while room * limit < count:
        room *= limit
    assert max(map(len, groups)) <= room, "the tree is as shallow as it can be"
    assert groups == divided(vectors, limit, seed)


def test_clouds_stay_together() -> None:
    groups = divided(clouds(4, 9), 12, 0)
    assert len(groups) == 4
    assert sum(len({row % 4 for row in group}) == 1 for group in groups) >= 3


def test_near_duplicates_share_a_group() -> None:
    vectors = random_vectors(60, 3, 24)
    vectors[[7, 33, 58]] = vectors[1]
    where = [number for number, group in enumerate(divided(vectors, 12, 0)) for row in group if row in {1, 33, 58}]
    assert len(set(where)) == 1


def test_rows_that_are_all_alike_are_split_all_the_same() -> None:
    groups = divided(np.full((30, 4), 0.5, dtype=np.float32), 4, 0)
    assert 2 <= len(groups) <= 4
