"""A whole evaluation of a tree that an LLM described: who wrote it is kept, and whether it must be written again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lattice.describing import DescribingModel, described_by
from lattice.errors import ModelNotFound
from lattice.evaluate.collection import Collection, load
from lattice.evaluate.session import Plan, run
from lattice.models.remote.server import Server
from lattice.store.cache import cache_of
from lattice.traversal.search import SearchSettings
from lattice.types import BuildSettings
from tests.evaluate.collections import write_collection
from tests.models.remote.scripted import ScriptedServer, says, serving


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ScriptedServer]:
    with serving(says("All that there is to know of honey bees, cold stars and bread in summer.")) as started:
        yield started


@pytest.fixture(name="collection")
def fixture_collection(tmp_path: Path) -> Collection:
    return load(write_collection(tmp_path / "c"))


@pytest.fixture(name="plan")
def fixture_plan(server: ScriptedServer, tmp_path: Path) -> Plan:
    """A plan of methods for which no model reads; one writes."""
    return Plan(
        methods=["bm25", "prior"],
        baseline="prior",
        settings=SearchSettings(),
        model=None,
        work=tmp_path / "work",
        build=BuildSettings(branching=3, descriptions="llm"),
        writer=DescribingModel(server=Server(server.url, "tiny")),
    )


def test_the_tree_is_written_once_for_all_evaluations(
    collection: Collection, plan: Plan, server: ScriptedServer
) -> None:
    first = run(collection, plan)
    asked = len(server.questions)
    assert asked > 1
    assert plan.writer is not None
    settings = first.setup.index["settings"]
    assert (settings["descriptions"], settings["described_by"]) == ("llm", described_by(plan.writer.identity()))
    again = run(collection, replace(plan, rebuild=True))
    assert len(server.questions) == asked
    for before, after in zip(first.results, again.results, strict=True):
        assert before.values("nDCG@10") == after.values("nDCG@10")


def test_a_plan_without_a_writer_is_refused(collection: Collection, plan: Plan, server: ScriptedServer) -> None:
    with pytest.raises(ModelNotFound, match="to an LLM"):
        run(collection, replace(plan, writer=None))
    assert server.questions == []


def test_what_went_wrong_with_the_tree_is_told(collection: Collection, plan: Plan) -> None:
    assert run(collection, plan).notes == ()
    cache_of(plan.work / "index.lattice").write_bytes(b"noise" * 1000)
    (note,) = run(collection, replace(plan, rebuild=True)).notes
    assert "damaged" in note
