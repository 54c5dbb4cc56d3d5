"""The arithmetic of the benchmarks: what decides a parameter must itself be right."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lattice.evaluate.evaluation import Moment, QueryResult
from lattice.evaluate.simulate import ArithmeticTree, Regime, SimulatedJudge, World
from lattice.traversal.belief import Belief
from lattice.traversal.calibration import Calibration
from lattice.traversal.judges.reading import Scale
from lattice.traversal.prior import Prior, PriorHit
from lattice.traversal.search import DEFAULT_CALIBRATION, SearchSettings
from lattice.traversal.stand_ins import MemoryTree
from lattice.traversal.steps import Opening
from lattice.types import Candidate, Slate, Usage
from tests.conftest import Load
from tests.traversal.trees import full_tree


@pytest.fixture(name="fit")
def fixture_fit(load: Load) -> ModuleType:
    return load("fit_likelihood")


def _pool(fit: ModuleType, expected: list[float], documents: list[str], grades: dict[str, int]) -> object:
    return fit.Pool(tuple(documents), np.array(expected), {}, np.array([-1.0]), {}, grades)


def test_the_fit_believes_what_a_search_believes(fit: ModuleType) -> None:
    nodes = full_tree(6, 1)
    leaves = [node.id for node in nodes if node.is_leaf]
    expected = [0.7, 0.5, 0.4, 0.3, 0.2, 0.1]
    gains = np.array([0.2, 1.9, 1.1])
    point = fit.Parameters(1.1, 0.5, DEFAULT_CALIBRATION.prior_weight)
    found = fit.believed(point, _pool(fit, expected, [""] * 6, {}), gains)

    prior = Prior(tuple(PriorHit(leaf, value) for leaf, value in zip(leaves, expected, strict=True)))
    calibration = Calibration(point.prior_weight, DEFAULT_CALIBRATION.bias_weight)
    belief = Belief(MemoryTree(nodes), prior, calibration, alpha=0.5, context=0.0)
    scale = Scale(1.1, 0.5)
    belief.observe(None, [(leaf, scale.score(float(gain))) for leaf, gain in zip(leaves, gains, strict=False)])
    assert found.tolist() == pytest.approx([belief.latent(leaf) for leaf in leaves])


def test_nothing_read_is_the_prior(fit: ModuleType) -> None:
    pool = _pool(fit, [0.7, 0.5], ["a", "b"], {"b": 1})
    assert fit.believed(fit.DEFAULT, pool, np.empty(0)).tolist() == [0.7, 0.5]


def test_a_document_ranks_by_its_best_passage(fit: ModuleType) -> None:
    pool = _pool(fit, [0.7, 0.6, 0.5], ["a", "a", "b"], {"b": 2, "c": 1})
    ideal = 2.0 + 1.0 / math.log2(3)
    assert fit._ndcg(np.array([0.7, 0.6, 0.5]), pool) == pytest.approx((2.0 / math.log2(3)) / ideal)
    assert fit._ndcg(np.array([0.1, 0.2, 0.9]), pool) == pytest.approx(2.0 / ideal)


def test_combinations_weigh_tokens_as_they_say(fit: ModuleType) -> None:
    alone = np.array([-1.0, -4.0], dtype=np.float32)
    read = np.array([[0.0, -4.0], [-1.0, -3.0], [-4.0, -4.0]], dtype=np.float32)
    values = {name: combine(read, alone).tolist() for name, combine in fit.COMBINATIONS.items()}
    assert values["mean"] == pytest.approx([0.5, 0.5, -1.5])
    assert values["root of surprise"] == pytest.approx([1 / 3, 2 / 3, -1.0])
    assert values["surprise"] == pytest.approx([0.2, 0.8, -0.6])
    assert values["losses cut at 1 nat"] == pytest.approx([0.5, 0.5, -0.5])


def test_readings_are_centred_query_by_query(load: Load) -> None:
    scales = load("fit_scales")
    sample = scales._centred([(0, 3.0, True), (0, 1.0, False), (1, -2.0, False), (1, -4.0, True)])
    assert sample.gains.tolist() == [1.0, -1.0, 1.0, -1.0]
    assert sample.relevant.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert sample.mean == pytest.approx((2.0 - 3.0) / 2)


def test_a_node_gets_the_score_of_a_leaf_of_the_same_probability(load: Load) -> None:
    scales = load("fit_scales")
    leaf = {"mean": 0.5, "offset": 0.9, "width": 0.8}
    node = {"mean": 0.2, "offset": 0.5, "width": 0.4}
    code = Scale(1.1, 0.5)
    found = scales._as_a_leaf(leaf, node, code)
    node_scale = Scale(found["offset"], found["width"])
    for logit in (-2.0, 0.0, 1.5):
        of_leaf = leaf["mean"] + leaf["offset"] + logit * leaf["width"]
        of_node = node["mean"] + node["offset"] + logit * node["width"]
        assert node_scale.score(of_node) == pytest.approx(code.score(of_leaf), abs=1e-3)


def test_a_curve_is_read_at_what_was_reached_within_a_budget(load: Load) -> None:
    budgets = load("budgets")
    moments = tuple(Moment(spent, {"nDCG@10": value}) for spent, value in ((0, 0.2), (900, 0.4), (2100, 0.6)))
    result = QueryResult(("a",), {"nDCG@10": 0.6}, Usage(evaluated=2100), moments)
    assert [budgets.value_at(result, budget) for budget in (500, 1000, 2000, 3000)] == [0.2, 0.4, 0.4, 0.6]
    once = QueryResult(("a",), {"nDCG@10": 0.3}, Usage())
    assert budgets.value_at(once, 1000) == 0.3


def test_gains_in_a_simulated_ranking_are_ndcg(load: Load) -> None:
    simulate = load("simulate")

    class Three:
        relevant = (7, 8, 9)

    ideal = sum(1.0 / math.log2(place + 2) for place in range(3))
    assert simulate.ndcg([7, 8, 9, 1], Three()) == pytest.approx(1.0)
    assert simulate.ndcg([1, 7, 2], Three()) == pytest.approx((1.0 / math.log2(3)) / ideal)
    assert simulate.ndcg([1, 2, 3], Three()) == 0.0


def test_the_best_pair_of_shares_is_chosen_without_the_collection_left_out(load: Load) -> None:
    stage = load("first_stage")
    first, second = stage.GRID[:2]
    values = {
        name: dict.fromkeys(stage.GRID, 0.0) | {first: one, second: other}
        for name, one, other in (("a", 0.9, 0.1), ("b", 0.2, 0.5), ("c", 0.3, 0.4))
    }
    assert stage._left_out("a", values) == {"words": second.words, "documents": second.documents, "ndcg": 0.1}
    assert stage._left_out("b", values)["ndcg"] == 0.2


def test_a_dear_slate_waits_for_a_cheap_one_that_promises_as_much(load: Load) -> None:
    gains = load("gains")
    dear, cheap = Opening(0.5, None, (1, 2)), Opening(0.5, 7, (3, 4))
    prices = {None: 100, 7: 50}

    def gain(one: Opening) -> float:
        return one.promise * len(one.nodes)

    assert gains.by_gain([dear, cheap], gain, lambda one: prices[one.origin]) == [cheap, dear]
    better = Opening(1.1, None, (1, 2))
    assert gains.by_gain([cheap, better], gain, lambda one: prices[one.origin]) == [better, cheap]


@pytest.mark.parametrize("walk", ["likelihood", "evidence"])
def test_both_orders_keep_to_the_budget_and_go_on_to_its_end(load: Load, walk: str) -> None:
    gains = load("gains")
    promised, gained, regime = gains.WALKS[walk]
    world = World(ArithmeticTree(200), regime, 7)
    ends = []
    for search in (promised, gained):
        judge = gains.PricedJudge(SimulatedJudge(world), 2.0, slate_dependent=walk == "evidence")
        settings = SearchSettings(budget_tokens=600, margin=None)
        *_, last = search("", world.tree, judge, world.prior(1.0), settings, judge.costs)
        assert 0 < last.usage.evaluated <= 600
        ends.append(last)
    assert {one.stopped for one in ends} == {"budget"}


def test_a_passage_is_priced_by_its_ratio_to_a_description(load: Load) -> None:
    gains = load("gains")
    world = World(ArithmeticTree(144), Regime(), 1)
    judge = gains.PricedJudge(SimulatedJudge(world), 1.25, slate_dependent=True)
    inner, leaf = Candidate(2, "", is_leaf=False), Candidate(world.relevant[0], "", is_leaf=True)
    assert judge.costs("", (inner, leaf)) == [20, 25]
    assert judge.score("", Slate(1, (inner, leaf))).usage.evaluated == 45


def test_the_content_of_an_index_is_its_rows(load: Load, observatory: Path, tmp_path: Path) -> None:
    content = load("cluster").content
    copy = tmp_path / "copy.lattice"
    copy.write_bytes(observatory.read_bytes())
    assert content(copy) == content(observatory)
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE nodes SET leaves = leaves + 1 WHERE id = 2")
    assert content(copy) != content(observatory)
