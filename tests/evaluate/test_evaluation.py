from __future__ import annotations

from pathlib import Path

import pytest

from lattice.errors import UsageError
from lattice.evaluate.collection import load
from lattice.evaluate.evaluation import (
    MethodResult,
    Moment,
    QueryResult,
    at_budget,
    check_methods,
    curve,
    curve_points,
    evaluate,
)
from lattice.evaluate.indexes import index_of
from lattice.evaluate.methods import Bench
from lattice.lattice import Lattice
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.search import SearchSettings
from lattice.types import Usage
from tests.evaluate.collections import TOPICS, write_collection
from tests.evaluate.test_methods import Reader


def _moment(tokens: int, value: float) -> Moment:
    return Moment(tokens, {"nDCG@10": value, "Recall@100": value})


def _result(*moments: Moment) -> QueryResult:
    return QueryResult((), {"nDCG@10": moments[-1].values["nDCG@10"]}, Usage(moments[-1].evaluated), moments)


def test_a_curve_holds_what_was_known_when_the_tokens_were_spent() -> None:
    first = _result(_moment(0, 0.2), _moment(300, 0.4), _moment(900, 0.6))
    second = _result(_moment(0, 0.0), _moment(600, 1.0))
    assert [at_budget(first, "nDCG@10", tokens) for tokens in (0, 299, 300, 899, 900, 5000)] == [
        *(0.2, 0.2, 0.4, 0.4, 0.6, 0.6),
    ]
    points = curve(MethodResult("m", {"a": first, "b": second}), [0, 300, 600, 1000])
    assert [point.values["nDCG@10"] for point in points] == pytest.approx([0.1, 0.2, 0.7, 0.8])


def test_the_points_of_a_curve_are_round_and_reach_past_the_end() -> None:
    def points(tokens: int) -> list[int]:
        return curve_points([MethodResult("m", {"a": _result(_moment(tokens, 0.0))})])

    assert points(1950)[:2] == [0, 100]
    assert points(1950)[-1] == 2000
    assert points(0) == []
    assert len(points(90_000)) <= 41


def test_losses_add_up_to_what_is_lacking_also_where_documents_are_excluded(tmp_path: Path) -> None:
    queries: list[dict[str, object]] = [
        {"_id": "q", "text": "gas and dust", "metadata": {"excluded_ids": ["stars"]}},
    ]
    fillers = {f"filler{i}": f"{word} " * 8 + f"item {i}" for i, word in enumerate(("apple", "river", "stone") * 12)}
    qrels = [("q", "ships", 1), ("q", "bread", 1)]
    collection = load(write_collection(tmp_path / "c", {**TOPICS, **fillers}, queries, qrels))
    reader = Reader()
    with Lattice.open(index_of(collection, tmp_path / "w"), model=None) as lattice, lattice.store.reading():
        bench = Bench(
            collection,
            lattice,
            lambda: LikelihoodJudge(reader, lattice.store.rarities),
            SearchSettings(budget_tokens=100_000),
        )
        for found in evaluate(bench, ["prior", "rerank", "lattice"])[1:]:
            result = found.queries["q"]
            assert sum(one.share for one in result.lost) == pytest.approx(1 - result.values["nDCG@10"], abs=1e-6)
            assert result.moments[0].evaluated == 0


def test_methods_are_named_once_and_known() -> None:
    check_methods(["bm25", "prior"], "bm25")
    with pytest.raises(UsageError, match="no method 'guess'"):
        check_methods(["guess"])
    with pytest.raises(UsageError, match="at least one"):
        check_methods([])
