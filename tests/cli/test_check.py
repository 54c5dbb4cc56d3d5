from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.lint.trees import BIRDS, TOOLS, write_tree


@pytest.fixture(name="faulty")
def fixture_faulty(tmp_path: Path) -> Path:
    """An index with two nodes that read alike and are called nearly the same."""
    path = tmp_path / "faulty.lattice"
    same = "heron rivers frogs chisel joints bowls"
    write_tree(path, [(same, BIRDS), (same, TOOLS)], names=("A bird", "Birds")).close()
    return path


def test_a_person_reads_what_the_tree_is_worth(invoke: Invoke) -> None:
    result = invoke("tree", "--check")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("ok")
    assert "7 passages" in result.stdout
    assert "weighted words" in result.stdout


def test_a_fault_ends_with_4_and_is_named_first_with_its_nodes(invoke: Invoke, faulty: Path) -> None:
    result = invoke("tree", "--check", "--index", str(faulty))
    assert result.exit_code == 4
    lines = result.stdout.splitlines()
    assert lines[0].startswith("problem     33% of the nodes have children that cannot be told apart (at most 5%)")
    assert any(line.startswith("alike       1 time: ") for line in lines)
    assert [line.split()[0] for line in lines if line.startswith("              n")][:2] == ["n2", "n5"]
    assert any(line.startswith("names       100.0% of the pairs of sibling nodes") for line in lines)
    assert any("n1 sends 2 of 4 astray" in line for line in lines)


def test_json_has_all_of_it(invoke: Invoke, faulty: Path) -> None:
    result = invoke("tree", "--check", "--json", "--index", str(faulty))
    assert result.exit_code == 4
    shown = json.loads(result.stdout)
    assert (shown["schema_version"], shown["ok"], shown["node"]) == (1, False, "n1")
    assert shown["shape"] == {
        "leaves": 4,
        "inner": 3,
        "depths": {"2": 4},
        "branching": {"2": 3},
        "balance": pytest.approx(1.0),
    }
    assert shown["same_words"] == 1.0
    assert shown["findings"][0]["nodes"] == ["n2", "n5"]
    retrieval = shown["retrieval"]
    assert (retrieval["asked"], retrieval["found"], retrieval["levels"][0]) == (
        4,
        2,
        {"depth": 0, "asked": 4, "chosen": 2},
    )
    assert retrieval["senders"] == [{"node": "n1", "asked": 4, "astray": 2}]
    assert shown["model"] is None


def test_limits_are_the_users(invoke: Invoke, faulty: Path) -> None:
    assert invoke("tree", "--check", "--max-alike", "1", "--index", str(faulty)).exit_code == 0
    assert invoke("tree", "--check", "--max-alike", "1", "--min-found", ".6", "--index", str(faulty)).exit_code == 4
    assert invoke("tree", "--check", "--max-alike", "1", "--min-covered", "1", "--index", str(faulty)).exit_code == 4


def test_a_part_and_a_sample(invoke: Invoke, faulty: Path) -> None:
    shown = json.loads(invoke("tree", "--check", "--json", "--node", "n5", "--index", str(faulty)).stdout)
    assert (shown["node"], shown["shape"]["leaves"], shown["ok"]) == ("n5", 2, True)
    few = json.loads(invoke("tree", "--check", "--json", "--sample", "1", "--index", str(faulty)).stdout)
    assert few["retrieval"]["asked"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--sample", "3"],
        ["--seed", "0"],
        ["--min-found", "0"],
        ["--with-model"],
        ["--check", "--depth", "2"],
        ["--check", "--model", "x.gguf"],
        ["--check", "--min-found", "nan"],
        ["--check", "--min-found", "2"],
        ["--check", "--node", "n999"],
    ],
)
def test_what_contradicts_itself_is_wrong_usage(invoke: Invoke, arguments: list[str]) -> None:
    assert invoke("tree", *arguments).exit_code == 2


def test_an_index_or_a_model_that_is_not_there_ends_with_3(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke("tree", "--check", "--index", str(tmp_path / "none.lattice")).exit_code == 3
    monkeypatch.setattr("lattice.models.registry.embedded_model", lambda: None)
    assert invoke("tree", "--check", "--with-model").exit_code == 3


@pytest.mark.model
def test_the_model_walks_where_it_is_asked_to(invoke: Invoke) -> None:
    shown = json.loads(invoke("tree", "--check", "--with-model", "--sample", "2", "--json").stdout)
    assert shown["model"]["asked"] == 2
    assert shown["model"]["usage"]["evaluated"] > 0
