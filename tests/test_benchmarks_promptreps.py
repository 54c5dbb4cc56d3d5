"""The comparison of PromptReps with the usual vectors, on a tiny collection and with a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from lattice.evaluate.collection import Collection, Record
from tests.conftest import Load
from tests.models import tiny

RECORDS = tuple(Record(f"d{i}", f"Note {i}", f"The stars look like lines, number {i}.") for i in range(9))
COLLECTION = Collection("sky", RECORDS, {"q": "stars number 3"}, {"q": {"d3": 1}}, documents_digest="x")


def test_a_part_keeps_what_is_judged(load: Load) -> None:
    part = load("promptreps").part(COLLECTION, 1, 4)
    assert len(part.records) == 4
    assert "d3" in {record.id for record in part.records}
    assert part.documents_digest != load("promptreps").part(COLLECTION, 1, 5).documents_digest
    assert len(load("promptreps").part(COLLECTION, 1, 0).records) == 1


def test_every_kind_of_evidence_is_measured(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load("promptreps"), "WORK", tmp_path / "work")
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "home"))
    model = tmp_path / "tiny.gguf"
    tiny.make_decoder(model, None, context=1024)
    usual, asked = load("promptreps").measured(COLLECTION, ["tfidf", f"promptreps:{model}"])
    assert "sparse" not in usual
    assert asked["sparse"]["Recall@100"] == 1.0
    assert asked["vector_bytes"] == 4 * tiny.WIDTH
    assert usual["words"] == asked["words"]
    lines = load("promptreps").table([usual, asked])
    assert [line.count("|") for line in lines] == [9] * 4
