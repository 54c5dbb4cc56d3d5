from __future__ import annotations

from collections.abc import Mapping, Sequence

from lattice.lint.report import Level, Sender
from lattice.lint.shape import Outline
from lattice.lint.walk import Scorer, Walk, follow, summed
from lattice.types import Node
from tests.traversal.trees import full_tree

# n1; n2, n3 below it; leaves n4, n5 below n2 and n6, n7 below n3.
OUTLINE = Outline(
    (
        Node(1, None, "root", "root", 4, 0),
        *(Node(i, 1, "cluster", f"node {i}", 2, 1) for i in (2, 3)),
        *(Node(i, 2 if i < 6 else 3, "passage", f"leaf {i}", 1, 2, i - 3) for i in (4, 5, 6, 7)),
    )
)


def scripted(scores: Mapping[int, float]) -> Scorer:
    def score(_: str, __: Node, children: Sequence[Node]) -> list[float]:
        return [scores.get(child.id, 0.0) for child in children]

    return score


def walk(leaf: int, **scores: float) -> Walk:
    by_id = {int(name[1:]): value for name, value in scores.items()}
    return follow(OUTLINE, OUTLINE.by_id[leaf], "sentence", scripted(by_id))


def test_a_walk_arrives_by_the_best_child_each_time() -> None:
    found = walk(7, n3=0.9, n7=0.8)
    assert (found.astray, found.kept, found.trail) == (None, True, (1, 3, 7))


def test_a_walk_goes_astray_at_the_node_of_the_wrong_choice() -> None:
    assert walk(7, n2=0.9, n3=0.1).astray == 1
    assert walk(7, n3=0.9, n6=0.8).astray == 3


def test_of_equals_the_first_child_is_taken() -> None:
    assert walk(4).astray is None
    assert walk(6).astray == 1


def test_the_wider_walk_finds_what_is_second() -> None:
    found = walk(7, n2=0.9, n3=0.8, n7=0.7, n4=0.2)
    assert found.astray == 1
    assert found.kept


def test_the_wider_walk_keeps_three() -> None:
    assert not walk(7, n2=0.9, n3=0.8, n4=0.7, n5=0.6, n6=0.5, n7=0.4).kept


def test_counts_by_depth_level_and_node() -> None:
    walks = [walk(7, n3=1.0, n7=1.0), walk(6, n3=1.0, n7=1.0), walk(6, n2=1.0), walk(4, n3=1.0)]
    found = summed(OUTLINE, walks, "script", silent=2)
    assert (found.asked, found.found, found.parents, found.silent) == (4, 1, 2, 2)
    assert found.by_depth == (Level(2, 4, 1),)
    assert found.levels == (Level(0, 4, 2), Level(1, 2, 1))
    assert found.senders == (Sender(1, 4, 2), Sender(3, 2, 1))


def test_a_node_that_one_walk_came_to_is_not_accused() -> None:
    assert summed(OUTLINE, [walk(7, n3=1.0, n6=1.0)], "script").senders == ()


def test_leaves_beside_inner_nodes_end_the_wider_walk_too() -> None:
    nodes = full_tree(2, 2)
    outline = Outline((*nodes, Node(99, 1, "passage", "high", 1, 1, 99)))
    found = follow(outline, outline.by_id[99], "sentence", scripted({99: 1.0}))
    assert (found.astray, found.kept) == (None, True)
