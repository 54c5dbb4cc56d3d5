from __future__ import annotations

import math

import numpy as np
import pytest

from lattice.traversal.calibration import Calibration, Observation, fit


def test_nothing_judged_gives_nothing() -> None:
    latent = fit([], {}, Calibration(prior_weight=1.0))
    assert latent.relevance == {}
    assert latent.bias == {}


def test_a_pointwise_score_is_averaged_with_its_prior_by_weight() -> None:
    latent = fit([Observation(0, 7, 0.9)], {7: 0.3}, Calibration(prior_weight=0.5, noise=0.2))
    assert latent.relevance[7] == pytest.approx((0.9 + 0.5 * 0.3) / 1.5)
    assert latent.error[7] == pytest.approx(0.2 * math.sqrt(1 / 1.5))
    assert latent.bias == {0: 0.0}


def test_a_hand_worked_case_with_biases() -> None:
    # Slates share node 2. With λ_s = λ_b = 1, μ = 0: W = (1/2, 1/3, 1/2), A = [[3 - 5/6, -1/3], [-1/3, 3 - 5/6]],
    # right-hand side = sums a slate - CᵀW·sums a node = (1.4 - .4 - .4, 1.0 - .4 - .2) = (.6, .4).
    seen = [Observation(0, 1, 0.8), Observation(0, 2, 0.6), Observation(1, 2, 0.6), Observation(1, 3, 0.4)]
    latent = fit(seen, {1: 0.0, 2: 0.0, 3: 0.0}, Calibration(prior_weight=1.0, bias_weight=1.0))
    determinant = (13 / 6) ** 2 - (1 / 3) ** 2
    right = (1.4 - 0.8 / 2 - 1.2 / 3, 1.0 - 1.2 / 3 - 0.4 / 2)
    bias = ((13 / 6 * right[0] + right[1] / 3) / determinant, (right[0] / 3 + 13 / 6 * right[1]) / determinant)
    assert latent.bias[0] == pytest.approx(bias[0])
    assert latent.bias[1] == pytest.approx(bias[1])
    assert latent.relevance[1] == pytest.approx((0.8 - bias[0]) / 2)
    assert latent.relevance[2] == pytest.approx((1.2 - bias[0] - bias[1]) / 3)


def test_the_fit_is_the_minimum_of_the_stated_loss() -> None:
    rng = np.random.default_rng(3)
    seen = [Observation(i, int(v), float(rng.random())) for i in range(4) for v in rng.choice(9, 5, replace=False)]
    expected = {v: 0.1 * v for v in range(9)}
    calibration = Calibration(prior_weight=0.7, bias_weight=0.3)
    latent = fit(seen, expected, calibration)

    def loss(relevance: dict[int, float], bias: dict[int, float]) -> float:
        errors = sum((one.score - relevance[one.node] - bias[one.slate]) ** 2 for one in seen)
        shrink = sum((value - expected[node]) ** 2 for node, value in relevance.items())
        return errors + 0.7 * shrink + 0.3 * sum(b**2 for b in bias.values())

    best = loss(latent.relevance, latent.bias)
    for node in latent.relevance:
        for step in (-0.01, 0.01):
            assert loss(latent.relevance | {node: latent.relevance[node] + step}, latent.bias) > best
    for slate in latent.bias:
        assert loss(latent.relevance, latent.bias | {slate: latent.bias[slate] + 0.01}) > best


def test_a_constant_added_to_a_slate_changes_nothing_once_biases_are_free() -> None:
    rng = np.random.default_rng(5)
    scores = {(i, v): float(rng.random()) for i in range(3) for v in range(8) if (i + v) % 3}
    expected = dict.fromkeys(range(8), 0.5)
    calibration = Calibration(prior_weight=1.0, bias_weight=1e-9)
    plain = fit([Observation(i, v, s) for (i, v), s in scores.items()], expected, calibration)
    moved = fit([Observation(i, v, s + 0.3 * (i == 1)) for (i, v), s in scores.items()], expected, calibration)
    assert moved.relevance == pytest.approx(plain.relevance, abs=1e-6)
    assert moved.bias[1] - plain.bias[1] == pytest.approx(0.3, abs=1e-6)


def test_known_latent_scores_are_found_again_through_slate_bias() -> None:
    rng = np.random.default_rng(11)
    truth = rng.normal(0.5, 0.2, 60)
    bias = rng.normal(0.0, 0.3, 30)
    seen = [
        Observation(i, int(v), float(truth[v] + bias[i] + rng.normal(0, 0.03)))
        for i in range(30)
        for v in rng.choice(60, 12, replace=False)
    ]
    expected = dict.fromkeys(range(60), 0.5)
    fitted = fit(seen, expected, Calibration(prior_weight=0.02, bias_weight=0.01, noise=0.03)).relevance
    naive = fit(seen, expected, Calibration(prior_weight=0.02)).relevance
    order = sorted(fitted)
    with_bias = np.corrcoef([fitted[v] for v in order], truth[order])[0, 1]
    without = np.corrcoef([naive[v] for v in order], truth[order])[0, 1]
    assert with_bias > 0.99
    assert without < with_bias - 0.02


def test_the_standard_error_covers_the_truth() -> None:
    rng = np.random.default_rng(2)
    inside = total = 0
    for _ in range(40):
        truth = rng.normal(0.5, 0.2, 20)
        bias = rng.normal(0.0, 0.2, 8)
        seen = [
            Observation(i, int(v), float(truth[v] + bias[i] + rng.normal(0, 0.1)))
            for i in range(8)
            for v in rng.choice(20, 8, replace=False)
        ]
        calibration = Calibration(prior_weight=(0.1 / 0.2) ** 2, bias_weight=(0.1 / 0.2) ** 2, noise=0.1)
        latent = fit(seen, dict.fromkeys(range(20), 0.5), calibration)
        for node, value in latent.relevance.items():
            inside += abs(value - truth[node]) <= 1.96 * latent.error[node]
            total += 1
    assert 0.92 <= inside / total <= 0.98


def test_a_node_without_expectation_is_an_error() -> None:
    with pytest.raises(KeyError):
        fit([Observation(0, 1, 0.5)], {}, Calibration(prior_weight=1.0))
