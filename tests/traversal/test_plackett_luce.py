from __future__ import annotations

import math

import numpy as np
import pytest

from lattice.traversal.plackett_luce import fit_ranks, log_likelihood


def test_nothing_ranked_gives_nothing() -> None:
    assert fit_ranks([], 1.0).worth == {}


def test_one_pair_by_hand() -> None:
    # By symmetry θ = ±t with λt = 1 − σ(2t); t = ½ ln 3 makes the right side ¼.
    half = math.log(3) / 2
    found = fit_ranks([[7, 4]], 0.25 / half)
    assert found.worth == pytest.approx({7: half, 4: -half})
    # The Hessian is λ + ¾·¼·(1, −1)ᵀ(1, −1).
    weight, curve = 0.25 / half, 3 / 16
    assert found.error[7] == pytest.approx(math.sqrt((weight + curve) / ((weight + curve) ** 2 - curve**2)))


def test_who_wins_three_times_of_four_is_worth_three_times_as_much() -> None:
    worth = fit_ranks([[1, 2]] * 3 + [[2, 1]], 1e-6).worth
    assert worth[1] - worth[2] == pytest.approx(math.log(3), abs=1e-4)


def test_slates_that_share_a_node_are_put_together() -> None:
    worth = fit_ranks([[1, 2, 3], [3, 4, 5]], 0.1).worth
    assert sorted(worth, key=lambda node: -worth[node]) == [1, 2, 3, 4, 5]


def test_what_is_expected_decides_where_nothing_else_does() -> None:
    worth = fit_ranks([[1], [2]], 1.0, {1: 0.7}).worth
    assert worth == pytest.approx({1: 0.7, 2: 0.0})


def test_the_fit_is_the_maximum() -> None:
    rng = np.random.default_rng(3)
    orders = [rng.permutation(8)[:5] for _ in range(6)]
    fitted = fit_ranks([order.tolist() for order in orders], 0.3)
    worth, mean = np.array([fitted.worth[node] for node in range(8)]), np.zeros(8)
    best = log_likelihood(orders, worth, 0.3, mean)
    for node in range(8):
        for step in (-0.01, 0.01):
            assert log_likelihood(orders, worth + step * (np.arange(8) == node), 0.3, mean) < best


def test_known_worths_are_found_again_and_lie_within_their_errors() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(0.0, 1.0, 30)
    inside, total = 0, 0
    for _ in range(4):
        orders = []
        for _ in range(60):
            slate = rng.choice(30, 10, replace=False)
            # The order of worths with Gumbel noise is a draw of the model.
            orders.append(slate[np.argsort(-(truth[slate] + rng.gumbel(size=10)))].tolist())
        found = fit_ranks(orders, 1.0)
        values = np.array([found.worth[node] for node in range(30)])
        assert np.corrcoef(values, truth)[0, 1] > 0.92
        # Only differences are told by ranks.
        errors = np.array([found.error[node] for node in range(30)])
        inside += int((np.abs((values - values.mean()) - (truth - truth.mean())) < 1.96 * errors).sum())
        total += 30
    assert 0.9 <= inside / total <= 1.0


def test_a_node_that_is_always_first_has_a_finite_worth_only_with_a_prior() -> None:
    assert fit_ranks([[1, 2, 3]] * 50, 0.01).worth[1] < 20
    with pytest.raises(ValueError, match="prior_weight"):
        fit_ranks([[1, 2]], 0.0)


def test_far_worths_do_not_overflow() -> None:
    worth = fit_ranks([list(range(24))] * 80, 1e-4).worth
    assert all(map(math.isfinite, worth.values()))
    assert sorted(worth, key=lambda node: -worth[node]) == list(range(24))
