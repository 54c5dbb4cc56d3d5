"""The tree's invariants, by property; and the shapes of small corpora, by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.errors import UsageError
from lattice.index_builder.bottom_up import STRUCTURES, Branch, grow
from lattice.index_builder.clustering import CLUSTERERS
from lattice.types import Matrix, Passage
from tests.index_builder.corpora import in_documents, random_vectors, shape

HEADINGS = st.lists(st.sampled_from(["A", "B", "C"]), max_size=3).map(tuple)


def internal(branch: Branch) -> list[Branch]:
    found = [] if branch.passage is not None else [branch]
    return found + [node for child in branch.children for node in internal(child)]


def depth(branch: Branch) -> int:
    return 1 + max(map(depth, branch.children)) if branch.children else 0


def check(tree: Branch, passages: list[Passage], branching: int) -> None:
    assert sorted(tree.leaves()) == list(range(len(passages)))
    for node in internal(tree):
        assert len(node.children) <= branching
        assert len(node.children) >= 2 or (node is tree and len(passages) < 2)
    assert [node.kind for node in internal(tree)].count("root") == 1


@settings(deadline=None, derandomize=True, max_examples=80)
@given(
    st.lists(st.integers(1, 1), max_size=200) | st.lists(st.integers(1, 30), max_size=12),
    st.lists(HEADINGS, max_size=9),
    st.integers(2, 12),
    st.integers(0, 99),
)
def test_any_corpus_gives_a_sound_tree(
    sizes: list[int], headings: list[tuple[str, ...]], branching: int, seed: int
) -> None:
    passages = in_documents(sizes, headings)
    vectors = random_vectors(len(passages), seed)
    tree = grow(passages, vectors, branching, seed=0)
    check(tree, passages, branching)
    assert tree == grow(passages, vectors, branching, seed=0)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(13, 200), st.integers(2, 12))
def test_trees_of_single_passages_are_shallow(count: int, branching: int) -> None:
    tree = grow(in_documents([1] * count), random_vectors(count, 0), branching, seed=0)
    # Groups hold at least half of the limit, and at least two.
    assert depth(tree) <= 2 + math.log(count) / math.log(max(2, branching / 2))


@pytest.mark.parametrize(("count", "expected"), [(0, []), (1, [0]), (2, [0, 1]), (12, list(range(12)))])
def test_few_passages_hang_below_the_root(count: int, expected: list[int]) -> None:
    assert shape(grow(in_documents([1] * count), random_vectors(count, 0), 12, seed=0)) == expected


def test_thirteen_passages_make_two_clusters() -> None:
    tree = grow(in_documents([1] * 13), random_vectors(13, 0), 12, seed=0)
    assert [child.kind for child in tree.children] == ["cluster", "cluster"]
    assert min(len(child.children) for child in tree.children) >= 2


def test_a_lone_document_is_the_root_itself() -> None:
    tree = grow(in_documents([3]), random_vectors(3, 0), 12, seed=0)
    assert tree.kind == "root"
    assert tree.headings == ("Title 0",)
    assert shape(tree) == [0, 1, 2]


def test_documents_come_first() -> None:
    tree = grow(in_documents([3, 1, 2]), random_vectors(6, 0), 12, seed=0)
    assert shape(tree) == [[0, 1, 2], 3, [4, 5]]
    assert [child.kind for child in tree.children] == ["document", "passage", "document"]


def test_a_long_document_stays_logarithmic() -> None:
    tree = grow(in_documents([3000]), random_vectors(3000, 0), 12, seed=0)
    assert depth(tree) == 4  # 3,000 > 12³
    check(tree, in_documents([3000]), 12)


def test_like_documents_share_a_cluster() -> None:
    rows = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    tree = grow(in_documents([1] * 40), rows, 10, seed=0)
    assert all(len({leaf % 4 for leaf in cluster.leaves()}) == 1 for cluster in tree.children)


FOLDERS = ["", "a/", "a/b/", "a/b/c/d/", "z/"]


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("clusterer", CLUSTERERS)
@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 9), max_size=40),
    folders=st.lists(st.sampled_from(FOLDERS), min_size=1, max_size=9),
    branching=st.integers(2, 12),
    seed=st.integers(0, 99),
)
def test_every_clusterer_gives_a_sound_tree_of_every_structure(
    clusterer: str, structure: str, sizes: list[int], folders: list[str], branching: int, seed: int
) -> None:
    passages = in_folders(sizes, folders)
    vectors = random_vectors(len(passages), seed)
    tree = grow(passages, vectors, branching, 0, clusterer, structure)
    check(tree, passages, branching)
    # At most four folders stand one in another here; what is clustered or divided halves at each level.
    assert depth(tree) <= 5 * (2 + math.log(max(2, len(passages))) / math.log(max(2, branching / 2)))
    assert tree == grow(passages, vectors.copy(), branching, 0, clusterer, structure)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("clusterer", CLUSTERERS)
@pytest.mark.parametrize("rows", [np.zeros((1, 4)), np.full((1, 4), 0.5)])
@pytest.mark.parametrize(
    ("count", "branching"), [(0, 2), (1, 2), (2, 2), (3, 2), (12, 12), (13, 12), (64, 2), (300, 12)]
)
def test_passages_that_are_all_alike_give_a_sound_tree(
    clusterer: str, structure: str, rows: Matrix, count: int, branching: int
) -> None:
    passages = in_folders([1] * count, ["a/", "b/", "b/", ""])
    tree = grow(passages, np.repeat(rows, count, axis=0).astype(np.float32), branching, 0, clusterer, structure)
    check(tree, passages, branching)
    assert depth(tree) <= 4 + math.log(max(2, count)) / math.log(max(2, branching / 2))


def in_folders(sizes: list[int], folders: list[str]) -> list[Passage]:
    """Deal documents out to folders, in the order of their paths."""
    found = [
        replace(one, document=folders[int(one.document[1:]) % len(folders)] + one.document)
        for one in in_documents(sizes)
    ]
    return sorted(found, key=lambda one: (one.document, one.position))


def test_flat_trees_know_no_documents() -> None:
    rows = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    tree = grow(in_documents([10] * 4), rows, 12, 0, structure="flat")
    assert {node.kind for node in internal(tree)} == {"root", "cluster"}
    assert all(len({leaf % 4 for leaf in cluster.leaves()}) == 1 for cluster in tree.children)


def test_what_is_not_known_is_named_with_what_there_is() -> None:
    with pytest.raises(UsageError, match="no structure 'deep'; choose one of documents, flat, folders, auto"):
        grow([], np.zeros((0, 1), dtype=np.float32), 12, 0, structure="deep")
    with pytest.raises(UsageError, match="no clusterer 'ward'"):
        grow([], np.zeros((0, 1), dtype=np.float32), 12, 0, clusterer="ward")
