from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lattice.store import write as writing
from lattice.store.store import Store
from lattice.store.write import write
from lattice.types import BUILDER_VERSION, Location, Skipped, Snapshot
from tests.store.snapshots import BUILT_AT, LATER, OTHER, make_snapshot, make_store

HERE = Path(__file__).parents[2]


@pytest.fixture(name="index")
def fixture_index(tmp_path: Path) -> Path:
    path = tmp_path / "notes.lattice"
    make_store(path).close()
    return path


def build_of(path: Path) -> str:
    with Store.open(path) as store:
        return store.status().build


def test_a_new_index_is_not_taken_for_the_one_that_was_deleted(index: Path) -> None:
    with Store.open(index) as store:
        before = store.status()
    index.unlink()
    write(index, make_snapshot(OTHER), BUILT_AT)
    with Store.open(index) as store:
        assert store.status().generation == before.generation
        assert store.status().build != before.build


def test_a_new_index_is_not_taken_for_the_damaged_one(index: Path) -> None:
    before = build_of(index)
    os.truncate(index, 5000)
    write(index, make_snapshot(OTHER), BUILT_AT)
    assert build_of(index) != before


def changed_in_one_way(snapshot: Snapshot) -> dict[str, Snapshot]:
    """Give snapshots that differ from `snapshot` in one value each, by what differs."""
    document, passage, node = snapshot.documents[0], snapshot.passages[0], snapshot.nodes[1]
    others = {
        "document": {"documents": (replace(document, content_hash="0"), *snapshot.documents[1:])},
        "passage": {"passages": (replace(passage, text="else"), *snapshot.passages[1:])},
        "place": {"passages": (replace(passage, location=Location("page", 1, 9)), *snapshot.passages[1:])},
        "description": {"nodes": (snapshot.nodes[0], replace(node, description="else"), *snapshot.nodes[2:])},
        "leaves": {"nodes": (snapshot.nodes[0], replace(node, leaves=9), *snapshot.nodes[2:])},
        "vectors": {"vectors": snapshot.vectors + np.float32(1)},
        "embedder": {"embedder": snapshot.embedder | {"weight": np.array(0.25)}},
        "settings": {"settings": replace(snapshot.settings, seed=1)},
        "skipped": {"skipped": (Skipped("a", "b"),)},
        "root": {"root": "/elsewhere"},
    }
    return {name: replace(snapshot, **values) for name, values in others.items()}  # type: ignore[arg-type]


def test_a_build_is_told_by_all_that_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "same", make_snapshot(), BUILT_AT)
    write(tmp_path / "later", make_snapshot(), LATER)
    for name, snapshot in changed_in_one_way(make_snapshot()).items():
        write(tmp_path / name, snapshot, BUILT_AT)
    monkeypatch.setattr(writing, "BUILDER_VERSION", BUILDER_VERSION + 1)
    write(tmp_path / "builder", make_snapshot(), BUILT_AT)
    assert len({build_of(path) for path in tmp_path.iterdir()}) == 13


def test_neighbouring_values_do_not_run_together(tmp_path: Path) -> None:
    for name, skipped in (("a", Skipped("ab", "c")), ("b", Skipped("a", "bc"))):
        write(tmp_path / name, make_snapshot(skipped=(skipped,)), BUILT_AT)
    assert build_of(tmp_path / "a") != build_of(tmp_path / "b")


def test_the_same_content_and_time_is_the_same_build(index: Path) -> None:
    before = build_of(index)
    write(index, make_snapshot(), BUILT_AT)
    assert build_of(index) == before


def test_the_builder_is_on_record(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BUILDER_VERSION", 7)
    write(index, make_snapshot(), BUILT_AT)
    with Store.open(index) as store:
        assert store.status().builder == 7
