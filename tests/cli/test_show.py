from __future__ import annotations

import json
from pathlib import Path

import pytest

from lattice.indexing import index_folder
from tests.cli.conftest import Invoke, Place
from tests.cli.folder import write_folder


@pytest.fixture
def best(invoke: Invoke) -> str:
    """The node of the first hit of a search for the passage about memory."""
    hits = json.loads(invoke("search", "mailbox grows without a bound", "--no-model", "--json").stdout)["hits"]
    return str(hits[0]["id"])


def test_show_gives_a_hit_whole_between_its_neighbours(invoke: Invoke, best: str) -> None:
    result = invoke("show", "1")
    assert result.exit_code == 0
    assert result.stdout.startswith("actors.md:")
    assert "Actors › Memory" in result.stdout
    assert "A second cause is a cycle of references between actors that are never told to stop." in result.stdout
    assert "An actor keeps its own heap" in result.stdout
    assert "The scheduler gives every thread a queue" in result.stdout
    assert "has to wait" not in result.stdout


def test_a_hit_and_its_node_are_the_same(invoke: Invoke, best: str) -> None:
    assert invoke("show", best).stdout == invoke("show", "1").stdout


def test_context_chooses_how_many_neighbours(invoke: Invoke, best: str) -> None:
    shown = json.loads(invoke("show", "1", "--context", "0", "--json").stdout)
    assert (shown["before"], shown["after"]) == ([], [])
    shown = json.loads(invoke("show", "1", "--context", "1", "--json").stdout)
    assert len(shown["before"]) == len(shown["after"]) == 1


def test_show_as_json(invoke: Invoke, place: Place, best: str) -> None:
    shown = json.loads(invoke("show", "1", "--json").stdout)
    assert shown.keys() == {"schema_version", "root", "node", "trail", "passage", "before", "after"}
    assert shown["node"]["id"] == best
    passage = shown["passage"]
    lines = (place.folder / passage["path"]).read_text().splitlines()
    text = "\n".join(lines[passage["location"]["start"] - 1 : passage["location"]["end"]])
    assert passage["text"].split()[-5:] == text.split()[-5:]


def test_show_of_an_inner_node_lists_its_children(invoke: Invoke) -> None:
    result = invoke("show", "n1")
    assert "n1, root, 7 passages below" in result.stdout
    shown = json.loads(invoke("show", "n1", "--json").stdout)
    assert sum(child["passages"] for child in shown["children"]) == shown["node"]["passages"] == 7
    assert all(f"  {child['id']}  " in result.stdout for child in shown["children"])


@pytest.fixture
def two_indexes(invoke: Invoke, empty_home: Path, tmp_path: Path) -> Path:
    """The folder of the second of two indexes in the default place; the working directory is in neither."""
    for name in ("one", "two"):
        assert invoke("index", str(write_folder(tmp_path / name))).exit_code == 0
    return tmp_path / "two"


@pytest.mark.parametrize("which", ["nonsense", "1.5", "", "n", "12345678901"])
def test_a_wrong_form_is_refused_before_an_index_is_looked_for(invoke: Invoke, two_indexes: Path, which: str) -> None:
    result = invoke("show", which)
    assert result.exit_code == 2
    assert f"{which!r} is no node" in result.stderr
    assert invoke("tree", "--node", which).exit_code == 2


def test_a_node_is_that_of_the_last_search_where_no_index_is_named_or_near(
    invoke: Invoke, two_indexes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke("show", "n1").exit_code == 3
    assert invoke("search", "roses", "--no-model", "--index", str(two_indexes)).exit_code == 0
    shown = invoke("show", "n1", "--json")
    assert json.loads(shown.stdout)["root"] == str(two_indexes)
    assert "Using the index of the last search" in shown.stderr
    monkeypatch.chdir(two_indexes.parent / "one")
    near = invoke("show", "n1", "--json")
    assert json.loads(near.stdout)["root"] == str(two_indexes.parent / "one")
    assert near.stderr == ""


def test_a_node_is_that_of_the_last_search_before_that_of_the_only_index(invoke: Invoke, tmp_path: Path) -> None:
    folder, other = write_folder(tmp_path / "docs"), tmp_path / "other.lattice"
    index_folder(folder, other)
    assert invoke("search", "roses", "--no-model", "--index", str(other)).exit_code == 0
    assert json.loads(invoke("show", "n1", "--json").stdout)["root"] == str(folder)
    other.unlink()
    assert "Using the only index" in invoke("show", "n1").stderr


@pytest.mark.parametrize(
    ("which", "message"),
    [("0", "there is no 0"), ("99", "there is no 99"), ("n999", "no node n999"), ("x", "is no node"), ("n", "no node")],
)
def test_what_is_not_there_is_wrong_usage(invoke: Invoke, best: str, which: str, message: str) -> None:
    result = invoke("show", which)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_rank_needs_a_search(invoke: Invoke, empty_home: Path) -> None:
    result = invoke("show", "1")
    assert result.exit_code == 2
    assert "Search first" in result.stderr


def test_a_rank_belongs_to_the_index_of_the_search(invoke: Invoke, best: str, tmp_path: Path) -> None:
    other = tmp_path / "other.lattice"
    index_folder(write_folder(tmp_path / "docs"), other)
    assert invoke("show", "1", "--index", str(other)).exit_code == 2
    assert invoke("show", "n1", "--index", str(other)).exit_code == 0


def test_hits_of_an_index_that_was_built_anew_are_refused(invoke: Invoke, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "i.lattice"
    index_folder(folder, index)
    invoke("search", "roses", "--no-model", "--index", str(index))
    assert invoke("show", "1").exit_code == 0
    (folder / "new.md").write_text("# New\n\nA text that moves the others.\n")
    index_folder(folder, index)
    result = invoke("show", "1")
    assert result.exit_code == 3
    assert "Search again" in result.stderr
