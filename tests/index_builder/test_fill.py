"""How many groups are aimed for, and how small ones find a home."""

import numpy as np
import pytest

from lattice.index_builder.fill import joined, ordered, target


@pytest.mark.parametrize(
    ("count", "limit", "expected"), [(13, 12, 2), (130, 12, 12), (144, 12, 15), (3, 2, 2), (8, 2, 4)]
)
def test_targets_worked_by_hand(count: int, limit: int, expected: int) -> None:
    # 130 at .83 · 12 would be 14 groups and one more level above; at .95 · 12 they are 12, which fit below the root.
    assert target(count, limit) == expected


def test_groups_stand_in_the_order_of_their_first_rows() -> None:
    assert ordered([[4, 2], [], [3, 0]]) == [[0, 3], [2, 4]]


def test_a_small_group_joins_the_one_most_like_it_that_has_room() -> None:
    rows = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0.8, 0.6]], dtype=np.float32)
    assert joined([[0, 1, 2], [3, 4], [5]], rows, 4) == [[0, 1, 2, 5], [3, 4]]
    assert joined([[0, 1, 2], [3, 4], [5]], rows, 3) == [[0, 1, 2], [3, 4, 5]]


def test_groups_more_than_half_full_are_left_alone() -> None:
    rows = np.ones((8, 1), dtype=np.float32)
    assert joined([[0, 1, 2], [3, 4, 5, 6, 7]], rows, 5) == [[0, 1, 2], [3, 4, 5, 6, 7]]
    assert joined([[0, 1, 2], [3, 4, 5]], rows, 6) == [[0, 1, 2, 3, 4, 5]]


def test_a_single_stays_where_all_others_are_full() -> None:
    assert joined([[0], [1, 2], [3, 4]], np.ones((5, 1), dtype=np.float32), 2) == [[0], [1, 2], [3, 4]]
