"""Spectral clustering of the neighbour graph."""

import numpy as np
import pytest

from lattice.index_builder import spectral as module
from lattice.index_builder.spectral import spectral
from tests.index_builder.corpora import clouds


def test_parts_that_have_no_link_are_not_mixed() -> None:
    # Each axis is a component of its own: neighbours on another axis have a cosine of 0, and so no link.
    rows = np.eye(5, dtype=np.float32)[np.arange(50) % 5]
    groups = spectral(rows, 12, seed=0)
    assert sum(len({row % 5 for row in group}) == 1 for group in groups) >= 4


@pytest.mark.parametrize("exact", [10_000, 0])
def test_iteration_comes_near_the_exact_eigenvectors(monkeypatch: pytest.MonkeyPatch, exact: int) -> None:
    monkeypatch.setattr(module, "EXACT_UP_TO", exact)
    groups = spectral(clouds(centres=40, each=10), 12, seed=0)
    assert np.mean([len({row % 40 for row in group}) == 1 for group in groups]) >= 0.8


def test_rows_without_any_link_keep_their_order_more_or_less() -> None:
    groups = spectral(np.zeros((90, 3), dtype=np.float32), 10, seed=0)
    assert np.median([group[-1] - group[0] for group in groups]) < 45
