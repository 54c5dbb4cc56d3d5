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
    index_folder(folder, index, force=True)
    result = invoke("show", "1")
    assert result.exit_code == 3
    assert "Search again" in result.stderr
