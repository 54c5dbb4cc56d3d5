"""Parted at the top: the tree keeps its promises, what is alike stays together, and workers change nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lattice.index_builder import grafting
from lattice.index_builder.bottom_up import STRUCTURES, grow
from lattice.index_builder.clustering import CLUSTERERS
from lattice.index_builder.duplicates import near_duplicates, probable_duplicates
from lattice.index_builder.grafting import parted
from lattice.jobs import Jobs
from lattice.models.embedders import normalised
from lattice.types import Matrix
from tests.index_builder.corpora import clouds, in_documents, random_vectors
from tests.index_builder.test_bottom_up import check, depth, in_folders, internal


@pytest.fixture(autouse=True)
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grafting, "WHOLE_UP_TO", 100)
    monkeypatch.setattr(grafting, "PART_UP_TO", 60)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("clusterer", CLUSTERERS)
@settings(deadline=None, derandomize=True, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(90, 500), branching=st.integers(2, 12), seed=st.integers(0, 99))
def test_a_parted_tree_is_sound(clusterer: str, structure: str, count: int, branching: int, seed: int) -> None:
    passages = in_folders([1, 2] * (count // 3), ["a/", "b/c/", ""])
    vectors = random_vectors(len(passages), seed)
    tree = grow(passages, vectors, branching, 0, clusterer, structure)
    check(tree, passages, branching)
    assert depth(tree) <= 5 * (2 + math.log(len(passages)) / math.log(max(2, branching / 2)))
    assert tree == grow(passages, vectors.copy(), branching, 0, clusterer, structure)


@pytest.mark.parametrize("rows", [np.zeros((1, 4)), np.full((1, 4), 0.5)])
def test_passages_that_are_all_alike_are_parted_too(rows: Matrix) -> None:
    passages = in_documents([1] * 700)
    tree = grow(passages, np.repeat(rows, 700, axis=0).astype(np.float32), 12, 0)
    check(tree, passages, 12)


def test_likeness_survives_the_parting() -> None:
    tree = grow(in_documents([1] * 480), clouds(centres=12, each=40), 10, 0)
    lowest = [node for node in internal(tree) if all(child.passage is not None for child in node.children)]
    assert np.mean([len({leaf % 12 for leaf in node.leaves()}) == 1 for node in lowest]) >= 0.7


def test_near_duplicates_share_a_parent_wherever_they_stand() -> None:
    vectors = copies(each=3)
    tree = grow(in_documents([1] * len(vectors)), vectors, 12, 0)
    lowest = [
        set(node.leaves()) for node in internal(tree) if all(child.passage is not None for child in node.children)
    ]
    apart = [alike for alike in near_duplicates(vectors) if not any(set(alike) <= leaves for leaves in lowest)]
    assert not apart


def test_parts_hold_every_row_once_and_near_duplicates_together() -> None:
    vectors = copies(each=4)
    found = parted(vectors, 60, 12, 0)
    assert len(found) > 3
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(len(vectors)))
    for alike in near_duplicates(vectors):
        assert any(set(alike) <= set(part.tolist()) for part in found)


def test_hashing_finds_the_near_duplicates_that_comparing_all_pairs_finds() -> None:
    vectors = copies(each=3, count=2000)
    assert probable_duplicates(vectors, 0) == near_duplicates(vectors)


@pytest.mark.parametrize("vectors", [np.zeros((5, 4)), np.zeros((0, 4)), np.eye(1, 4)])
def test_there_are_no_duplicates_among_nothing(vectors: Matrix) -> None:
    assert probable_duplicates(vectors.astype(np.float32), 0) == []


@pytest.mark.parametrize("structure", ["documents", "auto"])
def test_two_processes_grow_the_tree_of_one(structure: str) -> None:
    passages = in_folders([1, 2] * 150, ["a/", "b/c/", ""])
    vectors = random_vectors(len(passages), 3)
    told: list[int] = []
    alone = grow(passages, vectors, 12, 0, structure=structure)
    with Jobs(2).workers() as workers:
        shared = grow(passages, vectors, 12, 0, "agglomerative", structure, workers=workers, done=told.append)
    assert shared == alone
    assert sum(told) == len(passages) or structure == "auto"


def copies(each: int, count: int = 600) -> Matrix:
    """Give unit vectors in random order, so many of each, which differ a little."""
    rng = np.random.default_rng(1)
    originals = rng.standard_normal((count // each, 24))
    rows = np.repeat(originals, each, axis=0) + 0.01 * rng.standard_normal((count // each * each, 24))
    return normalised(rows[rng.permutation(len(rows))].astype(np.float32))
