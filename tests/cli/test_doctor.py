from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from lattice.cli import doctor
from lattice.cli.doctor import LIBRARIES, Check, run_checks
from lattice.lattice import Lattice
from tests.cli.conftest import Invoke

CHECKS = ["python", "libraries", "sqlite", "data folder", "model", "indexes", "embedders", "search"]


@pytest.fixture(autouse=True)
def without_model(monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> None:
    """The model's part is tested once, with the real one."""
    monkeypatch.setattr("lattice.models.registry.embedded_model", lambda: None)


def outcome(name: str) -> Check:
    return next(check for check in run_checks() if check.name == name)


def test_all_is_well_here_but_for_the_model(invoke: Invoke) -> None:
    result = invoke("doctor", "--json")
    assert result.exit_code == 0, result.stdout
    shown = json.loads(result.stdout)
    assert shown["ok"]
    assert [check["name"] for check in shown["checks"]] == CHECKS
    assert {check["name"] for check in shown["checks"] if check["outcome"] != "ok"} == {"model"}
    assert shown["checks"][-1]["detail"].startswith("without a model")


def test_a_person_gets_a_line_a_check_and_the_cure(invoke: Invoke) -> None:
    lines = invoke("doctor").stdout.splitlines()
    assert lines[0].startswith("ok      python: 3.")
    assert any(line.startswith("note    model: none") for line in lines)
    assert any(line.strip().startswith("cure: pip install") for line in lines)


def test_a_failed_check_ends_with_4(invoke: Invoke, empty_home: Path) -> None:
    (empty_home / "indexes").mkdir(parents=True)
    (empty_home / "indexes" / "broken-1.lattice").write_bytes(b"no index")
    result = invoke("doctor")
    assert result.exit_code == 4
    assert "problem indexes: " in result.stdout


def test_the_libraries_are_those_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    named = [requirement.split(",")[0].split(">=") for requirement in project["dependencies"]]
    assert {name: lowest for name, lowest in named} == LIBRARIES  # noqa: C416 - pairs are lists


def test_missing_and_old_libraries_are_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {**LIBRARIES, "numpy": "1.26.4"}
    del installed["tqdm"]

    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(metadata, "version", version)
    found = outcome("libraries")
    assert found.outcome == "problem"
    assert found.detail == "numpy 1.26.4 is older than 2.0; tqdm is missing"


def test_an_old_python_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_PYTHON", (99, 0))
    assert outcome("python").outcome == "problem"


def test_a_home_that_cannot_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "file"))
    found = outcome("data folder")
    assert found.outcome == "problem"
    assert found.cure is not None
    assert "LATTICE_HOME" in found.cure


def test_a_home_without_indexes_is_only_worth_a_note(empty_home: Path) -> None:
    assert outcome("indexes").outcome == "note"


def test_a_model_that_is_named_and_missing_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATTICE_MODEL", "/nowhere/none.gguf")
    assert outcome("model").outcome == "problem"


def test_a_model_that_is_no_gguf_is_a_problem(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "txt.gguf").write_text("a text, and no model")
    monkeypatch.setenv("LATTICE_MODEL", str(tmp_path / "txt.gguf"))
    found = outcome("model")
    assert found.outcome == "problem"
    assert "txt.gguf is no GGUF file" in found.detail


def test_a_search_that_finds_the_wrong_text_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> Iterator[object]:
        return iter(())

    monkeypatch.setattr(Lattice, "search", lambda *_, **__: [])
    found = outcome("search")
    assert found.outcome == "problem"
    assert "bicycle.md should be first" in found.detail


def test_a_check_that_breaks_is_a_problem_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(Lattice, "search", broken)
    found = list(run_checks())
    assert [check.name for check in found] == CHECKS
    assert found[-1].detail == "RuntimeError: out of order"


@pytest.mark.model
def test_the_proof_with_the_real_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert outcome("model").outcome == "ok"
    found = outcome("search")
    assert (found.outcome, found.detail.split(",")[0]) == ("ok", "with the model")
