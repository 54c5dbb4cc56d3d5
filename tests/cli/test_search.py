from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest

from lattice.answering import Answer
from lattice.cli.budget import budget_option, method_option
from lattice.lattice import Lattice
from lattice.store.places import last_hits
from lattice.traversal.paper import PaperSettings
from lattice.traversal.search import SearchSettings
from tests.cli.conftest import Invoke, Place
from tests.cli.folder import run, write_folder
from tests.cli.values import ANSWER

SEARCH_KEYS = {"schema_version", "query", "root", "mode", "stopped", "hits", "usage", "understood", "without_vectors"}
HIT_KEYS = {
    *("rank", "id", "path", "location", "title", "heading", "snippet", "marks", "relevance", "judged", "trail"),
}


def test_hits_go_to_standard_output_and_notices_to_standard_error(invoke: Invoke, place: Place) -> None:
    result = invoke("search", "why does my actor leak memory", "--no-model", "--limit", "2")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("  1 ~0.")
    assert "actors.md:" in lines[0]
    assert lines[1].strip() == "Actors › Memory"
    assert "memory" in lines[2]
    assert "\x1b" not in result.stdout
    assert f"Using the only index, that of {place.folder}" in result.stderr


def test_json_keeps_the_contract(invoke: Invoke, place: Place) -> None:
    answer = json.loads(invoke("search", "actor memory", "--no-model", "--json", "--limit", "3").stdout)
    assert answer.keys() == SEARCH_KEYS
    assert (answer["schema_version"], answer["query"], answer["root"]) == (1, "actor memory", str(place.folder))
    assert (answer["mode"], answer["stopped"]) == ("prior", "prior")
    assert answer["usage"].keys() == {"evaluated", "reused", "generated", "calls", "seconds", "trimmed"}
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3]
    for hit in answer["hits"]:
        assert hit.keys() == HIT_KEYS
        assert hit["location"].keys() == {"kind", "start", "end"}
        assert 0 <= hit["relevance"] <= 1
        assert (place.folder / hit["path"]).is_file()
        assert all({"id", "name", "description"} == node.keys() for node in hit["trail"])


def test_marks_of_json_cut_out_the_words_of_the_query(invoke: Invoke) -> None:
    hit = json.loads(invoke("search", "mailbox", "--no-model", "--json").stdout)["hits"][0]
    assert hit["marks"]
    assert {hit["snippet"][start:end].lower() for start, end in hit["marks"]} == {"mailbox"}


def test_lines_of_a_hit_are_where_its_words_stand(invoke: Invoke, place: Place) -> None:
    hit = json.loads(invoke("search", "mailbox grows", "--no-model", "--json").stdout)["hits"][0]
    lines = (place.folder / hit["path"]).read_text().splitlines()
    assert "mailbox" in " ".join(lines[hit["location"]["start"] - 1 : hit["location"]["end"]])


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("C++", "languages.md"),
        ("don't", "languages.md"),
        ("foo-bar?", "languages.md"),
        ("parseFooBar", "languages.md"),
        ("搜索引擎", "zh.md"),
        ('" OR NEAR( roses', "garden/roses.md"),
        ("roses " * 10_000, "garden/roses.md"),
    ],
)
def test_unusual_queries_find_what_they_mean(invoke: Invoke, query: str, path: str) -> None:
    result = invoke("search", "--no-model", "--json", "--", query)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["hits"][0]["path"] == path


def test_words_without_quotes_are_one_query(invoke: Invoke) -> None:
    answer = json.loads(invoke("search", "prune", "the", "roses", "--no-model", "--json").stdout)
    assert answer["query"] == "prune the roses"


@pytest.mark.parametrize("arguments", [["search", ""], ["search", "  ", "\t"], ["search"]])
def test_an_empty_query_is_wrong_usage(invoke: Invoke, arguments: list[str]) -> None:
    result = invoke(*arguments, "--no-model")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "QUERY" in result.stderr or "query is empty" in result.stderr


def test_nothing_found_ends_with_1(invoke: Invoke) -> None:
    result = invoke("search", "xylophone zeppelin", "--no-model")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Nothing found" in result.stderr
    answer = json.loads(invoke("search", "xylophone zeppelin", "--no-model", "--json").stdout)
    assert answer["hits"] == []


