"""What commands tell of a tree that a model organised: interrupted, as JSON, and afterwards in its status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lattice.cli.progress import Bars
from lattice.describing import DescribingModel, organised_by
from lattice.index_builder.organising import Organised
from lattice.models.remote.server import Server
from lattice.store.cache import kept_results
from lattice.types import Usage
from tests.cli.conftest import Invoke
from tests.models.remote.scripted import ScriptedServer, answers, serving
from tests.test_organising import answered, nodes_of, write_library


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ScriptedServer]:
    with serving(answers(answered)) as started:
        yield started


@pytest.fixture(name="folder", scope="module")
def fixture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_library(tmp_path_factory.mktemp("organised") / "docs")


def command(folder: Path, index: Path, *more: str) -> tuple[str, ...]:
    return ("index", str(folder), "--index", str(index), *more)


def by_model(folder: Path, index: Path, server: ScriptedServer, *more: str) -> tuple[str, ...]:
    return command(folder, index, "--strategy", "top-down", "--llm", server.url, *more)


def told(invoke: Invoke, *arguments: str) -> dict[str, Any]:
    """Run a command that prints JSON and nothing else."""
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def interrupt_at(stage: str, done: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Ctrl-C come when so much of a stage is told."""
    call = Bars.__call__

    def told_of(bars: Bars, at: str, now: int, total: int) -> None:
        if (at, now) == (stage, done):
            raise KeyboardInterrupt
        call(bars, at, now, total)

    monkeypatch.setattr(Bars, "__call__", told_of)


@pytest.mark.parametrize("existed", [False, True], ids=["new", "there"])
@pytest.mark.parametrize(("stage", "done", "fewest"), [("summaries", 2, 2), ("topics", 1, 7)], ids=["early", "late"])
def test_ctrl_c_leaves_the_index_and_the_same_command_goes_on(
    invoke: Invoke,
    folder: Path,
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    existed: bool,
    stage: str,
    done: int,
    fewest: int,
) -> None:
    index, undisturbed = tmp_path / "i.lattice", tmp_path / "undisturbed.lattice"
    whole = told(invoke, *by_model(folder, undisturbed, server))["organised"]
    if existed:
        assert invoke(*command(folder, index)).exit_code == 0
    before = index.read_bytes() if existed else b""
    with monkeypatch.context() as patched:
        interrupt_at(stage, done, patched)
        result = invoke(*by_model(folder, index, server))
    assert result.exit_code == 130
    kept = kept_results(index)
    assert kept >= fewest
    assert ("The old index is untouched." if existed else "No index was written.") in result.stderr
    assert f"{kept} answers of the model are kept; the same command goes on." in result.stderr
    assert (index.read_bytes() if index.exists() else b"") == before
    found = told(invoke, *by_model(folder, index, server))["organised"]
    assert (found["kept"], found["usage"]["calls"]) == (kept, whole["usage"]["calls"] - kept)
    assert nodes_of(index) == nodes_of(undisturbed)


def test_the_json_of_a_build_holds_every_count(
    invoke: Invoke, folder: Path, server: ScriptedServer, tmp_path: Path
) -> None:
    found = told(invoke, *by_model(folder, tmp_path / "i.lattice", server))["organised"]
    assert list(found) == list(Organised.__dataclass_fields__)
    assert list(found["usage"]) == list(Usage.__dataclass_fields__)
    counts = {name: value for name, value in found.items() if name not in {"usage", "reason"}}
    assert all(isinstance(count, int) and count >= 0 for count in counts.values()), counts
    assert (found["by_vectors"], found["texts"], found["kept"], found["reason"]) == (0, 120, 0, "")
    assert found["usage"]["calls"] == len(server.questions) == 6 + found["splits"]
    assert found["usage"]["evaluated"] == 100 * len(server.questions)


def test_the_json_of_a_build_without_a_model_says_why(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    found = told(invoke, *command(folder, tmp_path / "i.lattice", "--strategy", "top-down"))["organised"]
    assert found["by_vectors"] == found["splits"] > 0
    assert found["reason"]
    assert found["usage"] == {**dict.fromkeys(Usage.__dataclass_fields__, 0), "seconds": 0.0}


def test_the_json_of_other_builds_has_none(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    assert told(invoke, *command(folder, index))["organised"] is None
    assert told(invoke, *command(folder, index))["organised"] is None, "nor that of one that is up to date"


def test_what_is_up_to_date_is_not_organised_again(
    invoke: Invoke, folder: Path, server: ScriptedServer, tmp_path: Path
) -> None:
    index = tmp_path / "i.lattice"
    invoke(*by_model(folder, index, server))
    asked = len(server.questions)
    again = told(invoke, *by_model(folder, index, server))
    assert (again["fresh"], again["organised"], len(server.questions)) == (True, None, asked)


def test_the_status_tells_who_organised(invoke: Invoke, folder: Path, server: ScriptedServer, tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    invoke(*by_model(folder, index, server, "--llm-model", "tiny"))
    found = told(invoke, "status", "--index", str(index))["settings"]
    chosen = DescribingModel(server=Server(server.url, "tiny"))
    assert (found["strategy"], found["organised_by"]) == ("top-down", organised_by(chosen))
    assert (found["descriptions"], found["described_by"]) == ("extractive", "")
    shown = invoke("status", "--index", str(index)).stdout
    assert "strategy top-down" in shown
    assert f"organised_by {organised_by(chosen)}" in shown


@pytest.mark.parametrize("strategy", ["top-down", "bottom-up"])
def test_the_status_of_a_tree_by_vectors_names_nobody(
    invoke: Invoke, folder: Path, tmp_path: Path, strategy: str
) -> None:
    index = tmp_path / "i.lattice"
    invoke(*command(folder, index, "--strategy", strategy))
    found = told(invoke, "status", "--index", str(index))["settings"]
    assert (found["strategy"], found["organised_by"]) == (strategy, "")


def test_the_strategy_stays_until_another_is_named(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "i.lattice"
    strategies = []
    for more in (("--strategy", "top-down"), ("--force",), ("--strategy", "bottom-up"), ("--force",)):
        assert invoke(*command(folder, index, *more)).exit_code == 0
        strategies.append(told(invoke, "status", "--index", str(index))["settings"]["strategy"])
    assert strategies == ["top-down", "top-down", "bottom-up", "bottom-up"]


def test_a_strategy_that_there_is_not_is_refused_with_those_that_there_are(
    invoke: Invoke, folder: Path, tmp_path: Path
) -> None:
    result = invoke(*command(folder, tmp_path / "i.lattice", "--strategy", "sideways"))
    assert result.exit_code == 2
    assert "bottom-up" in result.stderr
    assert "top-down" in result.stderr
    assert not (tmp_path / "i.lattice").exists()


def test_a_server_that_is_away_leaves_no_index(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    with serving(answers(answered)) as gone:
        url = gone.url
    index = tmp_path / "i.lattice"
    result = invoke(*command(folder, index, "--strategy", "top-down", "--llm", url))
    assert result.exit_code == 3
    assert url in result.stderr
    assert not index.exists()
