from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lattice.lint.shape import (
    Outline,
    alike_siblings,
    balance,
    empty_nodes,
    outline_of,
    shape_of,
    unbalanced_nodes,
)
from lattice.types import Node

VECTORS = np.eye(20, dtype=np.float32)


def inner(node: int, parent: int | None, leaves: int, text: str = "text", depth: int = 1) -> Node:
    return Node(node, parent, "cluster", text, leaves, depth)


def leaf(node: int, parent: int, passage: int, depth: int = 2) -> Node:
    return Node(node, parent, "passage", f"leaf {passage}", 1, depth, passage)


TREE = [inner(1, None, 4, depth=0), inner(2, 1, 3), *(leaf(i, 2, i - 2) for i in (3, 4, 5)), leaf(6, 1, 4, 1)]


def test_the_shape_is_counted() -> None:
    shape = shape_of(Outline(tuple(TREE)))
    assert (shape.leaves, shape.inner) == (4, 2)
    assert shape.depths == {1: 1, 2: 3}
    assert shape.branching == {2: 1, 3: 1}
    of_root = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    assert shape.balance == pytest.approx((of_root + 1.0) / 2)


def test_balance_is_one_where_all_have_as_many_and_nothing_where_there_is_no_choice() -> None:
    assert balance([inner(2, 1, 5), inner(3, 1, 5)]) == pytest.approx(1.0)
    assert balance([inner(2, 1, 5)]) is None
    assert balance([inner(2, 1, 0), inner(3, 1, 0)]) is None


def test_a_part_of_a_tree_begins_at_its_top() -> None:
    part = outline_of(TREE, 2)
    assert [node.id for node in part.nodes] == [2, 3, 4, 5]
    assert part.trail(4) == (2, 4)
    assert Outline(tuple(TREE)).trail(4) == (1, 2, 4)


def test_nodes_that_say_or_hold_nothing_are_empty() -> None:
    blank, hollow = inner(7, 1, 1, "  "), inner(8, 1, 0)
    found = list(empty_nodes(Outline((*TREE, blank, hollow))))
    assert [(one.nodes, one.detail) for one in found] == [((7,), "no description"), ((8,), "no passage below it")]


def test_an_empty_index_has_no_empty_node() -> None:
    assert list(empty_nodes(Outline((inner(1, None, 0, "(nothing indexed)", 0),)))) == []


def test_a_node_that_divides_nearly_nothing_is_unbalanced() -> None:
    def found(*sizes: int) -> list[tuple[int, ...]]:
        below = [inner(i, 1, size) for i, size in enumerate(sizes, 2)]
        return [one.nodes for one in unbalanced_nodes(Outline((inner(1, None, sum(sizes), depth=0), *below)))]

    assert found(99, 1) == [(1,)]
    assert found(20) == [(1,)]
    assert found(60, 40) == []
    assert found(10, 1) == []  # small enough to be read whole


def test_descriptions_that_share_their_words_are_alike_only_among_siblings() -> None:
    words = "owl heron vole frog meadow"
    nodes = (inner(1, None, 3, "root", 0), inner(2, 1, 1, words), inner(3, 1, 1, f"{words}s"), inner(4, 1, 1, "oak"))
    found = list(alike_siblings(Outline(nodes), VECTORS))
    assert [one.nodes for one in found] == [(2, 3)]
    assert "100%" in found[0].detail
    apart = (*nodes[:2], replace(nodes[2], parent=4), nodes[3])
    assert list(alike_siblings(Outline(apart), VECTORS)) == []


def test_descriptions_that_share_half_or_are_empty_are_not_alike() -> None:
    nodes = (inner(1, None, 2, "root", 0), inner(2, 1, 1, "owl heron"), inner(3, 1, 1, "owl vole"))
    assert list(alike_siblings(Outline(nodes), VECTORS)) == []
    blank = (nodes[0], inner(2, 1, 1, ""), inner(3, 1, 1, ""))
    assert list(alike_siblings(Outline(blank), VECTORS)) == []


def test_passages_of_one_direction_are_alike_and_those_without_a_vector_are_not() -> None:
    vectors = np.array([[1, 0], [2, 0.01], [0, 1], [0, 0], [0, 0]], dtype=np.float32)
    nodes = (inner(1, None, 5, depth=0), *(leaf(i + 1, 1, i, 1) for i in range(1, 6)))
    assert [one.nodes for one in alike_siblings(Outline(nodes), vectors)] == [(2, 3)]