def test_min_relevance_leaves_out_the_rest(invoke: Invoke) -> None:
    everything = json.loads(invoke("search", "actor memory", "--no-model", "--json").stdout)["hits"]
    middle = everything[0]["relevance"]
    kept = json.loads(invoke("search", "actor memory", "--no-model", "--json", "--min-relevance", f"{middle}").stdout)
    assert 0 < len(kept["hits"]) < len(everything)
    assert all(hit["relevance"] >= middle for hit in kept["hits"])
    assert invoke("search", "actor memory", "--no-model", "--min-relevance", "1").exit_code == 1


def test_the_hits_are_remembered(invoke: Invoke, place: Place) -> None:
    hits = json.loads(invoke("search", "actor memory", "--no-model", "--json").stdout)["hits"]
    last = last_hits()
    assert last is not None
    assert last.query == "actor memory"
    assert [f"n{node}" for node in last.nodes] == [hit["id"] for hit in hits]


def test_model_and_no_model_contradict_each_other(invoke: Invoke) -> None:
    assert invoke("search", "x", "--no-model", "--model", "m.gguf").exit_code == 2


@pytest.mark.parametrize("option", ["--index", "--model"])
@pytest.mark.parametrize(
    ("value", "message"), [("", "is empty"), ("~nosuch/x", "names ~nosuch/x, and there is no home")]
)
def test_a_path_that_names_nothing_is_wrong_usage(invoke: Invoke, option: str, value: str, message: str) -> None:
    result = invoke("search", "roses", option, value)
    assert result.exit_code == 2
    assert f"error: {option} {message}" in result.stderr


@pytest.mark.parametrize("name", ["LATTICE_INDEX", "LATTICE_MODEL", "LATTICE_HOME"])
def test_a_variable_that_names_no_home_is_wrong_usage(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "~nosuch/x")
    result = invoke("search", "roses")
    assert result.exit_code == 2
    assert f"error: {name} names ~nosuch/x" in result.stderr


def test_a_limit_is_a_finite_number(invoke: Invoke) -> None:
    result = invoke("search", "roses", "--no-model", "--min-relevance", "nan")
    assert result.exit_code == 2
    assert "--min-relevance" in result.stderr


def test_a_model_that_is_not_there_is_an_error(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("search", "x", "--model", str(tmp_path / "none.gguf"))
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1].startswith("error: --model names")


def test_without_any_model_the_notice_names_the_cure(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lattice.models.registry.embedded_model", lambda: None)
    result = invoke("search", "actor memory")
    assert result.exit_code == 0
    assert "mode: prior." in result.stderr
    assert "pip install" in result.stderr
    asked_for = invoke("search", "actor memory", "--no-model")
    assert "mode: prior" not in asked_for.stderr


def test_an_index_behind_its_folder_is_said_after_the_hits(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "docs"), str(tmp_path / "i.lattice")
    invoke("index", str(folder), "--index", index)
    fresh = invoke("search", "roses", "--no-model", "--index", index)
    assert "behind" not in fresh.stderr
    (folder / "new.md").write_text("# New\n\nSomething that the index does not hold.\n")
    os.utime(folder / "zh.md", ns=(1, 1))
    (folder / "languages.md").unlink()
    behind = invoke("search", "roses", "--no-model", "--index", index)
    assert behind.exit_code == 0
    assert "behind its folder (1 file added, 1 file changed, 1 file removed)" in behind.stderr
    assert f"lattice index {folder} --index {index}" in behind.stderr
    shutil.rmtree(folder)
    gone = invoke("search", "roses", "--no-model", "--index", index)
    assert (gone.exit_code, gone.stderr) == (0, "")


def test_an_index_that_an_older_version_built_is_said_after_the_hits(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "notes"), str(tmp_path / "old.lattice")
    invoke("index", str(folder), "--index", index)
    with closing(sqlite3.connect(index)) as connection, connection:
        connection.execute("UPDATE build SET builder = builder - 1")
    old = invoke("search", "actor", "--no-model", "--index", index)
    assert old.exit_code == 0
    assert (
        f"older version of lattice built this index; a new one is searched better. Refresh it: lattice index {folder}"
        in (old.stderr)
    )
    invoke("index", str(folder), "--index", index)
    assert "older version" not in invoke("search", "actor", "--no-model", "--index", index).stderr


def test_without_an_index_the_error_says_how_to_make_one(invoke: Invoke, empty_home: Path) -> None:
    result = invoke("search", "x", "--no-model")
    assert result.exit_code == 3
    assert "lattice index FOLDER" in result.stderr


def test_ctrl_c_gives_the_hits_so_far(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Lattice, *_: object, **__: object) -> Iterator[Answer]:
        yield ANSWER
        raise KeyboardInterrupt

    monkeypatch.setattr(Lattice, "iter_search", interrupted)
    result = invoke("search", "actor", "--json")
    assert result.exit_code == 130
    answer = json.loads(result.stdout)
    assert answer["stopped"] == "interrupted"
    assert [hit["id"] for hit in answer["hits"]] == ["n7", "n9"]
    assert "Interrupted" in result.stderr


def test_ctrl_c_before_the_first_hit_says_so(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Lattice, *_: object, **__: object) -> Iterator[Answer]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Lattice, "iter_search", interrupted)
    result = invoke("search", "actor")
    assert (result.exit_code, result.stdout) == (130, "")


