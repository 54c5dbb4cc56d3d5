from __future__ import annotations

import random

import pytest

from lattice.evaluate.intervals import mean_interval, paired


def test_constants_have_no_width() -> None:
    interval = mean_interval([0.3] * 7)
    assert (interval.low, interval.high) == pytest.approx((0.3, 0.3))


def test_two_values_by_hand() -> None:
    # The means of resamples are 0, .5, 1 with probabilities 1/4, 1/2, 1/4.
    assert mean_interval([0.0, 1.0]) == mean_interval([1.0, 0.0])
    wide, narrow = mean_interval([0.0, 1.0], 0.95), mean_interval([0.0, 1.0], 0.40)
    assert (wide.low, wide.high) == (0.0, 1.0)
    assert (narrow.low, narrow.high) == (0.5, 0.5)


def test_the_seed_decides_and_the_order_of_queries_does_not() -> None:
    generator = random.Random(1)
    values = [generator.random() for _ in range(30)]
    assert mean_interval(values, seed=3) == mean_interval(values[::-1], seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_more_queries_than_fit_into_memory_at_once() -> None:
    values = [i % 2 for i in range(5000)]
    interval = mean_interval(values)
    # Two standard errors of a fair coin thrown 5000 times: .0139.
    assert interval.low == pytest.approx(0.5 - 0.0139, abs=0.001)
    assert interval.high == pytest.approx(0.5 + 0.0139, abs=0.001)


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    generator, covered = random.Random(5), 0
    for _ in range(100):
        interval = mean_interval([generator.gauss(0.4, 0.2) for _ in range(40)], 0.9)
        covered += interval.low <= 0.4 <= interval.high
    assert 80 <= covered <= 98


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])


def test_a_paired_difference_by_hand() -> None:
    found = paired({"a": 1.0, "b": 0.5, "c": 0.2, "d": 0.0}, {"a": 0.5, "b": 0.5, "c": 0.4, "d": -0.1})
    assert found.difference == pytest.approx(0.1)
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    assert found.interval.low < 0.1 < found.interval.high
    # Differences .5, 0, -.2, .1: their sample variance is .26 / 3 and the error its root over 4.
    assert found.standard_error == pytest.approx((0.26 / 3 / 4) ** 0.5)


def test_the_randomisation_test_by_hand() -> None:
    # Three differences of one sign: 2 of the 8 assignments of signs give a sum as large, in either direction.
    found = paired(dict.fromkeys("abc", 1.0), dict.fromkeys("abc", 0.0))
    assert found.p_value == pytest.approx(0.25, abs=0.02)
    assert paired({"a": 0.5}, {"a": 0.5}).p_value == 1.0
    many = {str(i): 1.0 for i in range(20)}
    assert paired(many, dict.fromkeys(many, 0.0)).p_value < 0.001


def test_different_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="'b'"):
        paired({"a": 1.0}, {"a": 1.0, "b": 1.0})
