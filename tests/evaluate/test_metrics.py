from __future__ import annotations

import math

import pytest

from lattice.evaluate.evaluation import measured
from lattice.evaluate.metrics import means, per_query


def test_graded_relevance_by_hand() -> None:
    values = per_query({"q": {"a": 2, "b": 1, "c": 0}}, {"q": {"b": 3.0, "c": 2.0, "a": 1.0}}, ("nDCG@10",))
    found = 1 / math.log2(2) + 0 + 2 / math.log2(4)
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert values["nDCG@10"]["q"] == pytest.approx(found / ideal)


def test_documents_without_a_judgement_count_as_not_relevant() -> None:
    values = per_query({"q": {"a": 1}}, {"q": {"x": 3.0, "y": 2.0, "a": 1.0}})
    assert values["RR@10"]["q"] == pytest.approx(1 / 3)
    assert values["R@100"]["q"] == 1.0
    assert values["Success@1"]["q"] == 0.0


def test_what_comes_after_the_cut_does_not_count() -> None:
    run = {"q": {f"x{i}": 100.0 - i for i in range(10)} | {"a": 1.0}}
    values = per_query({"q": {"a": 1}}, run)
    assert values["nDCG@10"]["q"] == values["RR@10"]["q"] == 0.0
    assert values["R@100"]["q"] == 1.0


def test_queries_that_a_run_lacks_pull_the_mean_down() -> None:
    values = per_query({"q": {"a": 1}, "r": {"a": 1}}, {"q": {"a": 1.0}})
    assert means(values)["nDCG@10"] == 0.5


def test_both_relevant_documents_below_an_irrelevant_one() -> None:
    values = per_query({"q": {"a": 1, "b": 1}, "missing": {"c": 1}}, {"q": {"x": 3.0, "a": 2.0, "b": 1.0}})
    ideal = 1 + 1 / math.log2(3)
    assert values["nDCG@10"]["q"] == pytest.approx((1 / math.log2(3) + 1 / 2) / ideal)
    assert values["RR@10"] == {"q": 0.5, "missing": 0.0}


def test_ties_mean_something_else_to_each_measure_so_a_run_must_hold_none() -> None:
    tied = {"q": {"a": 1.0, "b": 1.0}}
    values = per_query({"q": {"a": 1}}, tied)
    assert values["nDCG@10"]["q"] == pytest.approx(1 / math.log2(3))  # the later id first, as trec_eval has it
    assert values["RR@10"]["q"] == 1.0  # the earlier id first


def test_our_own_rankings_hold_no_ties() -> None:
    first, second = measured({"a": 1}, [("a", "b"), ("b", "a")])
    assert (first["MRR@10"], first["success@1"], first["nDCG@10"]) == (1.0, 1.0, 1.0)
    assert (second["MRR@10"], second["success@1"]) == (0.5, 0.0)
    assert second["nDCG@10"] == pytest.approx(1 / math.log2(3))


def test_no_ranking_scores_nothing() -> None:
    assert set(measured({"a": 1}, [()])[0].values()) == {0.0}
    assert means(per_query({}, {}))["nDCG@10"] == 0.0
