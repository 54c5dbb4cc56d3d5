from __future__ import annotations

import json
from pathlib import Path

import pytest

from lattice.errors import CorpusProblem
from lattice.evaluate.bm25 import bm25_run
from lattice.evaluate.collection import Collection, Record, load
from lattice.evaluate.metrics import means, per_query


def _write(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": "a", "title": "Bees", "text": "make honey"}, {"_id": "b", "text": "stars drift"}]
    queries = [{"_id": "1", "text": "honey"}, {"_id": 2, "text": "drifting star"}, {"_id": "3", "text": "unjudged"}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)) + "\n\n")
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t2\n2\ta\t0\n3\ta\t0\n")
    return folder


def test_a_collection_is_read_and_unjudged_queries_are_left_out(tmp_path: Path) -> None:
    collection = load(_write(tmp_path / "tiny"))
    assert collection.name == "tiny"
    assert collection.records[1] == Record("b", "", "stars drift")
    assert collection.queries == {"1": "honey", "2": "drifting star"}
    assert collection.qrels["2"] == {"b": 2, "a": 0}


def test_a_sample_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    collection = load(_write(tmp_path / "tiny"))
    assert collection.sample(1, 7) == collection.sample(1, 7)
    assert set(collection.sample(1, 7).queries) == set(collection.sample(1, 7).qrels)
    assert collection.sample(99, 7) == collection


def test_what_is_no_collection_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusProblem, match="BEIR"):
        load(tmp_path)


def test_bm25_stems_and_ranks(tmp_path: Path) -> None:
    run = bm25_run(load(_write(tmp_path / "tiny")))
    assert list(run["2"]) == ["b"]
    assert list(run["1"]) == ["a"]


def test_metrics_by_hand() -> None:
    qrels = {"q": {"a": 1, "b": 1}, "missing": {"c": 1}}
    values = per_query(qrels, {"q": {"x": 3.0, "a": 2.0, "b": 1.0}})
    ideal = 1 + 1 / 1.5849625007211562
    assert values["nDCG@10"]["q"] == pytest.approx((1 / 1.5849625007211562 + 1 / 2) / ideal)
    assert values["RR@10"] == {"q": 0.5, "missing": 0.0}
    assert values["Success@1"]["q"] == 0.0
    assert means(values)["R@100"] == 0.5


def test_metrics_of_an_empty_collection() -> None:
    empty = Collection("none", (), {}, {})
    assert means(per_query(empty.qrels, {}))["nDCG@10"] == 0.0
