"""How a build numbers the nodes of its tree and has them described: parents first, and children first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder.branches import Branch
from lattice.index_builder.build import _described, _plan, build
from lattice.types import BuildSettings, Group, Node, Passage
from tests.index_builder.corpora import in_documents, passage
from tests.index_builder.libraries import librarian, library, organising

Nested = list["Nested"] | None
"""A tree as nested lists; None is a leaf."""

TREES = st.recursive(st.none(), lambda below: st.lists(below, min_size=1, max_size=4), max_leaves=25)


def leaves_in(nested: Nested) -> int:
    return 1 if nested is None else sum(map(leaves_in, nested))


def branch_of(nested: Nested) -> Branch:
    """Give the tree; its leaves are the passages 0, 1, … from left to right."""
    passages = iter(range(leaves_in(nested)))

    def made(one: Nested, is_root: bool) -> Branch:
        if one is None:
            return Branch("passage", passage=next(passages))
        return Branch("root" if is_root else "cluster", tuple(made(child, False) for child in one))

    return made(nested, True)


@dataclass
class Says:
    """Describes a group by its children's descriptions, in an order that a seed decides, and notes the rounds."""

    seed: int | None = None
    rounds: list[list[Group]] = field(default_factory=list)

    def describe_all(self, groups: Sequence[Group]) -> Iterator[tuple[int, str]]:
        self.rounds.append([*groups])
        found = [(at, f"({' '.join(group.described)})") for at, group in enumerate(groups)]
        if self.seed is not None:
            random.Random(self.seed).shuffle(found)
        yield from found


def passages_of(nested: Nested) -> list[Passage]:
    return [passage(f"{number:03}", title=f"t{number}") for number in range(leaves_in(nested))]


def described(nested: Nested, says: Says) -> tuple[tuple[Node, ...], list[tuple[str, int, int]]]:
    told: list[tuple[str, int, int]] = []
    nodes = _described(_plan(branch_of(nested)), passages_of(nested), says, lambda *at: told.append(at))
    return nodes, told


def expected(nested: Nested, first: int = 0) -> str:
    """Write the tree by its leaves, as `Says` must have described its root."""
    if nested is None:
        return f"t{first}"
    shown = []
    for child in nested:
        shown.append(expected(child, first))
        first += leaves_in(child)
    return f"({' '.join(shown)})"


def height(branch: Branch) -> int:
    return max((height(child) + 1 for child in branch.children), default=0)


def test_a_small_tree_by_hand() -> None:
    nodes, _ = described([[None, [None, None]], None], Says())
    assert [(node.id, node.parent, node.depth, node.leaves, node.passage) for node in nodes] == [
        (1, None, 0, 4, None),
        (2, 1, 1, 3, None),
        (3, 2, 2, 1, 1),
        (4, 2, 2, 2, None),
        (5, 4, 3, 1, 2),
        (6, 4, 3, 1, 3),
        (7, 1, 1, 1, 4),
    ]
    assert [node.description for node in nodes] == [
        "((t0 (t1 t2)) t3)",
        "(t0 (t1 t2))",
        "t0",
        "(t1 t2)",
        "t1",
        "t2",
        "t3",
    ]
    assert [node.kind for node in nodes] == ["root", "cluster", "passage", "cluster", "passage", "passage", "passage"]


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.lists(TREES, min_size=1, max_size=4), st.integers(0, 99))
def test_every_node_is_described_behind_its_children_in_whatever_order_they_come(nested: Nested, seed: int) -> None:
    says = Says(seed)
    nodes, _ = described(nested, says)
    assert nodes[0].description == expected(nested)
    assert nodes == described(nested, Says())[0]
    for one in says.rounds:
        for group in one:
            assert len(group.described) == len(group.children)
            assert all(group.described), "no child was without its description"


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.lists(TREES, min_size=1, max_size=4))
def test_nodes_are_numbered_parents_first_each_subtree_in_one_stretch(nested: Nested) -> None:
    nodes, _ = described(nested, Says())
    assert [node.id for node in nodes] == list(range(1, len(nodes) + 1))
    assert [node.passage for node in nodes if node.passage] == list(range(1, leaves_in(nested) + 1))
    children: dict[int, list[Node]] = {node.id: [] for node in nodes}
    for node in nodes[1:]:
        assert node.parent is not None
        assert node.parent < node.id
        children[node.parent].append(node)
        assert node.depth == nodes[node.parent - 1].depth + 1

    def size(node: Node) -> int:
        return 1 + sum(size(child) for child in children[node.id])

    for node in nodes:
        next_id = node.id + 1
        for child in children[node.id]:
            assert child.id == next_id
            next_id += size(child)
        assert node.leaves == (1 if node.is_leaf else sum(child.leaves for child in children[node.id]))


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.lists(TREES, min_size=1, max_size=4))
def test_nodes_of_one_height_are_described_together(nested: Nested) -> None:
    tree, says = branch_of(nested), Says()
    described(nested, says)
    plan = _plan(tree)
    assert [one.height for one in plan] == [height(one.branch) for one in plan]
    heights = sorted({one.height for one in plan if one.branch.passage is None})
    assert [len(one) for one in says.rounds] == [
        sum(one.height == wanted and one.branch.passage is None for one in plan) for wanted in heights
    ]
    assert sum(map(len, says.rounds)) == sum(one.branch.passage is None for one in plan)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(TREES, min_size=1, max_size=4), st.integers(0, 99))
