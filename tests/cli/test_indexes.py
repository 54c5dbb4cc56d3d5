from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lattice.indexing import index_folder
from tests.cli.conftest import Invoke, Place
from tests.cli.folder import TEXTS, write_folder


def test_list_names_every_index(invoke: Invoke, place: Place) -> None:
    lines = invoke("list").stdout.splitlines()
    assert lines[0] == str(place.folder)
    assert f"{len(TEXTS)} files, 7 passages" in lines[1]
    assert lines[2].strip() == str(place.index)


def test_list_as_json(invoke: Invoke, place: Place) -> None:
    (entry,) = json.loads(invoke("list", "--json").stdout)["indexes"]
    assert (entry["root"], entry["path"], entry["problem"]) == (str(place.folder), str(place.index), None)
    assert entry["documents"] == len(TEXTS)
    assert entry["bytes"] == place.index.stat().st_size


def test_list_shows_the_problem_of_a_broken_index(invoke: Invoke, empty_home: Path) -> None:
    (empty_home / "indexes").mkdir(parents=True)
    (empty_home / "indexes" / "broken-123.lattice").write_bytes(b"no index")
    result = invoke("list")
    assert result.exit_code == 0
    assert "problem: " in result.stdout
    (entry,) = json.loads(invoke("list", "--json").stdout)["indexes"]
    assert entry["problem"]


def test_list_says_when_a_folder_is_gone(invoke: Invoke, empty_home: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "docs")
    index_folder(folder)
    shutil.rmtree(folder)
    assert f"{folder} (the folder is gone)" in invoke("list").stdout


def test_list_of_nothing_says_how_to_begin(invoke: Invoke, empty_home: Path) -> None:
    assert "lattice index FOLDER" in invoke("list").stdout
    assert json.loads(invoke("list", "--json").stdout)["indexes"] == []


@pytest.fixture
def own(invoke: Invoke, tmp_path: Path) -> tuple[Path, str]:
    """A folder with an index of its own that a test may change."""
    folder, index = write_folder(tmp_path / "docs"), str(tmp_path / "i.lattice")
    assert invoke("index", str(folder), "--index", index).exit_code == 0
    return folder, index


def test_status_of_a_fresh_index(invoke: Invoke, own: tuple[Path, str]) -> None:
    folder, index = own
    lines = invoke("status", "--index", index).stdout
    assert f"folder: {folder}\n" in lines
    assert "fresh: yes" in lines
    assert "branching 12" in lines


def test_status_names_what_has_changed(invoke: Invoke, own: tuple[Path, str]) -> None:
    folder, index = own
    for number in range(7):
        (folder / f"new{number}.md").write_text("# New\n\nA text.\n")
    (folder / "zh.md").unlink()
    result = invoke("status", "--index", index)
    assert "fresh: no; 7 files added, 1 file removed." in result.stdout
    assert "  added: new0.md\n" in result.stdout
    assert "  added: 2 more\n" in result.stdout
    shown = json.loads(invoke("status", "--index", index, "--json").stdout)
    assert shown["changes"] == {"added": [f"new{i}.md" for i in range(7)], "changed": [], "removed": ["zh.md"]}
    assert shown["settings"]["branching"] == 12
    assert shown["skipped"] == []
    assert {"built_at", "format", "generation", "depth", "bytes", "root"} <= shown.keys()


def test_status_of_a_folder_that_is_gone(invoke: Invoke, own: tuple[Path, str]) -> None:
    folder, index = own
    shutil.rmtree(folder)
    assert "fresh: unknown" in invoke("status", "--index", index).stdout
    assert json.loads(invoke("status", "--index", index, "--json").stdout)["changes"] is None


def test_the_folder_names_its_index(invoke: Invoke, place: Place) -> None:
    assert f"folder: {place.folder}" in invoke("status", "--index", str(place.folder)).stdout


@pytest.mark.parametrize("content", [None, b"no index"])
def test_an_error_says_that_the_environment_named_the_index(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    index = tmp_path / "i.lattice"
    if content is not None:
        index.write_bytes(content)
    monkeypatch.setenv("LATTICE_INDEX", str(index))
    result = invoke("status")
    assert result.exit_code == 3
    assert result.stderr.startswith(f"error: LATTICE_INDEX names {index}. ")
    monkeypatch.setenv("LATTICE_INDEX", str(tmp_path / "unused"))
    assert "LATTICE_INDEX" not in invoke("status", "--index", str(index)).stderr


def test_a_name_with_a_newline_breaks_no_line(invoke: Invoke, empty_home: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "do\ncs")
    (folder / "b\tad\n.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    (folder / "r\n.md").write_text("# Rhubarb\n\nIt grows in the shade of the wall.\n")
    shown = invoke("index", str(folder)).stdout
    (folder / "ne\nw.md").write_text("# New\n\nA text.\n")
    search = invoke("search", "rhubarb", "--no-model")
    shown += search.stdout + search.stderr + invoke("show", "1").stdout
    shown += "".join(invoke(command).stdout for command in ("status", "list", "tree"))
    assert shown.count("r\ufffd.md:") == 3
    halves = ("cs", ".pdf", ".md", "w.md", "ad")
    assert [line for line in shown.splitlines() if line.startswith(halves)] == []
    assert "do\\x0acs" in shown  # in the command that refreshes, so that it can be pasted


def test_the_environment_names_an_index(invoke: Invoke, own: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATTICE_INDEX", own[1])
    result = invoke("status")
    assert f"folder: {own[0]}" in result.stdout
    assert result.stderr == ""
