from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.cli.conftest import Invoke, Place
from tests.cli.folder import environment


def count_passages(node: dict[str, Any]) -> int:
    return 1 if node["kind"] == "passage" else sum(map(count_passages, node["children"]))


def test_the_tree_reads_like_a_table_of_contents(invoke: Invoke, place: Place) -> None:
    lines = invoke("tree").stdout.splitlines()
    assert lines[0] == f"{place.folder.name}  (7 passages, n1)"
    leaves = [line for line in lines if ".md:" in line or ".txt:" in line]
    assert len(leaves) == 7
    assert all(line.startswith("  ") for line in lines[1:])
    headings = [line.split("  ")[-2] for line in leaves if "actors.md" in line]
    assert headings == ["Actors", "Actors › Memory", "Actors › Scheduling"]


def test_depth_cuts_the_tree(invoke: Invoke) -> None:
    assert len(invoke("tree", "--depth", "0").stdout.splitlines()) == 1
    lines = invoke("tree", "--depth", "1").stdout.splitlines()
    assert {len(line) - len(line.lstrip()) for line in lines} == {0, 2}


def test_a_branch_is_shown_on_its_own(invoke: Invoke) -> None:
    root = json.loads(invoke("tree", "--json", "--depth", "1").stdout)["tree"]
    child = root["children"][0]
    lines = invoke("tree", "--node", child["id"]).stdout.splitlines()
    assert not lines[0].startswith(" ")
    assert lines[0].rstrip(")").endswith(child["id"])


def test_the_tree_as_json_is_nested_and_whole(invoke: Invoke, place: Place) -> None:
    shown = json.loads(invoke("tree", "--json").stdout)
    assert shown["schema_version"] == 1
    assert shown["root"] == str(place.folder)
    assert count_passages(shown["tree"]) == shown["tree"]["passages"] == 7


def test_json_leaves_out_the_children_that_depth_cuts_off(invoke: Invoke) -> None:
    assert "children" not in json.loads(invoke("tree", "--json", "--depth", "0").stdout)["tree"]


def test_a_node_that_is_not_there_is_wrong_usage(invoke: Invoke) -> None:
    assert invoke("tree", "--node", "n999").exit_code == 2
    assert invoke("tree", "--node", "7").exit_code == 2


def test_a_closed_pipe_is_quiet(place: Place) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "lattice", "tree"],
        env=environment(place.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place.folder,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 0


def test_names_stand_alone_and_descriptions_are_below_them_where_they_are_asked_for(
    invoke: Invoke, place: Place
) -> None:
    root = json.loads(invoke("tree", "--json").stdout)["tree"]
    assert root["name"] == place.folder.name
    assert root["description"] not in invoke("tree").stdout
    plain, told = (invoke("tree", *options).stdout.splitlines() for options in ([], ["-v"]))
    assert told[:2] == [plain[0], f"    {root['description']}"]
    assert [line for line in told if line in plain] == plain
    assert invoke("tree", "--descriptions", "--check").exit_code == 2