def test_progress_counts_every_inner_node_once(nested: Nested, seed: int) -> None:
    nodes, told = described(nested, Says(seed))
    inner = sum(not node.is_leaf for node in nodes)
    assert told == [("descriptions", done, inner) for done in range(inner + 1)]


def test_progress_is_told_as_each_description_comes() -> None:
    """One that is interrupted behind the second description has been told of two."""
    told: list[int] = []

    class Stops(Says):
        def describe_all(self, groups: Sequence[Group]) -> Iterator[tuple[int, str]]:
            for number, one in enumerate(super().describe_all(groups)):
                if number == 2:
                    raise KeyboardInterrupt
                yield one

    nested: Nested = [[None, None] for _ in range(5)]
    with pytest.raises(KeyboardInterrupt):
        _described(_plan(branch_of(nested)), passages_of(nested), Stops(), lambda _, done, __: told.append(done))
    assert told == [0, 1, 2]


def test_a_group_tells_what_is_known_of_its_node() -> None:
    leaves = [Branch("passage", passage=number) for number in range(3)]
    document = Branch("document", tuple(leaves[:2]), headings=("Guide", "Install"))
    topic = Branch("cluster", (document, leaves[2]), name="Guides", said="Guides: How things are put up.")
    says = Says()
    _described(_plan(Branch("root", (topic,))), passages_of([None] * 3), says, lambda *_: None)
    (first,), (second,), _ = says.rounds
    assert (first.children, first.headings, first.described, first.said) == (
        [[0], [1]],
        ("Guide", "Install"),
        ["t0", "t1"],
        "",
    )
    assert (second.children, second.headings, second.said) == ([[0, 1], [2]], (), "Guides: How things are put up.")
    assert second.leaves == [0, 1, 2]


# Names


@pytest.mark.parametrize("strategy", ["bottom-up", "top-down"])
def test_every_inner_node_has_a_name_that_no_sibling_has(strategy: str) -> None:
    found = build("/shelves/Library", (), library(3), (), BuildSettings(strategy=strategy, branching=5))
    names: dict[int | None, list[str]] = {}
    for node in found.nodes:
        assert bool(node.name) == (not node.is_leaf)
        if node.name:
            names.setdefault(node.parent, []).append(node.name)
    assert all(len(set(siblings)) == len(siblings) for siblings in names.values())
    assert found.nodes[0].name == "Library"


def test_topics_have_the_names_that_their_model_gave() -> None:
    how = organising(librarian())
    found = build("/r", (), library(3), (), BuildSettings(strategy="top-down"), organising=how)
    for node in found.nodes[1:]:
        if not node.is_leaf:
            assert node.description.startswith(f"{node.name}: All about {node.name.lower()}.")


def test_documents_are_called_as_their_author_calls_them() -> None:
    found = build("/r", (), in_documents([30, 3, 1], [("One",), ("Two",)]), (), BuildSettings(dimensions=16))
    assert [node.name for node in found.nodes if node.kind == "document"] == ["Title 0", "Title 1"]
