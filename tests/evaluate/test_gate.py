from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lattice.errors import UsageError
from lattice.evaluate.collection import load
from lattice.evaluate.evaluation import MethodResult, QueryResult
from lattice.evaluate.gate import judge_against, read_record, same_judge, same_queries
from lattice.types import Usage
from tests.evaluate.collections import write_collection


def _result(ndcg: dict[str, float], tokens: int = 100, method: str = "lattice") -> MethodResult:
    queries = {query: QueryResult((), {"nDCG@10": value}, Usage(evaluated=tokens)) for query, value in ndcg.items()}
    return MethodResult(method, queries)


def _record(ndcg: dict[str, float], tokens: int = 100) -> dict[str, Any]:
    queries = {query: {"nDCG@10": value, "evaluated": tokens} for query, value in ndcg.items()}
    return {"collection": {"name": "c", "sha256": "d"}, "methods": [{"method": "lattice", "queries": queries}]}


def _failures(after: dict[str, float], before: dict[str, float], tokens: int = 100) -> tuple[str, ...]:
    (verdict,) = judge_against(_record(before), [_result(after, tokens)])
    return verdict.failures


def test_the_same_figures_pass() -> None:
    assert _failures({"a": 0.5, "b": 0.25}, {"a": 0.5, "b": 0.25}) == ()


def test_a_drop_of_the_mean_beyond_the_limit_fails() -> None:
    assert _failures({"a": 0.5, "b": 0.24}, {"a": 0.5, "b": 0.25}) == ()  # .005 on average: the limit itself
    (failure,) = _failures({"a": 0.5, "b": 0.239}, {"a": 0.5, "b": 0.25})
    assert "dropped by 0.0055" in failure


def test_gains_of_one_query_make_up_for_losses_of_another() -> None:
    assert _failures({"a": 0.9, "b": 0.1}, {"a": 0.5, "b": 0.5}) == ()


def test_more_tokens_than_a_tenth_fail() -> None:
    same = {"a": 0.5}
    assert _failures(same, same, tokens=110) == ()
    (failure,) = _failures(same, same, tokens=111)
    assert "tokens rose by 11%, to 111 a query" in failure


def test_tokens_where_there_were_none_fail() -> None:
    (verdict,) = judge_against(_record({"a": 0.5}, tokens=0), [_result({"a": 0.5}, tokens=1)])
    assert "tokens rose from none, to 1 a query" in verdict.failures[0]


def test_methods_that_the_record_lacks_are_not_compared() -> None:
    assert judge_against(_record({"a": 0.5}), [_result({"a": 0.1}, method="other")]) == []


def test_the_record_must_be_of_the_same_collection(tmp_path: Path) -> None:
    collection = load(write_collection(tmp_path / "c"))
    record = _record({"q1": 0.5, "q3": 0.1})
    with pytest.raises(UsageError, match="other documents, queries or qrels"):
        same_queries(record, collection)
    record["collection"]["sha256"] = collection.digest
    assert list(same_queries(record, collection).queries) == ["q1", "q3"]
    with pytest.raises(UsageError, match="no query 'q3'"):
        same_queries(record, replace(collection, queries={"q1": "x"}))


def _read_by(**model: str) -> dict[str, Any]:
    return _record({"a": 0.5}) | {"model": model}


def test_the_record_must_be_read_by_the_same_judge() -> None:
    same_judge(_read_by(judge="likelihood"), "likelihood", None, ["lattice"])
    with pytest.raises(UsageError, match=r"by the likelihood judge, and .* by the listwise judge.*--judge"):
        same_judge(_read_by(judge="likelihood"), "listwise", None, ["lattice"])


def test_the_record_must_be_told_the_same_of_relevance() -> None:
    old = _read_by(judge="listwise", relevance="it is old")
    same_judge(old, "listwise", "it is old", ["lattice"])
    for relevance in (None, "it is new"):
        with pytest.raises(UsageError, match="relevant if it is old"):
            same_judge(old, "listwise", relevance, ["lattice"])


def test_where_nothing_that_reads_is_compared_the_judge_does_not_matter() -> None:
    same_judge(_read_by(judge="likelihood"), "listwise", None, ["prior", "rerank"])
    same_judge(_record({"a": 0.5}) | {"model": None}, "listwise", None, ["lattice"])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"methods": [{"method": "lattice"}], "collection": {}}'])
def test_what_is_no_record_is_refused_with_the_cure(tmp_path: Path, content: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="--record"):
        read_record(path)
    with pytest.raises(UsageError, match="--record"):
        read_record(tmp_path / "missing.json")
    path.write_text(json.dumps(_record({"a": 0.5})))
    assert read_record(path) == _record({"a": 0.5})
