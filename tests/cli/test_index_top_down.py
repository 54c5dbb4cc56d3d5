"""`lattice index --strategy top-down`, with a scripted server as the model, and with none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lattice.cli.organised import organised_lines, organised_notes
from lattice.index_builder.organising import Organised
from lattice.types import Usage
from tests.cli.conftest import Invoke
from tests.models.remote.scripted import answers, says, serving
from tests.test_organising import answered, write_library


def organised(**changed: object) -> Organised:
    counts: dict[str, object] = dict.fromkeys(Organised.__dataclass_fields__, 0) | {"usage": Usage(), "reason": ""}
    return Organised(**(counts | {"splits": 5} | changed))  # type: ignore[arg-type]


def test_a_server_organises(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = write_library(tmp_path / "docs"), tmp_path / "i.lattice"
    command = ("index", str(folder), "--index", str(index), "--strategy", "top-down")
    with serving(answers(answered)) as server:
        result = invoke(*command, "--llm", server.url)
        assert result.exit_code == 0, result.stderr
        assert "by the model." in result.stdout
        assert f"Organised with {len(server.questions)} calls (" in result.stdout
        told = json.loads(invoke(*command, "--llm", server.url, "--force", "--json").stdout)["organised"]
        assert (told["by_vectors"], told["kept"]) == (0, len(server.questions))
        estimate = json.loads(invoke(*command, "--llm", server.url, "--dry-run", "--json").stdout)
        assert estimate["calls"] > 0


def test_a_server_that_talks_is_given_up_and_the_command_says_so(invoke: Invoke, tmp_path: Path) -> None:
    folder = write_library(tmp_path / "docs")
    command = ("index", str(folder), "--index", str(tmp_path / "i.lattice"), "--strategy", "top-down")
    with serving(says("Certainly! I will.")) as server:
        result = invoke(*command, "--llm", server.url)
    assert result.exit_code == 0
    assert "Vectors and characteristic terms made the topics: more of its answers were unusable" in result.stderr


def test_without_a_model_the_command_says_who_made_the_topics(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = write_library(tmp_path / "docs"), tmp_path / "i.lattice"
    result = invoke("index", str(folder), "--index", str(index), "--strategy", "top-down")
    assert result.exit_code == 0, result.stderr
    assert "Vectors and characteristic terms made the topics: " in result.stderr
    assert ", 0 by the model." in result.stdout
    assert "is up to date" in invoke("index", str(folder), "--index", str(index)).stdout


def test_a_model_without_anything_to_do_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    folder = write_library(tmp_path / "docs")
    result = invoke("index", str(folder), "--index", str(tmp_path / "i"), "--llm", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "--strategy top-down" in result.stderr


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, []),
        ({"by_vectors": 2}, ["2 nodes were split by vectors"]),
        ({"by_vectors": 1}, ["1 node was split by vectors"]),
        ({"missing": 3, "unknown": 1}, ["3 missing from every topic, 1 unknown"]),
        ({"doubled": 1}, ["1 in several topics"]),
        ({"by_rule": 4}, ["4 texts were summarised by rule"]),
        ({"reason": "it is small", "by_vectors": 5}, ["made the topics: it is small."]),
    ],
    ids=str,
)
def test_what_was_not_as_asked_is_told(changed: dict[str, object], told: list[str]) -> None:
    notes = organised_notes(organised(**changed))
    assert len(notes) == len(told)
    assert all(part in note for part, note in zip(told, notes, strict=True))


def test_what_it_took_is_told() -> None:
    usage = Usage(evaluated=1200, generated=34, calls=2)
    assert organised_lines(organised(by_vectors=1, usage=usage, kept=3)) == [
        "Split 5 nodes top-down, 4 by the model.",
        "Organised with 2 calls (1,200 tokens read, 34 written), 3 kept from before.",
    ]
    assert organised_lines(None) == organised_notes(None) == []
