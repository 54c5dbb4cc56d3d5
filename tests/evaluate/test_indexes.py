"""The index of a collection: built with the settings that were asked for, reused while they and the records stay.

Where an LLM writes its descriptions, that is so of the model too, which is asked once for everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lattice.describing import DescribingModel, described_by, organised_by
from lattice.errors import IndexLocked, ModelNotFound
from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import Indexed, index_of, indexed
from lattice.models.registry import embedded_model
from lattice.models.remote.server import Server
from lattice.store.cache import cache_of, kept_results, kept_usage
from lattice.store.store import Store
from lattice.store.write import sole_writer
from lattice.types import BuildSettings, Node, Usage
from tests.evaluate.collections import TOPICS, write_collection
from tests.models import tiny
from tests.models.remote.scripted import ScriptedServer, answers, serving, unused_url

NARROW = BuildSettings(branching=3)
LLM = replace(NARROW, descriptions="llm")


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


# Descriptions by an LLM


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ScriptedServer]:
    """Says of every group what its first child begins with, in a sentence."""

    def reply(body: dict[str, list[dict[str, str]]]) -> str:
        child = body["messages"][1]["content"].partition("\n- ")[2].split()
        return f"All that there is to say of {' '.join(child[:4])} and of other things."

    with serving(answers(reply)) as started:
        yield started


def _model(server: ScriptedServer, name: str = "tiny") -> DescribingModel:
    return DescribingModel(server=Server(server.url, name, concurrency=1))


def _inner(index: Path) -> list[Node]:
    with Store.open(index) as store:
        return [node for node in store.nodes() if not node.is_leaf]


def test_descriptions_are_written_once_and_told(collection: Collection, server: ScriptedServer, tmp_path: Path) -> None:
    model, work = _model(server), tmp_path / "w"
    built = indexed(collection, work, settings=LLM, model=model)
    assert built.written is not None
    asked, inner = len(server.questions), _inner(built.path)
    assert len(inner) == built.written.nodes == asked > 1
    assert (built.written.by_rule, built.written.kept, built.notes) == (0, 0, ())
    assert all("All that there is to say of " in node.description for node in inner)
    assert _settings(built.path) == replace(LLM, described_by=described_by(model.identity()))
    assert indexed(collection, work, settings=LLM, model=model) == Indexed(built.path), "it is fresh"
    again = indexed(collection, work, rebuild=True, settings=LLM, model=model).written
    assert again is not None
    assert (again.nodes, again.kept, again.usage) == (asked, asked, Usage())
    assert kept_usage(built.path) == built.written.usage, "what it once cost stays known"
    assert (len(server.questions), _inner(built.path)) == (asked, inner)


def test_an_interrupted_build_repeats_no_call(collection: Collection, server: ScriptedServer, tmp_path: Path) -> None:
    model = _model(server)
    undisturbed = index_of(collection, tmp_path / "undisturbed", settings=LLM, model=model)
    asked = len(server.questions)

    def at(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("descriptions", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_of(collection, tmp_path / "w", at, settings=LLM, model=model)
    index = tmp_path / "w" / "index.lattice"
    assert (index.exists(), kept_results(index)) == (False, 1)
    before = len(server.questions)
    assert before <= asked + 2, "what was under way when it ended may have been asked too"
    built = indexed(collection, tmp_path / "w", settings=LLM, model=model)
    assert built.written is not None
    assert (built.written.kept, len(server.questions)) == (1, before + asked - 1)
    assert _inner(built.path) == _inner(undisturbed)


def test_another_model_describes_anew(collection: Collection, server: ScriptedServer, tmp_path: Path) -> None:
    index = index_of(collection, tmp_path / "w", settings=LLM, model=_model(server))
    asked = len(server.questions)
    index_of(collection, tmp_path / "w", settings=LLM, model=_model(server, "other"))
    assert len(server.questions) == 2 * asked
    assert _settings(index).described_by == described_by(_model(server, "other").identity())
    assert indexed(collection, tmp_path / "w", settings=NARROW, model=_model(server)).written is None
    assert len(server.questions) == 2 * asked


def test_without_a_model_nothing_is_described_by_rule_in_its_place(collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="give a DescribingModel"):
        index_of(collection, tmp_path / "w", settings=LLM)
    with pytest.raises(ModelNotFound, match="No model is there"):
        index_of(collection, tmp_path / "w", settings=LLM, model=DescribingModel())
    assert not (tmp_path / "w" / "index.lattice").exists()


def test_damaged_results_are_told(collection: Collection, server: ScriptedServer, tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "w" / "index.lattice")
    cache.parent.mkdir()
    cache.write_bytes(b"noise" * 1000)
    built = indexed(collection, tmp_path / "w", settings=LLM, model=_model(server))
    assert ["damaged" in note for note in built.notes] == [True]


def test_one_process_at_a_time_asks_for_an_index(collection: Collection, tmp_path: Path) -> None:
    """The second would pay for the same calls, and each would forget the other's."""
    away = DescribingModel(server=Server(unused_url()))
    with sole_writer(tmp_path / "w" / "index.lattice"):
        assert _refused(collection, tmp_path / "w", away)


def _refused(collection: Collection, work: Path, model: DescribingModel) -> bool:
    """Whether another thread, which has no part in the right of this one to write, is told to wait."""
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(index_of, collection, work, settings=LLM, model=model).exception()
    return isinstance(error, IndexLocked)


def test_who_organises_is_among_what_keeps_an_index_fresh(
    collection: Collection, server: ScriptedServer, tmp_path: Path
) -> None:
    top_down, model, work = replace(NARROW, strategy="top-down"), _model(server), tmp_path / "w"
    index = index_of(collection, work, settings=top_down)
    assert _settings(index).organised_by == ""
    index_of(collection, work, settings=top_down, model=model)
    asked = len(server.questions)
    assert asked > 0, "a server is tried"
    assert _settings(index).organised_by == organised_by(model)
    index_of(collection, work, settings=top_down, model=model)
    assert len(server.questions) == asked


@pytest.mark.model
def test_the_real_model_writes_once_and_is_not_even_loaded_again(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = DescribingModel(embedded_model())
    first = indexed(collection, tmp_path / "w", settings=LLM, model=model).written
    assert first is not None
    assert (first.nodes, first.kept) == (first.usage.calls, 0)
    assert first.usage.evaluated > 0 < first.usage.generated
    inner = _inner(tmp_path / "w" / "index.lattice")
    monkeypatch.setattr("lattice.models.trials.opened", lambda *_: pytest.fail("the model was loaded"))
    again = indexed(collection, tmp_path / "w", rebuild=True, settings=LLM, model=model)
    assert again.written == replace(first, kept=first.nodes, usage=Usage())
    assert _inner(again.path) == inner
