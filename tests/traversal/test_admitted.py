from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.traversal.admitted import (
    BETWEEN_NAMES,
    NAME_WORDS,
    NAMED_UP_TO,
    Admission,
    AdmittedTree,
    count_leaves,
)
from lattice.traversal.paper import PaperSettings
from lattice.traversal.prior import Prior, PriorHit
from lattice.traversal.search import SearchSettings
from lattice.traversal.stand_ins import MemoryTree, ScriptedJudge
from lattice.traversal.walks import walk
from lattice.types import Node
from tests.traversal.trees import full_tree, lifted_scores

# Root 1; inner nodes 2, 3, 4; leaves 5-7 below 2, 8-10 below 3, 11-13 below 4; leaf n holds passage n − 4.
NODES = full_tree(3, 2)


def _admission(nodes: list[Node], leaves: set[int]) -> Admission:
    passages = {node.passage: node.id for node in nodes if node.passage is not None}
    mask = bytes(passages[i] in leaves for i in range(1, len(passages) + 1))
    return Admission(mask, mask, count_leaves([(node.id, node.parent, node.passage) for node in nodes], mask))


def _admitted(leaves: set[int], nodes: list[Node] = NODES, named_up_to: int = 2) -> AdmittedTree:
    return AdmittedTree(MemoryTree(nodes), _admission(nodes, leaves), named_up_to)


def _children(tree: AdmittedTree, node: int) -> list[int]:
    return [child.id for child in tree.children(node)]


def test_leaves_are_counted_upwards() -> None:
    assert _admission(NODES, {5, 6, 11}).leaves == [0, 3, 2, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0]
    assert count_leaves([], b"") == [0]


def test_a_subtree_without_an_admitted_leaf_is_not_there() -> None:
    tree = _admitted({5, 6, 11, 12})
    assert _children(tree, 1) == [2, 4]
    assert _children(tree, 2) == [5, 6]
    assert _children(tree, 5) == []
    assert (tree.root().leaves, tree.node(2).leaves, tree.node(5).leaves) == (4, 2, 1)
    for hidden in (3, 7, 8):
        with pytest.raises(KeyError):
            tree.node(hidden)


def test_a_node_with_one_child_left_is_that_child() -> None:
    tree = _admitted({5, 6, 11})
    assert _children(tree, 1) == [2, 11]
    assert (tree.node(11).parent, tree.node(11).depth) == (1, 1)
    assert (tree.node(5).parent, tree.node(5).depth) == (2, 2)


def test_the_root_takes_the_children_of_the_only_branch_that_is_left() -> None:
    tree = _admitted({8, 9})
    assert _children(tree, 1) == [8, 9]
    assert (tree.node(8).parent, tree.node(8).depth) == (1, 1)
    alone = _admitted({9})
    assert _children(alone, 1) == [9]
    assert alone.node(9).parent == 1


def test_nothing_admitted_is_a_root_alone() -> None:
    tree = _admitted(set())
    assert (_children(tree, 1), tree.root().leaves) == ([], 0)


def test_everything_admitted_is_the_tree_itself() -> None:
    tree, whole = _admitted({node.id for node in NODES if node.is_leaf}), MemoryTree(NODES)
    for node in NODES:
        assert tree.node(node.id) == node
        assert tree.children(node.id) == whole.children(node.id)
    assert tree.candidates((2, 5)) == whole.candidates((2, 5))


def test_a_node_of_which_little_is_left_is_described_by_the_names_of_that() -> None:
    tree = _admitted({5, 8, 9, 11, 12, 13})
    little, pair, whole = (candidate.text for candidate in tree.candidates((2, 3, 4)))
    assert (little, pair, whole) == ("leaf 5", "leaf 8; leaf 9", "node 4")
    assert tree.candidates((1,))[0].text == "everything"  # of which six are left
    assert _admitted({5, 8, 9}, named_up_to=0).candidates((3,))[0].text == "node 3"


def test_names_are_those_of_whole_nodes_and_short() -> None:
    (root,) = _admitted({5, 8, 9, 10}, named_up_to=4).candidates((1,))
    assert root.text == "leaf 5; node 3"
    long = [replace(node, description="word " * 50) for node in NODES]
    (root,) = _admitted({5, 8, 11}, long, NAMED_UP_TO).candidates((1,))
    assert root.text.split() == ["word"] * NAME_WORDS  # alike, so once
    assert BETWEEN_NAMES not in root.text


@st.composite
def _parts(draw: st.DrawFn) -> tuple[list[Node], set[int]]:
    nodes = full_tree(draw(st.integers(2, 4)), draw(st.integers(1, 4)))
    leaves = [node.id for node in nodes if node.is_leaf]
    return nodes, draw(st.sets(st.sampled_from(leaves), min_size=1))


@settings(deadline=None, derandomize=True, max_examples=80)
@given(_parts())
def test_the_part_is_a_tree_of_exactly_the_admitted_leaves(part: tuple[list[Node], set[int]]) -> None:
    nodes, leaves = part
    tree = _admitted(leaves, nodes)
    reached, waiting = set[int](), [tree.root()]
    while waiting:
        node = waiting.pop()
        children = tree.children(node.id)
        assert all((child.parent, child.depth) == (node.id, node.depth + 1) for child in children)
        assert sum(child.leaves for child in children) == (0 if node.is_leaf else node.leaves)
        assert len(children) != 1 or node.parent is None
        reached |= {node.id} if node.is_leaf else set()
        waiting += children
    assert reached == leaves


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    _parts(),
    st.booleans(),
    st.integers(0, 5),
    st.sampled_from([SearchSettings(budget_tokens=None, margin=None), PaperSettings(iterations=None)]),
)
def test_a_search_of_the_part_never_meets_what_is_outside(
    part: tuple[list[Node], set[int]], slate_dependent: bool, seeds: int, how: SearchSettings | PaperSettings
) -> None:
    nodes, leaves = part
    tree = _admitted(leaves, nodes)
    above = {1} | {node.id for node in nodes if _admission(nodes, leaves).leaves[node.id]}
    judge = ScriptedJudge(lifted_scores(nodes, {leaf: leaf % 10 / 10 for leaf in leaves}), slate_dependent)
    prior = Prior(tuple(PriorHit(leaf, 0.5) for leaf in sorted(leaves)[:seeds]))
    steps = list(walk("query", tree, judge, prior, how, None))
    assert {node for slate in judge.seen for node in slate} <= above  # the candidates, and the anchors among them
    assert {one.node for step in steps for one in step.ranking} <= leaves
    assert {one.node for one in steps[-1].passed_over} <= above
    assert {one.node for one in steps[-1].ranking} == leaves  # and everything inside is found
