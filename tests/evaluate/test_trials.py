from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from lattice.evaluate.simulate import ArithmeticTree, Regime, World
from lattice.evaluate.trials import difference, logarithmic, power, walked
from lattice.traversal.steps import Ranked, Step
from lattice.types import Judge, Usage

WORLD = World(ArithmeticTree(200), Regime(relevant=4), seed=1)


def _script(*moments: tuple[int, int]) -> Iterator[Step]:
    """Give steps after so many slates each, with so many relevant leaves in the ranking."""
    for number, (slates, count) in enumerate(moments):
        ranking = tuple(Ranked(leaf, 0.5, True, 0.5) for leaf in WORLD.relevant[:count])
        yield Step(number, (), ranking, Usage(calls=slates))


def test_recall_slate_by_slate_and_what_was_enough() -> None:
    def walk(_world: World, _judge: Judge) -> Iterator[Step]:
        return _script((0, 0), (1, 2), (2, 2), (3, 4), (4, 4), (5, 4))

    trial = walked(walk, WORLD, at_least=4, at_most=10)
    assert trial.recall == (0.0, 0.5, 0.5, 1.0, 1.0)
    assert trial.enough == 3


def test_what_an_iteration_found_is_spread_over_its_slates() -> None:
    def walk(_world: World, _judge: Judge) -> Iterator[Step]:
        return _script((0, 0), (1, 0), (3, 2), (5, 4))

    trial = walked(walk, WORLD, at_least=5, at_most=10)
    assert trial.recall == pytest.approx((0.0, 0.0, 0.25, 0.5, 0.75, 1.0))
    assert trial.enough == 4.5


def test_a_search_that_ends_keeps_what_it_has_and_one_that_goes_on_is_cut() -> None:
    short = walked(lambda _world, _judge: _script((0, 1), (1, 2)), WORLD, at_least=3, at_most=9)
    assert short.recall == (0.25, 0.5, 0.5, 0.5)
    assert short.enough is None
    long = walked(lambda _world, _judge: _script((0, 0), (1, 0), (2, 0), (3, 4)), WORLD, at_least=1, at_most=2)
    assert long.recall == (0.0, 0.0, 0.0)
    assert long.enough is None


def test_a_paired_difference_by_hand() -> None:
    found = difference([0.5, 0.7, 0.9], [0.4, 0.7, 0.5])
    assert found.mean == pytest.approx(0.5 / 3)
    # The squared deviations of .1, 0 and .4 from 1/6 add up to .26/3; half of it is the variance.
    assert found.error == pytest.approx(math.sqrt(0.13 / 3 / 3))
    assert math.isnan(difference([1.0], [0.0]).error)


def test_both_laws_find_themselves_again() -> None:
    leaves = [1000, 10_000, 100_000]
    by_log = logarithmic(leaves, [3 + 2 * math.log(n, 12) for n in leaves])
    assert (by_log.a, by_log.b, by_log.error) == pytest.approx((3, 2, 0), abs=1e-9)
    by_power = power(leaves, [0.5 * n**0.3 for n in leaves])
    assert (by_power.a, by_power.b, by_power.error) == pytest.approx((0.5, 0.3, 0), abs=1e-9)
    assert logarithmic(leaves, [0.5 * n**0.3 for n in leaves]).error > 0.5
