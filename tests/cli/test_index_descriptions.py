"""`lattice index --descriptions llm`, with a scripted server as the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lattice import indexing
from lattice.describing import DescribingModel
from lattice.index_builder.authors import Writing
from lattice.store.cache import cache_of, kept_results
from lattice.types import Usage
from tests.cli.conftest import Invoke
from tests.cli.folder import write_folder
from tests.models.remote.scripted import ScriptedServer, answers, serving


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ScriptedServer]:
    """Says of every group what its first child is called; of one without a name of its own, nothing."""

    def reply(body: dict[str, list[dict[str, str]]]) -> str:
        shown = body["messages"][1]["content"].partition("\n\n")[2]
        child = shown.partition("\n- ")[2].partition("\n")[0]
        return f"All that there is to say of {child}, and more." if shown.startswith("Name: ") else ""

    with serving(answers(reply)) as started:
        yield started


def test_a_model_describes_and_the_same_command_asks_nothing_more(
    invoke: Invoke, server: ScriptedServer, tmp_path: Path
) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "i.lattice"
    command = ("index", str(folder), "--index", str(index), "--descriptions", "llm", "--llm", server.url)
    first = invoke(*command)
    assert first.exit_code == 0, first.stderr
    asked = len(server.questions)
    assert f"Described {asked} nodes with {asked} calls (" in first.stdout
    assert "descriptions were written by rule: what the model wrote was empty" in first.stderr
    assert "is up to date" in invoke(*command).stdout
    forced = json.loads(invoke(*command, "--force", "--json").stdout)["written"]
    assert (forced["nodes"], forced["kept"], forced["usage"]["calls"]) == (asked, asked, 0)
    assert forced["by_rule"] > 0
    assert len(server.questions) == asked
    status = json.loads(invoke("status", "--index", str(index), "--json").stdout)["settings"]
    assert (status["descriptions"], status["described_by"]) == ("llm", f"server {server.url}/v1, prompt 1")


def test_extractive_descriptions_want_no_model(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "i.lattice"
    result = invoke("index", str(folder), "--index", str(index), "--llm", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "--descriptions llm" in result.stderr
    assert "written" in json.loads(invoke("index", str(folder), "--index", str(index), "--json").stdout)
    assert invoke("index", str(folder), "--descriptions", "poetic").exit_code == 2


def test_a_server_and_a_model_file_contradict_each_other(invoke: Invoke, tmp_path: Path) -> None:
    folder, model = write_folder(tmp_path / "docs"), tmp_path / "m.gguf"
    model.write_bytes(b"GGUF")
    options = ("--descriptions", "llm", "--llm", "http://127.0.0.1:1", "--model", str(model))
    assert invoke("index", str(folder), "--index", str(tmp_path / "i.lattice"), *options).exit_code == 2


@pytest.mark.parametrize("existed", [True, False])
def test_an_interruption_says_what_is_kept(
    invoke: Invoke, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existed: bool
) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "i.lattice"
    if existed:
        invoke("index", str(folder), "--index", str(index))

    def interrupted(*given: object) -> None:
        writing = given[-3]
        assert isinstance(writing, Writing)
        writing.results.put("a", "one", Usage())
        writing.results.put("b", "two", Usage())
        raise KeyboardInterrupt

    monkeypatch.setattr(indexing, "build", interrupted)
    result = invoke("index", str(folder), "--index", str(index), "--descriptions", "llm", "--llm", server.url)
    assert result.exit_code == 130
    assert ("The old index is untouched." if existed else "No index was written.") in result.stderr
    assert "2 answers of the model are kept; the same command goes on." in result.stderr
    assert kept_results(index) == 2
    assert index.exists() is existed


def test_damaged_results_are_told(invoke: Invoke, server: ScriptedServer, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "i.lattice"
    cache_of(index).write_bytes(b"noise" * 1000)
    result = invoke("index", str(folder), "--index", str(index), "--descriptions", "llm", "--llm", server.url)
    assert result.exit_code == 0
    assert "i.lattice.llm were damaged" in result.stderr


def test_the_model_is_the_one_that_was_named(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, model = write_folder(tmp_path / "docs"), tmp_path / "m.gguf"
    model.write_bytes(b"no model")
    given: list[DescribingModel] = []

    def noted(*_: object, **how: DescribingModel) -> None:
        given.append(how["model"])
        raise KeyboardInterrupt

    monkeypatch.setattr(indexing, "index_folder", noted)
    invoke("index", str(folder), "--descriptions", "llm", "--model", str(model))
    assert given == [DescribingModel(model)]


def test_a_model_that_is_none_is_one_clear_message(invoke: Invoke, tmp_path: Path) -> None:
    folder, model, index = write_folder(tmp_path / "docs"), tmp_path / "m.gguf", tmp_path / "i.lattice"
    model.write_bytes(b"no model")
    result = invoke("index", str(folder), "--index", str(index), "--descriptions", "llm", "--model", str(model))
    assert result.exit_code == 3
    assert "m.gguf" in result.stderr
    assert not index.exists()


def test_a_dry_run_estimates_and_builds_nothing(invoke: Invoke, server: ScriptedServer, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "place" / "i.lattice"
    command = ("index", str(folder), "--index", str(index))
    with_model = ("--descriptions", "llm", "--llm", server.url)
    plain = invoke(*command, "--dry-run")
    assert plain.exit_code == 0, plain.stderr
    assert "of index" in plain.stdout
    assert "Nothing was built." in plain.stdout
    assert "call" not in plain.stdout
    told = invoke(*command, "--dry-run", *with_model).stdout
    found = json.loads(invoke(*command, "--dry-run", *with_model, "--json").stdout)
    assert not index.parent.exists()
    assert f"About {found['calls']} calls of the model: {found['tokens_read']:,} tokens read" in told
    built = json.loads(invoke(*command, *with_model, "--json").stdout)
    assert (found["files"], found["passages"], found["nodes"]) == tuple(
        built[name] for name in ("documents", "passages", "nodes")
    )
    assert found["calls"] == built["written"]["nodes"]
    assert (found["dry_run"], found["path"], found["minutes"] >= 0) == (True, str(index), True)
