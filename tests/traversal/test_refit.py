from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.traversal.calibration import Calibration, Observation, fit
from lattice.traversal.refit import Refit


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([0.2, 1.0]), st.sampled_from([0.3, 2.0, math.inf]))
def test_slate_by_slate_gives_what_the_whole_history_gives(
    seed: int, slates: int, prior_weight: float, bias_weight: float
) -> None:
    rng = np.random.default_rng(seed)
    calibration = Calibration(prior_weight, bias_weight)
    kept, history = Refit(calibration, 0.2), list[Observation]()
    for slate in range(slates):
        rows = [int(row) for row in rng.choice(12, 5, replace=False)]
        scores = rng.random(5).tolist()
        kept.add(rows, scores)
        history += [Observation(slate, row, score) for row, score in zip(rows, scores, strict=True)]
        whole = fit(history, dict.fromkeys(range(12), 0.2), calibration).relevance
        relevance, counts = kept.relevance(12)
        assert {row: relevance[row] for row in whole} == pytest.approx(whole)
        assert counts.tolist() == [sum(one.node == row for one in history) for row in range(12)]


def test_what_was_never_judged_is_what_is_expected_of_it() -> None:
    kept = Refit(Calibration(1.0, 1.0), 0.3)
    assert kept.relevance(2)[0].tolist() == [0.3, 0.3]
    kept.add([1], [0.9])
    relevance, counts = kept.relevance(3)
    assert relevance.tolist()[::2] == [0.3, 0.3]
    assert counts.tolist() == [0.0, 1.0, 0.0]


def test_one_score_by_hand() -> None:
    # b = (s − μ)(1 − w) / (1 + λ_b − w) with w = 1/2: .6·.5/1.5 = .2; ŝ = (.9 + .3)/2 − .2/2.
    kept = Refit(Calibration(1.0, 1.0), 0.3)
    kept.add([0], [0.9])
    assert kept.relevance(1)[0].tolist() == pytest.approx([0.5])
