"""The index of a collection: built with the settings that were asked for, reused while they and the records stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from lattice.errors import ModelNotFound
from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.store.store import Store
from lattice.types import BuildSettings
from tests.evaluate.collections import TOPICS, write_collection
from tests.models import tiny

NARROW = BuildSettings(branching=3)


@pytest.fixture(params=["", ".md"], ids=["records", "files"])
def collection(request: pytest.FixtureRequest, tmp_path: Path) -> Collection:
    documents = {f"{name}{request.param}": text for name, text in TOPICS.items()}
    first = next(iter(documents))
    return load(write_collection(tmp_path / "c", documents, [{"_id": "q", "text": "words"}], [("q", first, 1)]))


def _settings(index: Path) -> BuildSettings:
    with Store.open(index) as store:
        return store.settings()


def test_an_index_is_built_with_the_settings_asked_for(collection: Collection, tmp_path: Path) -> None:
    assert _settings(index_of(collection, tmp_path / "w")) == BuildSettings()
    assert _settings(index_of(collection, tmp_path / "w", settings=NARROW)) == NARROW


def test_an_index_is_reused_until_its_settings_change_or_it_is_to_be_built_anew(
    collection: Collection, tmp_path: Path
) -> None:
    def identity(*, rebuild: bool = False, settings: BuildSettings = NARROW) -> int:
        with Store.open(index_of(collection, tmp_path / "w", rebuild=rebuild, settings=settings)) as store:
            return store.status().generation

    first = identity()
    assert identity() == first
    assert identity(rebuild=True) == first + 1
    assert identity(settings=BuildSettings()) == first + 2


def test_nothing_is_measured_by_words_alone_in_place_of_a_model(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "home"))
    model = tmp_path / "tiny.gguf"
    tiny.make_bert(model)
    settings = BuildSettings(embedder=str(model))
    index = index_of(collection, tmp_path / "work", settings=settings)
    with Store.open(index) as store:
        first = store.status().build
        assert store.vectors()[1].shape[1] == tiny.WIDTH
    index_of(collection, tmp_path / "work", settings=settings)
    with Store.open(index) as store:
        assert store.status().build == first
    tiny.make_bert(model, seed=7)
    index_of(collection, tmp_path / "work", settings=settings)
    with Store.open(index) as store:
        assert store.status().build != first
    model.unlink()
    with pytest.raises(ModelNotFound):
        index_of(collection, tmp_path / "work", settings=settings)
