from __future__ import annotations

import pytest

from lattice.traversal.prior import FLOOR, LEXICAL_SHARE, TOP, fuse, prior_of


def test_fusion_by_hand() -> None:
    fused = fuse([(1, 8.0), (2, 4.0)], [(2, 0.5), (3, 0.25)], 10)
    vector = 1 - LEXICAL_SHARE
    assert dict(fused) == pytest.approx({1: LEXICAL_SHARE, 2: LEXICAL_SHARE / 2 + vector, 3: vector / 2})
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


def test_ties_go_by_id_and_the_limit_holds() -> None:
    assert [passage for passage, _ in fuse([(5, 1.0), (3, 1.0), (4, 1.0)], [], 2)] == [3, 4]


def test_nothing_found_and_worthless_scores() -> None:
    assert fuse([], [], 10) == []
    assert fuse([(1, 0.0)], [(2, -0.3)], 10) == []


def test_the_expectation_runs_from_the_floor_to_the_top() -> None:
    prior = prior_of([(4, 1.0), (9, 0.0)], {4: 40, 9: 90})
    assert [hit.leaf for hit in prior.hits] == [40, 90]
    assert [hit.expected for hit in prior.hits] == pytest.approx([TOP, FLOOR])
