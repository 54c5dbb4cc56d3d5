"""The measures of trees and builds, by hand: what chooses a default must itself be right."""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import pytest

from lattice.evaluate.collection import load as load_collection
from lattice.index_builder.branches import Branch
from lattice.types import BuildSettings
from tests.conftest import Load


def test_words_are_exchanged_and_lines_stay(load: Load) -> None:
    scale = load("scale")
    text = "one two  three\n\nfour " + "five " * 200
    changed = scale.exchanged(text, "other words", random.Random(1))
    assert [len(line.split(" ")) for line in changed.split("\n")] == [len(line.split(" ")) for line in text.split("\n")]
    share = sum(word in {"other", "words"} for word in changed.split()) / len(text.split())
    assert 0.1 < share < 0.3
    assert changed == scale.exchanged(text, "other words", random.Random(1))


def test_a_corpus_of_any_size_is_made_of_what_there_is(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = load("scale")
    write_collection(tmp_path / "tiny")
    monkeypatch.setenv("LATTICE_DATASETS", str(tmp_path))
    documents, passages = scale.corpus(20)
    assert len(passages) == 20
    assert len({document.path for document in documents}) == len(documents) > 6
    assert len({document.content_hash for document in documents}) > 2 * 6
    assert (documents, passages) == scale.corpus(20)
    assert passages[:6] == scale.corpus(6)[1]


def test_a_build_is_measured_from_the_corpus_to_the_file(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = load("scale")
    write_collection(tmp_path / "tiny")
    monkeypatch.setenv("LATTICE_DATASETS", str(tmp_path))
    found = scale.measured(argparse.Namespace(passages=30, clusterer="kmeans", structure="flat"))
    assert (found["passages"], found["clusterer"]) == (30, "kmeans")
    assert set(found["seconds"]) == {"corpus", "vectors", "tree", "descriptions", "names", "writing"}
    assert found["index_bytes"] > 10_000
    assert found["peak_bytes"] >= found["peak_bytes_before"] > 0
    assert (found["least_children"] >= 2, found["depth"]) == (True, 2)
    assert scale.table(found)[-1].startswith("30 documents, 30 passages, 34 nodes, depth 2.0 (2 at most), ")


def test_a_record_takes_the_place_of_an_older_one_like_it(load: Load, tmp_path: Path) -> None:
    saved = tmp_path / "scale.json"
    for passages, nodes in ((200, 1), (100, 2), (200, 3)):
        row = {"passages": passages, "clusterer": "kmeans", "structure": "flat", "nodes": nodes}
        load("scale").save(saved, row)
    assert [(row["passages"], row["nodes"]) for row in json.loads(saved.read_text())["rows"]] == [(100, 2), (200, 3)]


def write_collection(folder: Path) -> None:
    (folder / "qrels").mkdir(parents=True)
    lines = [{"_id": f"{i}.md", "title": f"Title {i}", "text": f"Text number {i} of some words."} for i in range(6)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "number 3"}))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t3.md\t1\n")


@pytest.fixture(name="tree")
def fixture_tree(load: Load) -> object:
    """Give a root over a node of the passages a, b and one of c, d; each leans as its cosine with a query says."""
    leaves = [Branch("passage", passage=i) for i in range(4)]
    root = Branch("root", (Branch("cluster", tuple(leaves[:2])), Branch("cluster", tuple(leaves[2:]))))
    left, right = root.children
    below = [*"abcd"]
    documents = [frozenset("abcd"), frozenset("ab"), *map(frozenset, below[:2]), frozenset("cd"), *map(frozenset, "cd")]
    return load("trees").Numbered(
        [root, left, *left.children, right, *right.children],
        [[1, 4], [2, 3], [], [], [5, 6], [], []],
        [0, 1, 2, 2, 1, 2, 2],
        documents,
        np.zeros((7, 2), dtype=np.float32),
    )


def test_a_judge_who_knows_opens_only_what_it_must(load: Load, tree: object) -> None:
    assert load("trees").needed(tree, {"c": 1}) == (2, 4)
    assert load("trees").needed(tree, {"b": 1, "c": 2}) == (3, 6)


def test_a_judge_by_cosine_opens_the_nearest_first(load: Load, tree: object) -> None:
    cosines = np.array([0, 0.2, 0, 0, 0.5, 0, 0], dtype=np.float32)
    assert load("trees").steered(tree, frozenset("c"), cosines) == 2
    assert load("trees").steered(tree, frozenset("a"), cosines) == 3
    assert load("trees").steered(tree, frozenset("x"), cosines) == load("trees").AT_MOST


@pytest.mark.parametrize(("right", "expected"), [("c", [1.0]), ("a", [0.0]), ("ac", [])])
def test_siblings_are_apart_where_the_right_one_is_nearer(
    load: Load, tree: object, right: str, expected: list[float]
) -> None:
    cosines = np.array([0, 0.2, 0, 0, 0.5, 0, 0], dtype=np.float32)
    assert load("trees").apart(tree, frozenset(right), cosines) == expected
    assert load("trees").apart(tree, frozenset("c"), np.zeros(7, dtype=np.float32)) == [0.5]


def test_a_collection_is_measured_for_every_tree(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = load("trees")
    monkeypatch.setattr(trees, "WORK", tmp_path / "work")
    write_collection(tmp_path / "tiny")
    collection = load_collection(tmp_path / "tiny")
    rows = list(trees.measured(collection, ["agglomerative/documents", "kmeans/flat"], 10))
    assert [(row["tree"], row["queries"], row["opened"]) for row in rows] == [
        ("agglomerative/documents", 1, 1),
        ("kmeans/flat", 1, 1),
    ]
    assert trees.table(rows)[2].startswith("| tiny | agglomerative / documents | 7 | 0 | 1.0, 1 | 6.0 | 1.0 |")


def test_groups_without_a_largest_size_are_counted(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees = load("trees")
    monkeypatch.setattr(trees, "WORK", tmp_path / "work")
    monkeypatch.setattr(trees, "SETTINGS", BuildSettings(branching=2))
    monkeypatch.setattr(trees, "NEIGHBOURS", 3)
    write_collection(tmp_path / "tiny")
    average, ward = trees.uncapped(load_collection(tmp_path / "tiny"))
    assert average.startswith("tiny, average: 3 groups, the largest ")
    assert ward.endswith(" of the documents in groups of more than 2")
