"""BM25 against the figures that come with the tuning collections, where those are at hand."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from lattice.evaluate.bm25 import bm25_run
from lattice.evaluate.collection import load
from lattice.evaluate.methods import METHODS, Bench
from lattice.evaluate.metrics import MEASURES, means, per_query
from lattice.lattice import Lattice
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.search import SearchSettings
from tests.evaluate.collections import write_collection

DATASETS = Path(os.environ.get("LATTICE_DATASETS") or "")


@pytest.mark.skipif(not (DATASETS / "xquad-en.tar.gz").is_file(), reason="LATTICE_DATASETS names no collections")
@pytest.mark.parametrize("name", ["xquad-en", "pony-docs-rebuilt"])
def test_the_baseline_equals_the_reference_figures(tmp_path: Path, name: str) -> None:
    with tarfile.open(DATASETS / f"{name}.tar.gz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 and later
        archive.extractall(tmp_path)
    collection = load(tmp_path / name)
    reference = json.loads((tmp_path / name / "bm25.json").read_text())
    found = means(per_query(collection.qrels, bm25_run(collection)))
    for theirs in MEASURES.values():
        assert round(found[theirs], 4) == reference[theirs]


def test_excluded_documents_leave_their_places_to_others(tmp_path: Path, no_lattice: Lattice) -> None:
    documents = {"a": "honey honey honey", "b": "honey honey wax", "c": "honey wax wax"}
    queries: list[dict[str, object]] = [
        {"_id": "q1", "text": "honey", "metadata": {"excluded_ids": ["a"]}},
        {"_id": "q2", "text": "honey"},
    ]
    folder = write_collection(tmp_path / "c", documents, queries, [("q1", "b", 1), ("q2", "b", 1)])
    answer = METHODS["bm25"].make(Bench(load(folder), no_lattice, _no_judge, SearchSettings()))
    assert [list(answer(query))[-1].documents for query in ("q1", "q2")] == [("b", "c"), ("a", "b", "c")]


@pytest.fixture
def no_lattice() -> Lattice:
    return None  # type: ignore[return-value]  # BM25 has no part in our index


def _no_judge() -> LikelihoodJudge:
    raise AssertionError("BM25 reads nothing")
