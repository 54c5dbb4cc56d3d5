"""The measures of names, by hand: what chooses a wording must itself be right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from lattice.lint.shape import Outline
from lattice.types import Node
from tests.conftest import Load
from tests.test_benchmarks_trees import write_collection

# Of each leaf's words "bird" is in two, the others in one.
BAGS = dict(enumerate(map(frozenset, (["owl", "bird"], ["heron", "bird"], ["chisel"], ["lath"])), 4))
WEIGHTS = {"bird": 1.0, "owl": 2.0, "heron": 2.0, "chisel": 2.0, "lath": 2.0}


def corpus(load: Load, *names: str, deeper: bool = False) -> object:
    """Give a root over two nodes of these names, that of birds over leaves 4 and 5, that of tools over 6 and 7.

    `deeper` puts leaf 5 below a node of its own, which is no family.
    """
    inner = [Node(i, 1, "cluster", text, 2, 1, name=name) for i, text, name in zip((2, 3), TITLES, names, strict=True)]
    leaves = [Node(i, 2 if i < 6 else 3, "passage", f"leaf {i}", 1, 2, i) for i in BAGS]
    if deeper:
        leaves[1:2] = [Node(8, 2, "cluster", "heron", 1, 2, name="Heron"), Node(5, 8, "passage", "leaf 5", 1, 3, 5)]
    root = Node(1, None, "root", "root", 4, 0, name="All of it")
    return load("names").Corpus(Outline((root, *inner, *leaves)), BAGS, WEIGHTS)


TITLES = ("Owl Heron Bird", "Bird")


def test_names_that_hold_their_leaves_words_tell_all_of_them(load: Load) -> None:
    found = load("names").figures(corpus(load, "Owls, heron", "Chisel, lath"))
    assert (found["names"], found["chance"], found["distinct"], found["same_words"]) == (1.0, 0.5, 1.0, 0.0)
    assert (found["nodes"], found["families"], found["words"]) == (3, 1, pytest.approx(7 / 3, abs=0.01))


def test_leaves_that_no_name_knows_are_a_matter_of_chance(load: Load) -> None:
    found = load("names").figures(corpus(load, "Bird", "Zebra"))
    assert [level["names"] for level in found["levels"]] == [(2 + 2 / 2) / 4]


def test_titles_are_cut_to_as_many_words_as_the_name_has(load: Load) -> None:
    # Of the first node's titles "Owl" is left, which leaf 4 alone holds, but "Bird" of the second is held by 4 and 5.
    found = load("names").figures(corpus(load, "x", "y"))
    assert found["titles"] == (1 + 0 + 2 / 2) / 4


def test_what_is_the_same_to_a_reader_is_counted_by_family(load: Load) -> None:
    found = load("names").figures(corpus(load, "Birds", " birds"))
    assert (found["distinct"], found["same_words"]) == (0.0, 1.0)


def test_a_node_beside_leaves_alone_is_no_family_and_what_is_below_it_counts_above(load: Load) -> None:
    names = load("names")
    found = names.figures(corpus(load, "Owl", "Chisel", deeper=True))
    assert (found["families"], [level["asked"] for level in found["levels"]]) == (1, [4])
    assert found["names"] == (1 + 1 / 2 + 1 + 1 / 2) / 4


def test_a_collection_is_built_measured_and_written(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = load("names")
    monkeypatch.setattr(names, "WORK", tmp_path / "work")
    monkeypatch.setattr(names, "RESULTS", tmp_path)
    write_collection(tmp_path / "tiny")
    monkeypatch.setenv("LATTICE_DATASETS", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["names.py", "tiny", "--save"])
    names.main()
    saved = json.loads((tmp_path / "names.json").read_text())
    (row,) = saved["rows"]
    assert set(saved["lattice"]) >= {"commit"}
    assert (row["collection"], row["passages"], row["families"], row["names"]) == ("tiny", 6, 0, None)
    assert capsys.readouterr().out.splitlines()[-1] == "tiny | 1 | 0 | - | - | 1.0 | - | - | - | "
