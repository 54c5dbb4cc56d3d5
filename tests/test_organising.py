"""Top-down builds of folders: with a server that knows the shelves, resumed, estimated; and with a model too small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lattice.describing import DescribingModel, organised_by, reason_against
from lattice.errors import UsageError
from lattice.estimating import estimate
from lattice.index_builder.authors import Call
from lattice.indexing import index_folder
from lattice.models.prompts import LEVELS_STATIC, ORGANISE_SYSTEM, TOPICS_STATIC
from lattice.models.registry import embedded_model
from lattice.models.remote.server import Server
from lattice.store.cache import kept_results
from lattice.store.store import Store
from lattice.types import BuildSettings, Node, Usage
from tests.index_builder.libraries import SHELVES, librarian, library
from tests.models import tiny
from tests.models.remote.scripted import ScriptedServer, answers, serving

TOP_DOWN = BuildSettings(strategy="top-down")
CONCURRENCY = 3


def write_library(folder: Path, each: int = 3) -> Path:
    """Write the library, a file a passage."""
    folder.mkdir(parents=True)
    for one in library(each):
        (folder / one.document).write_text(f"# {one.title}\n\n{one.text}\n")
    return folder


def answered(body: dict[str, Any]) -> str:
    """Answer a request as the librarian does, from what it shows alone."""
    content = body["messages"][1]["content"]
    static = LEVELS_STATIC if content.startswith(LEVELS_STATIC) else TOPICS_STATIC
    if not content.startswith(static):
        return "A sentence about something of which nothing was shown."
    author = librarian()
    if static == TOPICS_STATIC:
        # Whoever sorts has read the texts: the summaries begin with the labels.
        known = (one.title for one in library(1))
        list(author.answers([Call("", LEVELS_STATIC, "\n".join(f"{i}. {text}" for i, text in enumerate(known)), 0, 0)]))
    ((_, said),) = author.answers([Call(ORGANISE_SYSTEM, static, content.removeprefix(static), 1, 1)])
    return said.text


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ScriptedServer]:
    with serving(answers(answered)) as started:
        yield started


@pytest.fixture(name="notes", scope="module")
def fixture_notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_library(tmp_path_factory.mktemp("organising") / "notes")


def served(server: ScriptedServer) -> DescribingModel:
    return DescribingModel(server=Server(server.url, concurrency=CONCURRENCY))


def tiny_model(place: Path) -> DescribingModel:
    """Give a real model file that is far too small."""
    tiny.make_decoder(place / "tiny.gguf", pooling=None)
    return DescribingModel(place / "tiny.gguf")


def nodes_of(index: Path) -> list[Node]:
    with Store.open(index) as store:
        return store.nodes()


def test_a_server_organises_and_an_unchanged_folder_asks_nothing(
    notes: Path, server: ScriptedServer, tmp_path: Path
) -> None:
    index = tmp_path / "i.lattice"
    built = index_folder(notes, index, TOP_DOWN, model=served(server))
    told, asked = built.organised, len(server.questions)
    assert told is not None
    assert (told.by_vectors, told.texts, told.reason) == (0, len(library()), "")
    assert asked == told.usage.calls
    assert all("response_format" in question for question in server.questions)
    assert {node.description.partition(":")[0] for node in nodes_of(index) if node.depth == 1} == set(SHELVES)
    with Store.open(index) as store:
        leaves = [node for node in store.nodes() if node.is_leaf]
        assert store.summaries().keys() == {node.id for node in leaves}
        assert {texts[0] for texts in store.summaries().values()} == set(SHELVES)
        assert store.settings().organised_by == organised_by(served(server))
    assert index_folder(notes, index, model=served(server)).fresh
    forced = index_folder(notes, index, model=served(server), force=True).organised
    assert forced is not None
    assert (forced.usage, forced.kept) == (Usage(), asked)
    assert len(server.questions) == asked


def test_an_interrupted_build_goes_on_and_gives_the_same(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    index_folder(notes, tmp_path / "undisturbed.lattice", TOP_DOWN, model=served(server))
    asked = len(server.questions)

    def at(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("topics", 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_folder(notes, index, TOP_DOWN, at, model=served(server))
    assert not index.exists()
    assert kept_results(index) >= 7  # all summaries and the root's topics
    index_folder(notes, index, TOP_DOWN, model=served(server))
    assert 2 * asked <= len(server.questions) <= 2 * asked + CONCURRENCY
    assert nodes_of(index) == nodes_of(tmp_path / "undisturbed.lattice")


def test_one_model_can_organise_and_describe(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    settings = BuildSettings(strategy="top-down", descriptions="llm")
    built = index_folder(notes, tmp_path / "i.lattice", settings, model=served(server))
    assert built.written is not None
    assert built.organised is not None
    assert built.written.usage.calls + built.organised.usage.calls == len(server.questions)
    assert built.written.nodes == 1, "the root alone was not described by who made it"


def test_what_organising_takes_is_estimated(server: ScriptedServer, tmp_path: Path) -> None:
    notes = write_library(tmp_path / "notes", 8)
    found = estimate(notes, TOP_DOWN, served(server), tmp_path / "i.lattice")
    server.received.clear()
    built = index_folder(notes, tmp_path / "i.lattice", TOP_DOWN, model=served(server))
    assert built.organised is not None
    for estimated, real in ((found.calls, built.organised.usage.calls), (found.nodes, built.nodes)):
        assert abs(estimated - real) <= 0.3 * real, (estimated, real)
    weak = tiny_model(tmp_path)
    assert estimate(notes, TOP_DOWN, weak, tmp_path / "j.lattice").calls == 0


def test_a_small_model_is_not_asked_and_the_build_says_so(notes: Path, tmp_path: Path) -> None:
    weak = tiny_model(tmp_path)
    built = index_folder(notes, tmp_path / "i.lattice", TOP_DOWN, model=weak)
    assert built.organised is not None
    assert "too small" in built.organised.reason
    assert kept_results(tmp_path / "i.lattice") == 0
    none = index_folder(notes, tmp_path / "j.lattice", TOP_DOWN)
    assert none.organised is not None
    assert "no model is there" in none.organised.reason
    assert nodes_of(tmp_path / "i.lattice") == nodes_of(tmp_path / "j.lattice")
    assert index_folder(notes, tmp_path / "j.lattice").fresh


def test_another_strategy_is_another_tree(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    index_folder(notes, index, TOP_DOWN)
    assert not index_folder(notes, index, BuildSettings()).fresh
    with pytest.raises(UsageError, match="bottom-up, top-down"):
        index_folder(notes, index, BuildSettings(strategy="sideways"))


@pytest.mark.model
def test_the_real_small_model_is_measured_by_its_header(notes: Path, tmp_path: Path) -> None:
    model = embedded_model()
    assert "135 million weights" in reason_against(DescribingModel(model))
    built = index_folder(notes, tmp_path / "i.lattice", TOP_DOWN, model=DescribingModel(model))
    assert built.organised is not None
    assert built.organised.splits == built.organised.by_vectors > 0
