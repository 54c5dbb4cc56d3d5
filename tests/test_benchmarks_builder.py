"""The benchmark of the builder: its ceilings by hand, its record, and whole rows without a model that reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lattice.describing import DescribingModel
from lattice.evaluate.collection import Collection
from lattice.evaluate.collection import load as load_collection
from lattice.evaluate.indexes import index_of
from lattice.evaluate.methods import Bench
from lattice.lattice import Lattice
from lattice.models.remote.server import Server
from lattice.store.cache import cache_of
from lattice.types import BuildSettings
from tests.conftest import Load
from tests.evaluate.collections import TOPICS, write_collection
from tests.models.remote.scripted import ScriptedServer, answers, serving

TREE = "agglomerative/documents/extractive"


@pytest.fixture(name="builder", scope="module")
def fixture_builder(load: Load) -> ModuleType:
    return load("builder")


@pytest.fixture(name="collection")
def fixture_collection(tmp_path: Path) -> Collection:
    fillers = {f"filler{i}": f"{word} " * 8 + f"item {i}" for i, word in enumerate(("apple", "river", "stone") * 24)}
    return load_collection(write_collection(tmp_path / "c", {**TOPICS, **fillers}))


def test_a_tree_is_built_as_its_name_says(builder: ModuleType) -> None:
    settings = builder.settings_of("spectral/auto/extractive")
    assert settings == BuildSettings(clusterer="spectral", structure="auto")
    written = builder.settings_of("kmeans/auto/llm")
    assert written == BuildSettings(clusterer="kmeans", structure="auto", descriptions="llm")


def test_a_judge_who_knows_finds_all_within_the_depth_of_the_tree(
    builder: ModuleType, collection: Collection, tmp_path: Path
) -> None:
    with Lattice.open(index_of(collection, tmp_path / "w"), model=None) as lattice, lattice.store.reading():
        bench = Bench(collection, lattice, builder.FreeJudge, builder.NAVIGATION)
        depth = max(len(lattice.store.ancestors(lattice.store.leaf(1).id)), 1)
        assert depth <= min(builder.SLATES)
        assert builder.ceilings(bench) == {"20": 1.0, "40": 1.0}
        assert builder.ceilings(bench, slates=(0, 1))["0"] == 0.0
        assert builder.ceilings(bench, slates=(0, 1))["1"] < 1.0


def test_a_row_is_measured_without_a_model(
    builder: ModuleType, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "WORK", tmp_path / "work")
    row = {"code": "now", **builder.measured(collection, TREE, reads=False)}
    assert row["leaves"] == len(collection.records)
    assert 0.0 <= row["found"] <= row["kept"] <= 1.0
    assert row["ceiling"] == {"20": 1.0, "40": 1.0}
    assert f"depth {row['mean_depth']} ({row['depth']})" in builder.line(row, [row])


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ScriptedServer]:
    """Says something of each group's first child; where there are apples it talks."""

    def reply(body: dict[str, list[dict[str, str]]]) -> str:
        shown = body["messages"][1]["content"].partition("\n- ")[2]
        child = shown.split()[0]
        return "Certainly!" if "apple" in shown else f"All that there is to say of {child} and of other things."

    with serving(answers(reply)) as started:
        yield started


@pytest.fixture(name="writer")
def fixture_writer(builder: ModuleType, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> DescribingModel:
    """The benchmark's writer, with the server in the real model's place."""
    model = DescribingModel(server=Server(server.url, "tiny"))
    monkeypatch.setattr(builder, "the_writer", lambda: model)
    return model


def test_a_row_tells_what_the_descriptions_by_an_llm_took_whenever_that_was(
    builder: ModuleType,
    writer: DescribingModel,
    server: ScriptedServer,
    collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(builder, "WORK", tmp_path / "work")
    first = builder.measured(collection, "agglomerative/auto/llm", reads=False)
    told = first["written"]
    assert told["nodes"] == first["inner"]
    assert 0 < told["by_rule"] < told["nodes"]
    assert told["cost"] == told["usage"]
    assert 0 < told["usage"]["calls"] == len(server.questions) == told["nodes"] - told["kept"]
    assert told["usage"]["evaluated"] > 0 < told["usage"]["generated"]

    asked = len(server.questions)
    again = builder.measured(collection, "agglomerative/auto/llm", reads=False)
    assert len(server.questions) == asked, "what was written stands beside the index"
    assert again["written"] == {**told, "kept": told["nodes"], "usage": again["written"]["usage"]}
    assert again["written"]["usage"]["calls"] == 0
    assert again["seconds"] >= round(told["cost"]["seconds"], 1)
    assert builder.line({"code": "now", **again}, []).startswith("c now agglomerative/auto/llm: ")
    assert writer == builder.the_writer()


def test_what_went_wrong_with_the_kept_results_is_said(
    builder: ModuleType,
    writer: DescribingModel,
    collection: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert writer.server is not None
    monkeypatch.setattr(builder, "WORK", tmp_path / "work")
    work = tmp_path / "work" / collection.name / "trees" / "kmeans-auto-llm"
    work.mkdir(parents=True)
    cache_of(work / "index.lattice").write_bytes(b"noise" * 1000)
    builder.measured(collection, "kmeans/auto/llm", reads=False)
    assert "damaged" in capsys.readouterr().err


def _row(code: str, tree: str, **values: float) -> dict[str, object]:
    return {"collection": "c", "code": code, "tree": tree, "values": {"navigation Recall@100": values}}


def test_trees_are_compared_with_the_first_query_by_query(builder: ModuleType) -> None:
    first, other = _row("first", "a", one=0.0, two=0.5, three=1.0), _row("now", "a", one=1.0, two=0.5)
    found = builder.differences(other, [first, other])["navigation Recall@100"]
    assert found.difference == 0.5
    assert found.interval.low <= found.difference <= found.interval.high
    assert builder.differences(first, [first, other]) == {}
    assert builder.differences(other, [{**first, "collection": "d"}, other]) == {}


def test_a_row_takes_the_place_of_its_like(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "RESULTS", tmp_path)
    for code, tree, value in (("first", "a", 1.0), ("now", "a", 2.0), ("now", "b", 3.0), ("first", "a", 4.0)):
        builder.save(_row(code, tree, one=value))
    assert builder.kept() == [_row("first", "a", one=4.0), _row("now", "a", one=2.0), _row("now", "b", one=3.0)]
