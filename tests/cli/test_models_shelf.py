from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lattice.cli.terminal import cells
from lattice.errors import ModelNotFound
from lattice.lattice import Lattice
from lattice.models.registry import optimized_place
from lattice.models.shelf import add, pulled_folder
from tests.cli.conftest import Invoke
from tests.models.gguf_files import write_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "small.gguf", {"general.file_type": 7})


@pytest.fixture(autouse=True)
def without_embedded(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded model is one entry more, and tested once."""
    monkeypatch.setattr("lattice.models.registry.embedded_model", lambda: None)


def _copy_of(model: Path, home: Path) -> Path:
    """Leave what an optimisation leaves."""
    place = optimized_place(model, {"LATTICE_HOME": str(home)})
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    place.with_suffix(".json").write_text(json.dumps({"source": str(model)}))
    return place


def test_a_model_is_registered_listed_and_found(invoke: Invoke, model: Path) -> None:
    added = invoke("models", "add", str(model), "--name", "mine")
    assert added.exit_code == 0, added.output
    assert added.stdout == f"mine: generative, 32 parameters, Q8_0, {model.stat().st_size} bytes; {model}\n"
    head, row = invoke("models", "list").stdout.splitlines()
    assert head.split() == ["name", "kind", "parameters", "type", "size", "place"]
    assert row.split()[:2] == ["mine", "generative"]
    assert row.endswith(str(model))
    assert invoke("models", "path", "mine").stdout == f"{model}\n"


def test_the_list_is_data_for_a_program(invoke: Invoke, model: Path) -> None:
    invoke("models", "add", str(model), "--name", "mine")
    shown = json.loads(invoke("models", "list", "--json").stdout)
    (row,) = shown["models"]
    assert shown["used"] is None
    assert (row["name"], row["path"], row["state"], row["used"]) == ("mine", str(model), "ok", False)
    assert len(row["sha256"]) == 64


def test_no_model_at_all_is_told_with_the_cure(invoke: Invoke) -> None:
    for command in ("list", "verify"):
        result = invoke("models", command)
        assert result.exit_code == 0
        assert "lattice models add PATH" in result.stdout


def test_the_model_that_a_search_uses_is_marked(invoke: Invoke, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invoke("models", "add", str(model), "--name", "mine")
    monkeypatch.setenv("LATTICE_MODEL", "mine")
    assert invoke("models", "list").stdout.splitlines()[1].startswith("*  mine")
    other = write_model(model.with_name("other.gguf"))
    monkeypatch.setenv("LATTICE_MODEL", str(other))
    assert invoke("models", "list").stdout.splitlines()[-1] == f"* a search uses {other}, which LATTICE_MODEL names"
    monkeypatch.setenv("LATTICE_MODEL", "gone")
    result = invoke("models", "list")
    assert result.exit_code == 0
    assert "A search would fail: LATTICE_MODEL names gone" in result.stderr


def test_what_became_of_a_file_is_flagged(invoke: Invoke, model: Path, empty_home: Path) -> None:
    invoke("models", "add", str(model))
    _copy_of(model, empty_home)
    assert invoke("models", "list").stdout.endswith("(optimised)\n")
    model.write_bytes(b"GGUF")
    assert "written to since: lattice models verify" in invoke("models", "list").stdout
    model.unlink()
    assert "(the file is gone)" in invoke("models", "list").stdout


def test_a_folder_is_registered_but_for_what_is_broken(invoke: Invoke, model: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "page.gguf").write_text("<html>")
    write_model(tmp_path / "deep" / "small.gguf")
    result = invoke("models", "add", str(tmp_path), "--json")
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert [entry["path"] for entry in shown["added"]] == [str(model)]
    assert [Path(one["path"]).name for one in shown["skipped"]] == ["page.gguf", "small.gguf"]
    assert "page.gguf is an HTML page" in result.stderr
    assert "The name small is taken" in result.stderr


def test_a_folder_with_nothing_to_register_is_a_problem(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = invoke("models", "add", str(tmp_path / "empty"))
    assert (result.exit_code, result.stdout) == (3, "")
    assert "There is no .gguf file" in result.stderr
    (tmp_path / "page.gguf").write_text("<html>")
    assert invoke("models", "add", str(tmp_path)).exit_code == 3


def test_a_folder_has_no_name(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("models", "add", str(tmp_path), "--name", "mine")
    assert result.exit_code == 2
    assert "--name names one model" in result.stderr


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>", b"GGUF\x03\x00\x00\x00", b""])
def test_what_is_no_model_is_refused_with_its_reason(invoke: Invoke, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.gguf").write_bytes(content)
    result = invoke("models", "add", "bad.gguf")
    assert result.exit_code == 3
    assert f"{tmp_path / 'bad.gguf'} is" in result.stderr


def test_verifying_ends_with_4_where_one_is_not_what_it_was(invoke: Invoke, model: Path) -> None:
    other = write_model(model.with_name("other.gguf"))
    for path in (model, other):
        invoke("models", "add", str(path))
    assert invoke("models", "verify").stdout == "ok      other\nok      small\n"
    content = other.read_bytes()
    other.write_bytes(content[:-1] + b"x")
    changed = invoke("models", "verify")
    assert changed.exit_code == 4
    assert "changed other" in changed.stdout
    assert f"cure: if that was meant, lattice models add {other}" in changed.stdout
    other.write_bytes(content[:-1])
    assert "damaged other" in invoke("models", "verify", "other").stdout
    other.unlink()
    assert "missing other" in invoke("models", "verify", "other").stdout
    shown = json.loads(invoke("models", "verify", "--json").stdout)
    assert (shown["ok"], [one["state"] for one in shown["models"]]) == (False, ["missing", "ok"])
    assert invoke("models", "verify", "small").exit_code == 0
    assert invoke("models", "verify", "gone").exit_code == 3


def test_a_removed_model_stays_where_it_lies_and_its_copy_goes(
    invoke: Invoke, model: Path, empty_home: Path, tmp_path: Path
) -> None:
    other = write_model(tmp_path / "other.gguf")
    for path in (model, other):
        invoke("models", "add", str(path))
    copy, others = _copy_of(model, empty_home), _copy_of(other, empty_home)
    result = invoke("models", "remove", "small")
    assert result.stdout == f"Forgot small and its optimised copy; the file stays at {model}\n"
    assert model.exists()
    assert not copy.exists()
    assert not copy.with_suffix(".json").exists()
    assert others.exists()
    assert invoke("models", "path", "small").exit_code == 3


def test_a_removed_model_that_was_pulled_is_deleted_and_that_is_said(invoke: Invoke, empty_home: Path) -> None:
    folder = pulled_folder({"LATTICE_HOME": str(empty_home)}) / "owner" / "name"
    folder.mkdir(parents=True)
    ours = write_model(folder / "ours.gguf")
    invoke("models", "add", str(ours))
    result = invoke("models", "remove", "ours", "--json")
    assert f"Deleting 1 file that lattice pulled: {ours}" in result.stderr
    assert json.loads(result.stdout)["deleted"] == [str(ours)]
    assert not ours.exists()


def test_a_damaged_record_stops_neither_a_path_nor_its_cure(invoke: Invoke, model: Path, empty_home: Path) -> None:
    (empty_home / "models").mkdir(parents=True)
    (empty_home / "models" / "models.json").write_text("{")
    result = invoke("models", "list")
    assert result.exit_code == 3
    assert "move it away" in result.stderr
    assert invoke("models", "path", str(model)).stdout == f"{model}\n"


@pytest.mark.parametrize(
    "command",
    [["search", "roses", "--model", "quen"], ["models", "bench", "quen"], ["models", "optimize", "quen"]],
)
def test_an_unknown_name_is_told_the_known_ones_wherever_a_model_is_named(
    invoke: Invoke, model: Path, place_index: str, command: list[str]
) -> None:
    invoke("models", "add", str(model), "--name", "qwen")
    result = invoke(*command, *(["--index", place_index] if command[0] == "search" else []))
    assert result.exit_code == 3
    assert "names quen, which is neither a file nor a model. Known names: qwen." in result.stderr


@pytest.fixture
def place_index(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("place").index)


@pytest.mark.parametrize("command", ["bench", "optimize"])
def test_what_does_not_write_is_neither_measured_nor_optimised(invoke: Invoke, tmp_path: Path, command: str) -> None:
    invoke("models", "add", str(write_model(tmp_path / "bge.gguf", architecture="bert")))
    result = invoke("models", command, "bge")
    assert result.exit_code == 3
    assert "of the kind embedding" in result.stderr


def test_a_name_needs_no_working_directory(invoke: Invoke, model: Path, tmp_path: Path) -> None:
    invoke("models", "add", str(model), "--name", "qwen")
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "names quen, which is neither" in invoke("models", "bench", "quen").stderr
    assert "relative to the working directory" in invoke("models", "bench", "quen.gguf").stderr
    assert invoke("models", "path", "qwen").stdout == f"{model}\n"


def test_an_evaluation_takes_a_name(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "roses"}\n')
    (tmp_path / "corpus.jsonl").write_text('{"_id": "a", "title": "", "text": "about roses"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n")
    result = invoke("eval", str(tmp_path), "--model", "quen")
    assert result.exit_code == 3
    assert "--model names quen, which is neither" in result.stderr


def test_the_library_takes_a_name(model: Path, empty_home: Path, place_index: str) -> None:
    add(model, {"LATTICE_HOME": str(empty_home)}, "qwen")
    with Lattice.open(place_index, model="qwen") as lattice:
        assert lattice.model == model
    with pytest.raises(ModelNotFound, match=r"Known names: qwen\."):
        Lattice.open(place_index, model="quen")


def test_a_model_of_another_script_keeps_the_columns(invoke: Invoke, tmp_path: Path) -> None:
    for name in ("全文搜索", "plain"):
        invoke("models", "add", str(write_model(tmp_path / f"{name}.gguf")))
    head, *rows = invoke("models", "list").stdout.splitlines()
    column = cells(head[: head.index("kind")])
    assert [cells(row[: row.index("generative")]) for row in rows] == [column, column]


def test_a_home_that_cannot_be_written_is_one_message(
    invoke: Invoke, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "file"))
    result = invoke("models", "add", str(model))
    assert result.exit_code == 3
    assert result.stderr.startswith("error: ")
    assert "fault in lattice" not in result.stderr
