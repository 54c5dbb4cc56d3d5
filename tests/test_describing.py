"""The model that describes: which it is, when it is loaded, and that it is asked once for everything."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lattice import Lattice
from lattice.describing import DescribingModel, described_by, writing_for
from lattice.errors import ModelNotFound, ModelUnusable, ServerProblem, UsageError
from lattice.index_builder.authors import key_of
from lattice.index_builder.written import describing_call
from lattice.indexing import index_folder
from lattice.models.remote.server import Server
from lattice.store.cache import ResultCache, cache_of, kept_results
from lattice.store.store import Store
from lattice.types import BuildSettings, Node, Usage
from tests.models.remote.scripted import Handler, ScriptedServer, answers, serving, unused_url

LLM = BuildSettings(descriptions="llm", branching=3)
CONCURRENCY = 3
TOPICS = ("bees", "tides", "bread", "comets", "violins", "moss", "trams", "glaciers")


@pytest.fixture(name="notes")
def fixture_notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for topic in TOPICS:
        (folder / f"{topic}.md").write_text(f"# {topic.title()}\n\nWhat is known of {topic} in winter and in summer.\n")
    return folder


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ScriptedServer]:
    """Says of every group what its first child is called, in many words."""

    def reply(body: dict[str, list[dict[str, str]]]) -> str:
        child = body["messages"][1]["content"].partition("\n- ")[2].split()[0]
        return f"All that there is to say of {child} and of other things."

    with serving(answers(reply)) as started:
        yield started


def _nodes(index: Path) -> list[Node]:
    with Store.open(index) as store:
        return store.nodes()


def test_a_file_goes_by_its_content_and_a_server_by_its_address(tmp_path: Path) -> None:
    model = tmp_path / "a.gguf"
    model.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert DescribingModel(model).identity() == f"sha256:{digest}"
    assert DescribingModel(server=Server("http://host:1/v1", "qwen")).identity() == "server http://host:1/v1 qwen"
    with pytest.raises(ModelNotFound, match="descriptions extractive"):
        DescribingModel().identity()


def test_another_prompt_is_another_author(monkeypatch: pytest.MonkeyPatch) -> None:
    before = described_by("sha256:" + "a" * 64)
    assert before.startswith("sha256:" + "a" * 16 + ", ")
    monkeypatch.setattr("lattice.describing.DESCRIBE_VERSION", 999)
    assert described_by("sha256:" + "a" * 64) != before


def test_a_model_is_loaded_when_it_is_first_wanted(tmp_path: Path) -> None:
    model, index = tmp_path / "a.gguf", tmp_path / "i.lattice"
    model.write_bytes(b"no model at all")
    chosen = DescribingModel(model)
    with ResultCache(cache_of(index)) as cache:
        cache.put(key_of(chosen.identity(), describing_call("a")), "said before", Usage())
    with writing_for(index, chosen) as writing:
        assert list(writing.texts([describing_call("a")])) == [(0, "said before")]
        with pytest.raises(ModelUnusable):
            list(writing.texts([describing_call("b")]))


def test_a_build_is_described_and_an_unchanged_folder_asks_nothing(
    notes: Path, server: ScriptedServer, tmp_path: Path
) -> None:
    index, model = tmp_path / "i.lattice", DescribingModel(server=Server(server.url))
    built = index_folder(notes, index, LLM, model=model)
    assert built.written is not None
    asked = len(server.questions)
    assert (built.written.usage.calls, built.written.kept, built.written.by_rule) == (asked, 0, 0)
    inner = [node for node in _nodes(index) if not node.is_leaf]
    assert len(inner) == built.written.nodes == asked
    assert all("All that there is to say of " in node.description for node in inner)
    with Store.open(index) as store:
        assert store.settings().described_by == described_by(model.identity())
    assert index_folder(notes, index, model=model).fresh
    forced = index_folder(notes, index, model=model, force=True)
    assert forced.written is not None
    assert (forced.written.kept, forced.written.usage) == (asked, Usage())
    assert len(server.questions) == asked


def test_what_a_finished_build_has_no_use_for_is_forgotten(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    index, model = tmp_path / "i.lattice", DescribingModel(server=Server(server.url))
    index_folder(notes, index, LLM, model=model)
    for topic in TOPICS[:4]:
        (notes / f"{topic}.md").unlink()
    built = index_folder(notes, index, model=model)
    assert built.written is not None
    assert kept_results(index) == built.written.nodes < len(server.questions)


def test_another_model_describes_anew(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    index_folder(notes, index, LLM, model=DescribingModel(server=Server(server.url)))
    asked = len(server.questions)
    other = index_folder(notes, index, model=DescribingModel(server=Server(server.url, "other")))
    assert not other.fresh
    assert len(server.questions) == 2 * asked
    plain = index_folder(notes, index, BuildSettings(branching=3))
    assert (plain.fresh, plain.written) == (False, None)
    assert index_folder(notes, index).fresh, "extractive descriptions are nobody's"


def test_an_interrupted_build_goes_on_and_gives_the_same(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    index, model = tmp_path / "i.lattice", DescribingModel(server=Server(server.url, concurrency=CONCURRENCY))
    index_folder(notes, tmp_path / "undisturbed.lattice", LLM, model=model)
    asked = len(server.questions)

    def at(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("descriptions", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_folder(notes, index, LLM, at, model=model)
    assert not index.exists()
    assert kept_results(index) == 2
    index_folder(notes, index, LLM, model=model)
    # What was under way when the build ended was asked in vain; what had come was not asked for again.
    assert 2 * asked <= len(server.questions) <= 2 * asked + CONCURRENCY
    assert _nodes(index) == _nodes(tmp_path / "undisturbed.lattice")


def test_a_server_is_asked_several_at_once(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    """Nodes of one height are described together, for none of them waits for another."""
    one = DescribingModel(server=Server(server.url, concurrency=1))
    index_folder(notes, tmp_path / "one.lattice", LLM, model=one)
    meeting = threading.Barrier(2, timeout=60.0)
    answer = server.script[0]

    def met(handler: Handler) -> None:
        meeting.wait()  # breaks, and the build with it, where nobody else comes
        answer(handler)

    server.script = [met, met, answer]
    several = DescribingModel(server=Server(server.url, concurrency=2))
    index_folder(notes, tmp_path / "several.lattice", LLM, model=several)
    assert not meeting.broken
    assert _nodes(tmp_path / "several.lattice") == _nodes(tmp_path / "one.lattice")


def test_damaged_results_are_told_and_the_build_goes_on(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    index, model = tmp_path / "i.lattice", DescribingModel(server=Server(server.url))
    cache_of(index).write_bytes(b"noise" * 1000)
    built = index_folder(notes, index, LLM, model=model)
    assert ["damaged" in note for note in built.notes] == [True]


def test_results_within_the_folder_are_no_documents(notes: Path, server: ScriptedServer) -> None:
    index, model = notes / "own.lattice", DescribingModel(server=Server(server.url))
    index_folder(notes, index, LLM, model=model)
    assert cache_of(index).exists()
    assert index_folder(notes, index, model=model).fresh


def test_a_server_that_is_away_leaves_the_old_index(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    index_folder(notes, index)
    before = index.read_bytes()
    with pytest.raises(ServerProblem):
        index_folder(notes, index, LLM, model=DescribingModel(server=Server(unused_url())))
    assert index.read_bytes() == before


def test_descriptions_that_there_are_not_are_refused_before_the_work(notes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="extractive, llm"):
        index_folder(notes, tmp_path / "i.lattice", BuildSettings(descriptions="poetic"))
    with pytest.raises(ModelNotFound):
        index_folder(notes, tmp_path / "i.lattice", LLM)


def test_the_facade_takes_a_server(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    with Lattice.index(notes, path=tmp_path / "i.lattice", settings=LLM, server=Server(server.url)) as opened:
        assert "All that there is to say" in opened.store.root().description
        assert opened.reads
    with pytest.raises(UsageError, match="contradict"):
        Lattice.index(notes, path=tmp_path / "i.lattice", model="a.gguf", server=Server(server.url))


@pytest.mark.model
def test_the_real_model_describes(notes: Path, tmp_path: Path) -> None:
    with Lattice.index(notes, path=tmp_path / "i.lattice", settings=LLM) as opened:
        assert opened.store.settings().described_by.startswith("sha256:")
        assert all(node.description for node in opened.store.nodes())
    with ResultCache(cache_of(tmp_path / "i.lattice")) as cache:
        assert len(cache) >= 3
    with Lattice.index(notes, path=tmp_path / "j.lattice", settings=LLM) as again:
        assert again.store.nodes() == _nodes(tmp_path / "i.lattice")
