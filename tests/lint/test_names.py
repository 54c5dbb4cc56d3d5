from __future__ import annotations

import pytest

from lattice.lint.names import namesakes, same_words
from lattice.lint.shape import Outline
from lattice.types import Node


def family(*names: str) -> Outline:
    """Give a root over nodes of these names and one passage, which has none."""
    below = (Node(i, 1, "cluster", f"text {i}", 1, 1, name=name) for i, name in enumerate(names, 2))
    leaf = Node(99, 1, "passage", "leaf", 1, 1, 1)
    return Outline((Node(1, None, "root", "root", len(names) + 1, 0, name="Owls"), *below, leaf))


def test_names_that_differ_in_case_spaces_or_diacritics_are_one_to_a_reader() -> None:
    found = list(namesakes(family("Owls", "Herons", " owls", "Öwls")))
    assert [one.nodes for one in found] == [(2, 4), (2, 5)]
    assert (found[0].kind, found[0].detail) == ("namesakes", "both are called  owls")
    assert list(namesakes(family("Owls", "Owls, voles"))) == []


def test_a_name_may_come_again_below_another_node_and_one_without_a_name_is_passed_over() -> None:
    root, one, leaf = family("Owls").nodes
    deeper = Node(5, 2, "cluster", "text", 1, 2, name="Owls")
    assert list(namesakes(Outline((root, one, deeper, leaf)))) == []
    unnamed = family("", "", "")
    assert (list(namesakes(unnamed)), same_words(unnamed)) == ([], None)


@pytest.mark.parametrize(
    ("names", "share"),
    [
        (("Owls, voles", "The vole, the owl", "Herons"), 1 / 3),
        (("Part 1", "Part 2"), 1.0),
        (("Owls", "Owls of prey"), 0.0),
        (("Owls",), None),
    ],
)
def test_the_share_of_pairs_of_the_same_words(names: tuple[str, ...], share: float | None) -> None:
    assert same_words(family(*names)) == (None if share is None else pytest.approx(share))


def test_pairs_are_counted_over_all_families() -> None:
    root, *below = family("Owls", "Owl").nodes
    deeper = [Node(i, 2, "cluster", "text", 1, 2, name=name) for i, name in ((10, "Day"), (11, "Night"))]
    assert same_words(Outline((root, *below, *deeper))) == pytest.approx(1 / 2)
