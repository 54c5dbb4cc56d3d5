"""Folders in the tree: which are kept, what they are called, and what becomes of the others."""

import numpy as np
import pytest

from lattice.index_builder.bottom_up import grow
from lattice.index_builder.branches import Branch
from lattice.index_builder.folders import LEVELS, cohesion, folders_of, sampled
from lattice.models.embedders import normalised
from lattice.types import Matrix
from tests.index_builder.corpora import passage


def tree_of(paths: list[str], rows: Matrix, structure: str, branching: int = 4) -> Branch:
    return grow([passage(path) for path in paths], rows, branching, 0, structure=structure)


def outline(branch: Branch) -> object:
    """Give what the nodes are called, with what is below them; passages by number."""
    if branch.passage is not None:
        return branch.passage
    return (branch.kind, *branch.headings, [outline(child) for child in branch.children])


def subjects(of: list[int]) -> Matrix:
    """Give each document the direction of its subject, and a little of its own."""
    rng = np.random.default_rng(1)
    rows = np.eye(4)[of] + 0.2 * rng.standard_normal((len(of), 4))
    return normalised(rows.astype(np.float32))


BY_SUBJECT = ["ale/1", "ale/2", "ale/3", "bees/4", "bees/5", "bees/6"]


def test_folders_become_nodes_with_their_names() -> None:
    assert outline(tree_of(BY_SUBJECT, subjects([0, 0, 0, 1, 1, 1]), "folders")) == (
        "root",
        [("folder", "ale", [0, 1, 2]), ("folder", "bees", [3, 4, 5])],
    )


def test_documents_beside_folders_keep_their_place_below_the_same_node() -> None:
    paths = ["ale/1", "ale/2", "bees/4", "bees/5", "readme"]
    tree = tree_of(paths, subjects([0, 0, 1, 1, 2]), "folders")
    assert outline(tree) == ("root", [4, ("folder", "ale", [0, 1]), ("folder", "bees", [2, 3])])


def test_auto_keeps_folders_of_one_subject() -> None:
    rows = subjects([0, 0, 0, 1, 1, 1])
    assert tree_of(BY_SUBJECT, rows, "auto") == tree_of(BY_SUBJECT, rows, "folders")


def test_auto_leaves_out_documents_and_folders_that_would_be_nodes_of_two() -> None:
    passages = [passage("ale/1", 0), passage("ale/1", 1), passage("bees/2"), passage("bees/3"), passage("rye/4")]
    tree = grow(passages, subjects([0, 0, 1, 1, 2]), 12, 0, structure="auto")
    assert outline(tree) == ("root", [0, 1, 2, 3, 4])


def test_auto_clusters_through_folders_that_say_nothing() -> None:
    paths = [f"{folder}/{i}" for folder in ("2023", "2024") for i in range(20)]
    of = [i % 4 for _ in range(2) for i in range(20)]
    tree = tree_of(paths, subjects(of), "auto", branching=10)
    assert {child.kind for child in tree.children} == {"cluster"}
    assert all(len({of[leaf] for leaf in child.leaves()}) == 1 for child in tree.children)
    assert {child.kind for child in tree_of(paths, subjects(of), "folders", 10).children} == {"folder"}


def test_auto_decides_folder_by_folder() -> None:
    paths = [f"mixed/{i}" for i in range(12)] + [f"pure/{i}" for i in range(6)]
    tree = tree_of(paths, subjects([0, 1, 2] * 4 + [3] * 6), "auto", branching=8)
    waiting, folders = [tree], []
    while waiting:
        node = waiting.pop()
        waiting += node.children
        folders += [node.headings] if node.kind == "folder" else []
    assert folders == [("pure",)]


def test_a_folder_of_one_branch_is_that_branch() -> None:
    paths = ["a/b/1", "a/b/2", "c/only/3", "d"]
    tree = tree_of(paths, subjects([0, 0, 1, 2]), "folders")
    assert outline(tree) == ("root", [3, ("folder", "a/b", [0, 1]), 2])


def test_a_folder_around_everything_is_the_root() -> None:
    tree = tree_of(["a/b/1", "a/b/2"], subjects([0, 1]), "folders")
    assert outline(tree) == ("root", "a/b", [0, 1])


def test_a_folder_of_many_documents_is_clustered_within() -> None:
    paths = ["1", *(f"big/{i:02}" for i in range(40))]
    of = [0, *(i % 4 for i in range(40))]
    (_, big) = tree_of(paths, subjects(of), "folders", branching=10).children
    assert (big.kind, big.headings) == ("folder", ("big",))
    assert all(child.kind == "cluster" and len({of[leaf] for leaf in child.leaves()}) == 1 for child in big.children)


def test_many_small_folders_are_packed_by_likeness() -> None:
    paths = [f"{folder:02}/{i}" for folder in range(32) for i in range(2)]
    of = [folder % 4 for folder in range(32) for _ in range(2)]
    tree = tree_of(paths, subjects(of), "folders", branching=8)
    assert {child.kind for child in tree.children} == {"cluster"}
    assert all(len({of[leaf] for leaf in child.leaves()}) == 1 for child in tree.children)
    assert {inner.kind for child in tree.children for inner in child.children} == {"folder"}


def test_folders_deeper_than_the_bound_are_taken_together() -> None:
    at, levels = folders_of(["/".join(["d"] * 200) + "/1", "/".join(["d"] * 90) + "/2"]), 0
    while at.folders:
        (at,), levels = at.folders.values(), levels + 1
    assert (levels, at.own) == (LEVELS, [0, 1])


def test_cohesion_worked_by_hand() -> None:
    # Two pairs of equal rows, at right angles: with all others a row has 1/3, with its nearest 1.
    rows = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    assert cohesion(rows, [0, 1], sampled(rows, range(4))) == pytest.approx(1)
    # With the other of its folder 0: (0 - 1/3) / (1 - 1/3).
    assert cohesion(rows, [0, 2], sampled(rows, range(4))) == pytest.approx(-0.5)


@pytest.mark.parametrize(("inside", "around"), [([0], [0, 1, 2]), ([0, 1, 2], [0, 1, 2])])
def test_a_folder_of_one_or_of_all_costs_nothing(inside: list[int], around: list[int]) -> None:
    rows = subjects([0, 1, 2])
    assert cohesion(rows, inside, sampled(rows, around)) == 1


def test_where_nothing_is_nearer_than_anything_else_a_folder_says_nothing() -> None:
    rows = np.zeros((6, 3), dtype=np.float32)
    assert cohesion(rows, [0, 1, 2], sampled(rows, range(6))) == 0


def test_large_folders_are_judged_by_a_sample() -> None:
    rng = np.random.default_rng(0)
    of = np.repeat([0, 1], 6000)
    rows = normalised((np.eye(8)[of] + 0.3 * rng.standard_normal((12_000, 8))).astype(np.float32))
    around = sampled(rows, range(12_000))
    assert cohesion(rows, np.flatnonzero(of == 0).tolist(), around) > 0.8
    assert abs(cohesion(rows, list(range(0, 12_000, 2)), around)) < 0.1
