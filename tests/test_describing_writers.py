"""What a model does for one build: it describes, organises, both or neither; who it is, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lattice import describing
from lattice.describing import (
    LEAST_WEIGHTS,
    DescribingModel,
    described_by,
    organised_by,
    reason_against,
    writers_for,
)
from lattice.errors import ModelNotFound, ModelProblem
from lattice.index_builder.authors import Writing
from lattice.index_builder.levels import levels_call
from lattice.index_builder.written import describing_call
from lattice.models.gguf import read_gguf
from lattice.models.remote.server import Server
from lattice.store.cache import ResultCache, cache_of, kept_results
from lattice.types import BuildSettings, Usage
from tests.models import tiny
from tests.models.remote.scripted import ScriptedServer, answers, serving, unused_url

EXTRACTIVE, LLM = BuildSettings(), BuildSettings(descriptions="llm")
TOP_DOWN = BuildSettings(strategy="top-down")
BOTH = BuildSettings(descriptions="llm", strategy="top-down")
NOBODY = DescribingModel()
DESCRIBING, ORGANISING = describing_call("- oak\n- elm"), levels_call(["oak", "elm"])


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ScriptedServer]:
    with serving(answers(lambda body: f"said of {len(body['messages'][1]['content'])}")) as started:
        yield started


@pytest.fixture(name="weak")
def fixture_weak(tmp_path: Path) -> DescribingModel:
    """A real model file that is far too small to organise."""
    tiny.make_decoder(tmp_path / "tiny.gguf", pooling=None)
    return DescribingModel(tmp_path / "tiny.gguf")


@pytest.fixture(name="strong")
def fixture_strong(weak: DescribingModel, monkeypatch: pytest.MonkeyPatch) -> DescribingModel:
    """A model file that has just the weights that it takes."""
    assert weak.model is not None
    monkeypatch.setattr(describing, "LEAST_WEIGHTS", read_gguf(weak.model).parameters)
    return weak


def served(server: ScriptedServer) -> DescribingModel:
    return DescribingModel(server=Server(server.url, "qwen"))


# Who organises


def test_a_server_is_tried_whatever_it_serves() -> None:
    chosen = DescribingModel(server=Server(unused_url(), "qwen"))
    assert reason_against(chosen) == ""
    assert organised_by(chosen).startswith(chosen.identity())


def test_without_a_model_the_reason_says_how_to_have_one() -> None:
    assert reason_against(NOBODY).startswith("no model is there (")
    assert organised_by(NOBODY) == ""


def test_a_model_must_have_the_weights(weak: DescribingModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weak.model is not None
    weights = read_gguf(weak.model).parameters
    assert 0 < weights < LEAST_WEIGHTS
    assert reason_against(weak) == (
        f"tiny.gguf is too small for it ({weights / 1e6:,.0f} million weights; it takes some 2 billion)"
    )
    assert organised_by(weak) == ""
    monkeypatch.setattr(describing, "LEAST_WEIGHTS", weights + 1)
    assert "too small" in reason_against(weak)
    monkeypatch.setattr(describing, "LEAST_WEIGHTS", weights)
    assert reason_against(weak) == ""


def test_a_file_that_is_no_model_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"no model at all")
    with pytest.raises(ModelProblem, match=r"a\.gguf"):
        reason_against(DescribingModel(tmp_path / "a.gguf"))


def test_an_index_keeps_model_and_prompt_of_who_organised(
    strong: DescribingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, describer = organised_by(strong), described_by(strong.identity())
    assert before.startswith(strong.identity()[: len("sha256:") + 16] + ", prompt ")
    monkeypatch.setattr(describing, "ORGANISE_VERSION", 999)
    assert organised_by(strong) == before.rpartition(" ")[0] + " 999"
    assert described_by(strong.identity()) == describer, "descriptions have a prompt of their own"
    monkeypatch.setattr(describing, "DESCRIBE_VERSION", 555)
    assert organised_by(strong).endswith(" 999")


def test_a_server_s_model_may_be_called_anything() -> None:
    odd = DescribingModel(server=Server("http://host:1/v1", "one, prompt two"))
    assert organised_by(odd).startswith("server http://host:1/v1 one, prompt two, prompt ")


# What is done for a build


@pytest.mark.parametrize(
    ("settings", "describes", "organises"),
    [(EXTRACTIVE, False, False), (LLM, True, False), (TOP_DOWN, False, True), (BOTH, True, True)],
    ids=["neither", "describes", "organises", "both"],
)
def test_a_server_does_what_the_settings_say(
    settings: BuildSettings, describes: bool, organises: bool, tmp_path: Path
) -> None:
    with writers_for(tmp_path / "i.lattice", DescribingModel(server=Server(unused_url())), settings) as writers:
        assert (writers.describing is not None) == describes
        assert (writers.organising is not None) == organises
        if writers.organising is not None:
            assert writers.organising.writing is not None
            assert writers.organising.reason == ""
        written, organised, notes = writers.finish()
    assert (written is not None, organised is not None, notes) == (describes, organises, ())
    assert cache_of(tmp_path / "i.lattice").exists() == (describes or organises)


@pytest.mark.parametrize("settings", [TOP_DOWN, BOTH], ids=["organises", "both"])
def test_a_weak_model_describes_and_does_not_organise(
    weak: DescribingModel, settings: BuildSettings, tmp_path: Path
) -> None:
    index = tmp_path / "i.lattice"
    with writers_for(index, weak, settings) as writers:
        assert writers.organising is not None
        assert writers.organising.writing is None
        assert "too small" in writers.organising.reason
        assert (writers.describing is not None) == (settings == BOTH)
        written, organised, _ = writers.finish()
    assert (written is not None) == (settings == BOTH)
    assert organised is not None
    assert organised.reason == reason_against(weak)
    assert cache_of(index).exists() == (settings == BOTH), "who asks nothing keeps nothing"


def test_nobody_organises_by_vectors_and_describes_nothing(tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    with writers_for(index, NOBODY, TOP_DOWN) as writers:
        written, organised, notes = writers.finish()
    assert (written, notes) == (None, ())
    assert organised is not None
    assert organised.reason == reason_against(NOBODY)
    for settings in (LLM, BOTH):
        with pytest.raises(ModelNotFound), writers_for(index, NOBODY, settings):
            pass
    with writers_for(index, NOBODY, EXTRACTIVE) as writers:
        assert writers.finish() == (None, None, ())
    assert list(tmp_path.iterdir()) == []


def writings(index: Path, server: ScriptedServer, settings: BuildSettings) -> tuple[Writing, Writing]:
    with writers_for(index, served(server), settings) as writers:
        assert writers.describing is not None
        assert writers.organising is not None
        assert writers.organising.writing is not None
        return writers.describing, writers.organising.writing


def test_what_describes_and_what_organises_is_counted_apart(server: ScriptedServer, tmp_path: Path) -> None:
    with writers_for(tmp_path / "i.lattice", served(server), BOTH) as writers:
        assert writers.describing is not None
        assert writers.organising is not None
        assert writers.organising.writing is not None
        list(writers.describing.texts([DESCRIBING, describing_call("- wren")]))
        list(writers.organising.writing.texts([ORGANISING]))
        written, organised, _ = writers.finish()
    assert written is not None
    assert organised is not None
    assert (written.usage.calls, organised.usage.calls) == (2, 1)
    assert (written.kept, organised.kept) == (0, 0)
    assert len(server.questions) == 3


def test_both_are_asked_of_one_model_on_its_connections(server: ScriptedServer, tmp_path: Path) -> None:
    first, second = writings(tmp_path / "i.lattice", server, BOTH)
    assert first.author is second.author
    assert first.identity == second.identity == served(server).identity()
    assert first.results is second.results


@pytest.mark.parametrize(("settings", "kept"), [(BOTH, 2), (LLM, 1), (TOP_DOWN, 1)], ids=["both", "llm", "top-down"])
def test_the_kept_answers_are_pruned_once_for_both(
    server: ScriptedServer, settings: BuildSettings, kept: int, tmp_path: Path
) -> None:
    """What either of the two had use for stays; what neither did is forgotten."""
    index = tmp_path / "i.lattice"
    with ResultCache(cache_of(index)) as cache:
        cache.put("of an earlier build", "which nobody wants now", Usage())
    with writers_for(index, served(server), settings) as writers:
        if writers.describing is not None:
            list(writers.describing.texts([DESCRIBING]))
        if writers.organising is not None:
            assert writers.organising.writing is not None
            list(writers.organising.writing.texts([ORGANISING]))
        assert kept_results(index) == kept + 1
        writers.finish()
    assert kept_results(index) == kept
    with writers_for(index, served(server), settings) as writers:
        asked = writers.describing or (writers.organising and writers.organising.writing)
        assert asked
        list(asked.texts([DESCRIBING if writers.describing else ORGANISING]))
        assert (asked.kept, asked.usage) == (1, Usage())
    assert len(server.questions) == kept


def test_a_build_that_ends_early_forgets_nothing(server: ScriptedServer, tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    with ResultCache(cache_of(index)) as cache:
        cache.put("of an earlier build", "which may be wanted yet", Usage())
    with pytest.raises(KeyboardInterrupt), writers_for(index, served(server), BOTH) as writers:
        assert writers.describing is not None
        list(writers.describing.texts([DESCRIBING]))
        raise KeyboardInterrupt
    assert kept_results(index) == 2


@pytest.mark.parametrize("settings", [LLM, TOP_DOWN, BOTH], ids=["llm", "top-down", "both"])
def test_damaged_answers_are_told_of_once(server: ScriptedServer, settings: BuildSettings, tmp_path: Path) -> None:
    cache_of(tmp_path / "i.lattice").write_bytes(b"noise" * 1000)
    with writers_for(tmp_path / "i.lattice", served(server), settings) as writers:
        assert ["damaged" in note for note in writers.finish()[2]] == [True]


def test_a_strong_model_is_loaded_only_when_it_is_asked(strong: DescribingModel, tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    with writers_for(index, strong, TOP_DOWN) as writers:
        assert writers.organising is not None
        assert writers.organising.writing is not None
        assert vars(writers.organising.writing.author)["_loaded"] is None
        ((number, said),) = writers.organising.writing.texts([levels_call(["oak"])])
        assert vars(writers.organising.writing.author)["_loaded"] is not None
    assert (number, kept_results(index)) == (0, 1)
    assert said == "", "the question was cut, for it is longer than the model's context: such an answer is none"
