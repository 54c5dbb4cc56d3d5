from __future__ import annotations

import pytest

from lattice.traversal.relevance import path_relevance, without_depth


def test_path_relevance_mixes_parent_and_own() -> None:
    assert path_relevance(1.0, 0.2, 0.5) == pytest.approx(0.6)
    assert path_relevance(0.6, 0.2, 0.0) == pytest.approx(0.2)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.8])
def test_a_constant_score_has_the_same_corrected_path_at_every_depth(alpha: float) -> None:
    path = 1.0
    for depth in range(1, 9):
        path = path_relevance(path, 0.3, alpha)
        assert without_depth(path, depth, alpha) == pytest.approx(0.3)


def test_the_root_is_certain() -> None:
    assert without_depth(1.0, 0, 0.5) == 1.0
