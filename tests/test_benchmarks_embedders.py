"""The comparison of embedders, on a tiny collection and with a tiny model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lattice.evaluate.collection import load as load_collection
from lattice.models.shelf import digest
from lattice.types import BuildSettings
from tests.conftest import Load
from tests.models import tiny


@pytest.fixture(name="collection")
def fixture_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Load) -> Path:
    folder = tmp_path / "sky"
    (folder / "qrels").mkdir(parents=True)
    texts = {
        "stars": "The stars look like lines.",
        "bread": "Bread needs flour and water.",
        "polar": "Polar alignment.",
    }
    records = [json.dumps({"_id": name, "title": name, "text": text}) for name, text in texts.items()]
    (folder / "corpus.jsonl").write_text("\n".join(records) + "\n")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "why do stars look like lines"}) + "\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tstars\t1\n")
    monkeypatch.setattr(load("embedders"), "WORK", tmp_path / "work")
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "home"))
    return folder


def test_embedders_are_compared_on_the_same_queries(load: Load, collection: Path, tmp_path: Path) -> None:
    model = tmp_path / "tiny.gguf"
    tiny.make_bert(model)
    settings = BuildSettings(embedder=str(model), query_prefix="why ", passage_prefix="the ")
    rows = list(load("embedders").measured(load_collection(collection), [BuildSettings(), settings], 9))
    assert [row["embedder"] for row in rows] == ["tfidf", "tiny"]
    assert [row["queries"] for row in rows] == [1, 1]
    assert rows[0]["vectors"] == {"nDCG@10": 1.0, "Recall@100": 1.0}
    assert rows[0]["prior"] == {"nDCG@10": 1.0, "Recall@100": 1.0}
    assert rows[0]["sha256"] is None
    assert rows[1]["dimensions"] == tiny.WIDTH
    assert rows[1]["prefixes"] == ["why ", "the "]
    assert rows[1]["sha256"] == digest([model], "")
    assert load("embedders").table(rows)[3].startswith("| sky | tiny | 64 | 0 of 3 | ")


def test_a_document_counts_at_its_first_place(load: Load) -> None:
    assert load("embedders").ranked(["b", "a", "b"]) == {"b": 0.0, "a": -1.0}


def test_a_run_is_printed_with_the_commit(
    load: Load, collection: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LATTICE_DATASETS", str(collection.parent))
    monkeypatch.setattr(sys, "argv", ["embedders.py", "sky", "--json"])
    load("embedders").main()
    record = json.loads(capsys.readouterr().out)
    assert record["lattice"]["commit"]
    assert [row["collection"] for row in record["rows"]] == ["sky"]