def test_a_home_that_cannot_be_written_costs_only_show(
    invoke: Invoke, place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "file"))
    result = invoke("search", "roses", "--no-model", "--index", str(place.index))
    assert result.exit_code == 0
    assert "`lattice show N` will not know these hits" in result.stderr


def test_bytes_that_are_no_text_are_searched_as_far_as_they_go(place: Place) -> None:
    done = run(place.home, "search", os.fsdecode(b"roses \xff"), "--no-model", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["query"] == "roses \ufffd"


def test_a_search_from_within_the_folder_needs_no_option(place: Place) -> None:
    done = run(place.home, "search", "roses", "--no-model", cwd=place.folder / "garden")
    assert done.returncode == 0
    assert "garden/roses.md:1" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("option", [True, False])
def test_a_deleted_working_directory_needs_an_absolute_path(
    invoke: Invoke, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: bool
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    if not option:
        monkeypatch.setenv("LATTICE_INDEX", str(place.index))
    named = ("--index", str(place.index)) if option else ()
    result = invoke("search", "roses", "--no-model", *named)
    assert result.exit_code == 0, result.stderr
    relative = invoke("search", "roses", "--no-model", "--index", "i.lattice")
    assert relative.exit_code == 2
    assert "--index i.lattice is relative to the working directory, which was deleted" in relative.stderr


@pytest.mark.model
def test_the_real_model_reads(place: Place) -> None:
    done = run(place.home, "search", "why does my actor leak memory", "--json", "--trace", "--budget", "2000")
    answer = json.loads(done.stdout)
    assert (answer["mode"], answer["hits"][0]["path"]) == ("lattice", "actors.md")
    assert answer["hits"][0]["judged"]
    assert 0 < answer["usage"]["evaluated"] <= 2500
    assert answer["trace"]["iterations"]
    assert "llama" not in done.stderr


def test_the_published_method_needs_a_model(invoke: Invoke) -> None:
    result = invoke("search", "actor memory", "--no-model", "--method", "paper")
    assert result.exit_code == 2
    assert "leave out --no-model" in result.stderr


@pytest.mark.parametrize(
    ("method", "budget", "settings"),
    [
        ("paper", "300", PaperSettings(budget_tokens=300)),
        ("paper", "7it,2s", PaperSettings(iterations=7, seconds=2.0)),
        ("lattice", "2s", SearchSettings(seconds=2.0)),
    ],
)
def test_the_method_decides_what_a_budget_means(
    method: str, budget: str, settings: PaperSettings | SearchSettings
) -> None:
    found: list[PaperSettings | SearchSettings] = []

    def probe(budget: PaperSettings | SearchSettings) -> None:
        found.append(budget)

    command = click.command()(method_option(budget_option(probe)))
    command.main(["--budget", budget, "--method", method], standalone_mode=False)
    assert found == [settings]
