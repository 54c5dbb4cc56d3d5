from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from lattice import indexing
from lattice.cli.index import index_command
from lattice.index_builder.bottom_up import STRUCTURES
from lattice.index_builder.clustering import CLUSTERERS
from lattice.store.places import index_path_for
from lattice.store.store import Store
from tests.cli.conftest import Invoke
from tests.cli.folder import TEXTS, write_folder


def test_index_reports_what_it_did_and_then_that_it_is_up_to_date(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "docs"), str(tmp_path / "my.lattice")
    first = invoke("index", str(folder), "--index", index)
    assert first.exit_code == 0
    assert first.stdout.startswith(f"Indexed {folder}: {len(TEXTS)} files, ")
    again = invoke("index", str(folder), "--index", index)
    assert f"{folder} is up to date: {len(TEXTS)} files" in again.stdout
    forced = invoke("index", str(folder), "--index", index, "--force")
    assert forced.stdout.startswith("Indexed ")


def test_index_as_json(invoke: Invoke, empty_home: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "docs")
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    result = invoke("index", str(folder), "--json")
    built = json.loads(result.stdout)
    assert built["schema_version"] == 1
    assert built["path"] == str(index_path_for(folder))
    assert (built["root"], built["documents"], built["fresh"]) == (str(folder), len(TEXTS), False)
    assert [skipped["path"] for skipped in built["skipped"]] == ["bad.pdf"]
    assert built["seconds"] > 0


def test_the_first_ten_skipped_files_are_named_with_their_reasons(invoke: Invoke, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "docs")
    for number in range(12):
        (folder / f"bad{number:02}.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    lines = invoke("index", str(folder), "--index", str(tmp_path / "i.lattice")).stdout.splitlines()
    assert lines[1] == "Skipped 12 files:"
    assert lines[2].startswith("  bad00.pdf: ")
    assert len(lines) == 13
    assert lines[-1] == "  and 2 more (--json names all)"


def test_branching_is_kept_with_the_index(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "i.lattice"
    invoke("index", str(folder), "--index", str(index), "--branching", "5")
    again = invoke("index", str(folder), "--index", str(index), "--force")
    assert again.exit_code == 0
    with Store.open(index) as store:
        assert store.settings().branching == 5
    invoke("index", str(folder), "--index", str(index), "--branching", "3")
    with Store.open(index) as store:
        assert store.settings().branching == 3
        assert max(len(store.children(node)) for node in range(1, store.status().nodes + 1)) <= 3


def test_clusterer_and_structure_are_kept_with_the_index_each_for_itself(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "i.lattice"
    invoke("index", str(folder), "--index", str(index), "--structure", "flat", "--branching", "3")
    invoke("index", str(folder), "--index", str(index), "--clusterer", "kmeans")
    with Store.open(index) as store:
        settings = store.settings()
        kinds = {store.node(node).kind for node in range(1, store.status().nodes + 1)}
    assert (settings.branching, settings.structure, settings.clusterer) == (3, "flat", "kmeans")
    assert kinds == {"root", "cluster", "passage"}
    again = invoke("index", str(folder), "--index", str(index), "--clusterer", "kmeans")
    assert "is up to date" in again.stdout


def test_folders_are_shown_as_what_they_are(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = tmp_path / "docs", tmp_path / "i.lattice"
    for name in ("ale/one.md", "ale/two.md", "bees/one.md", "bees/two.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# About {name}\n\nWords about {name}.\n")
    assert invoke("index", str(folder), "--index", str(index), "--structure", "folders").exit_code == 0
    shown = json.loads(invoke("tree", "--index", str(index), "--json", "--depth", "1").stdout)
    children = shown["tree"]["children"]
    assert [(child["kind"], child["description"].split(":")[0]) for child in children] == [
        ("folder", "ale"),
        ("folder", "bees"),
    ]


def test_the_choices_are_those_of_the_builder(invoke: Invoke, tmp_path: Path) -> None:
    options = {option.name: option for option in index_command.params}
    for name, known in (("clusterer", CLUSTERERS), ("structure", STRUCTURES)):
        choice = options[name].type
        assert isinstance(choice, click.Choice)
        assert set(choice.choices) == set(known)
        assert invoke("index", str(tmp_path), f"--{name}", "other").exit_code == 2


@pytest.mark.parametrize("existed", [True, False])
def test_an_interruption_says_what_became_of_the_index(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existed: bool
) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "i.lattice"
    if existed:
        invoke("index", str(folder), "--index", str(index))
    before = index.read_bytes() if existed else None

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(indexing, "build", interrupted)
    result = invoke("index", str(folder), "--index", str(index), "--force")
    assert result.exit_code == 130
    assert ("old index is untouched" in result.stderr) is existed
    assert ("No index was written" in result.stderr) is not existed
    assert (index.read_bytes() if index.exists() else None) == before


def test_a_folder_that_is_not_there_is_one_clear_message(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("index", str(tmp_path / "nowhere"))
    assert result.exit_code == 3
    assert result.stderr.startswith("error: ")
    assert "nowhere" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [("",), (".", "--index", "")])
def test_an_empty_path_is_not_the_working_directory(invoke: Invoke, empty_home: Path, arguments: tuple[str]) -> None:
    result = invoke("index", *arguments)
    assert result.exit_code == 2
    assert "is empty. Name a path" in result.stderr
    assert not empty_home.exists()


def test_the_environment_does_not_say_where_an_index_goes(
    invoke: Invoke, empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATTICE_INDEX", str(tmp_path / "other.lattice"))
    folder = write_folder(tmp_path / "docs")
    assert json.loads(invoke("index", str(folder), "--json").stdout)["path"] == str(index_path_for(folder))
    assert not (tmp_path / "other.lattice").exists()
    for words in (invoke("index", "--help").stdout, invoke("--help").stdout):
        assert "LATTICE_INDEX" in words
        assert "has no part in it" in " ".join(words.split())


def test_a_wrong_branching_is_wrong_usage(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("index", str(tmp_path), "--branching", "1").exit_code == 2


def test_several_processes_build_what_one_does(invoke: Invoke, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "docs")
    one, two = (tmp_path / f"{name}.lattice" for name in ("one", "two"))
    invoke("index", str(folder), "--index", str(one))
    assert invoke("index", str(folder), "--index", str(two), "--jobs", "2").exit_code == 0
    with Store.open(one) as left, Store.open(two) as right:
        assert left.nodes() == right.nodes()
        assert left.vectors()[1].tobytes() == right.vectors()[1].tobytes()


@pytest.mark.parametrize("jobs", ["0", "-1", "many", "1.5", ""])
def test_what_is_no_number_of_processes_is_refused(invoke: Invoke, tmp_path: Path, jobs: str) -> None:
    result = invoke("index", str(write_folder(tmp_path / "docs")), "--jobs", jobs)
    assert result.exit_code == 2
    assert "give 1 or more, or all" in result.stderr


def test_jobs_and_a_cluster_contradict_each_other(invoke: Invoke, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "docs")
    result = invoke("index", str(folder), "--jobs", "all", "--dask", "tcp://127.0.0.1:8786")
    assert result.exit_code == 2
    assert "the jobs or the cluster" in result.stderr


def test_a_cluster_that_is_away_ends_with_the_cure(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lattice.jobs.PATIENCE", 0.5)
    result = invoke("index", str(write_folder(tmp_path / "docs")), "--dask", "tcp://127.0.0.1:9")
    assert result.exit_code == 3
    assert "Start one with `dask scheduler`" in result.stderr
