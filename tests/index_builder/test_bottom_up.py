"""The tree's invariants, by property; and the shapes of small corpora, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder.bottom_up import Branch, documents, grow
from lattice.types import Passage
from tests.index_builder.corpora import in_documents, passage, random_vectors

HEADINGS = st.lists(st.sampled_from(["A", "B", "C"]), max_size=3).map(tuple)


def shape(branch: Branch) -> object:
    """Give a tree as nested lists of passage numbers."""
    return branch.passage if branch.passage is not None else [shape(child) for child in branch.children]


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


def test_a_document_of_few_passages_needs_no_sections() -> None:
    (document,) = documents(in_documents([4], [("A",), ("A",), ("B",), ("B",)]), 4)
    assert shape(document) == [0, 1, 2, 3]


def test_headings_part_a_long_document() -> None:
    headings = [("Book", "One")] * 2 + [("Book", "Two")] * 3 + [("Book", "Three")]
    (document,) = documents(in_documents([6], headings), 5)
    assert shape(document) == [[0, 1], [2, 3, 4], 5]
    assert [child.headings for child in document.children] == [("One",), ("Two",), ()]
    assert [child.kind for child in document.children] == ["section", "section", "passage"]


def test_many_short_sections_are_fused_with_their_neighbours() -> None:
    headings = [(name,) for name in "AABBCCDDEE"]
    (document,) = documents(in_documents([10], headings), 4)
    assert shape(document) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [child.headings for child in document.children] == [("A", "B"), ("C", "D"), ("E",)]


def test_passages_without_headings_are_parted_evenly_by_position() -> None:
    (document,) = documents(in_documents([14]), 5)
    assert shape(document) == [[0, 1, 2, 3], [4, 5, 6, 7, 8], [9, 10, 11, 12, 13]]


def test_a_heading_that_returns_makes_a_second_section() -> None:
    (document,) = documents(in_documents([6], [("A",), ("A",), ("B",), ("B",), ("A",), ("A",)]), 5)
    assert shape(document) == [[0, 1], [2, 3], [4, 5]]


def test_untitled_documents_have_no_headings() -> None:
    (document,) = documents([passage("a", 0), passage("a", 1)], 12)
    assert document.headings == ()


def test_a_long_document_stays_logarithmic() -> None:
    tree = grow(in_documents([3000]), random_vectors(3000, 0), 12, seed=0)
    assert depth(tree) == 4  # 3,000 > 12³
    check(tree, in_documents([3000]), 12)


def test_like_documents_share_a_cluster() -> None:
    rows = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    tree = grow(in_documents([1] * 40), rows, 10, seed=0)
    assert all(len({leaf % 4 for leaf in cluster.leaves()}) == 1 for cluster in tree.children)
