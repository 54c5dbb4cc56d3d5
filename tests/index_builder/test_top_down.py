"""Trees made top-down: by a model that obeys, by models that don't, and by none."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder import grafting
from lattice.index_builder.bottom_up import STRUCTURES, grow
from lattice.index_builder.branches import Branch
from lattice.index_builder.build import build
from lattice.index_builder.organising import FAILURES, PROBED, Organising
from lattice.index_builder.summaries import BEFORE_MORE, summarizer_of
from lattice.index_builder.top_down import MOST_UNITS, TopDown, organised_units
from lattice.index_builder.written import openings_of
from lattice.jobs import Jobs
from lattice.models.embedders import fit_tfidf_svd
from lattice.models.prompts import LEVELS_STATIC, TOPICS_STATIC
from lattice.types import BuildSettings, Matrix, Passage, Usage
from tests.index_builder.corpora import in_documents, random_vectors
from tests.index_builder.libraries import (
    HOSTILE,
    SHELVES,
    drops,
    giant,
    labels_of,
    librarian,
    library,
    organising,
    prose,
    without_names,
)
from tests.index_builder.test_bottom_up import check, depth
from tests.index_builder.test_written import KeptHere

TOP_DOWN = BuildSettings(strategy="top-down")


def vectors_of(passages: list[Passage]) -> Matrix:
    return fit_tfidf_svd([passage.text for passage in passages], 32, 1000, 0)[1]


def tree_of(
    passages: list[Passage], how: Organising, branching: int = 12, most_units: int = MOST_UNITS, structure: str = "auto"
) -> Branch:
    vectors = vectors_of(passages)
    extractive = summarizer_of(passages, vectors, 40)
    strategy = TopDown(
        how, extractive, openings_of(passages), branching, 0, "agglomerative", lambda *_: None, most_units
    )
    return grow(passages, vectors, branching, 0, structure=structure, gather=strategy.gather)


def test_a_model_that_obeys_makes_its_topics_the_tree() -> None:
    passages, how = library(), organising(librarian())
    tree = tree_of(passages, how)
    check(tree, passages, 12)
    assert {child.name for child in tree.children} == set(SHELVES)
    for shelf in tree.children:
        assert shelf.said == f"{shelf.name}: All about {shelf.name.lower()}."
        assert {labels_of(passages[leaf].title)[0] for leaf in shelf.leaves()} == {shelf.name}
        assert {board.name for board in shelf.children} == {f"{shelf.name} {board}" for board in SHELVES[shelf.name]}
    told = how.organised()
    assert (told.by_vectors, told.by_rule, told.missing, told.doubled, told.unknown, told.reason) == (0, 0, 0, 0, 0, "")
    assert told.texts == len(passages)


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda one: one.__name__)
@pytest.mark.parametrize("branching", [2, 5, 12])
def test_however_bad_the_answers_are_the_tree_is_sound(spoil: Callable[[str], str], branching: int) -> None:
    passages = library(4)
    tree = tree_of(passages, organising(librarian(spoil)), branching)
    check(tree, passages, branching)
    # No topic holds more than three quarters of its node, and what vectors split is as shallow as can be.
    assert depth(tree) <= 2 + math.log(len(passages) / branching) / math.log(4 / 3)
    assert tree == tree_of(passages, organising(librarian(spoil)), branching)


def test_what_is_left_out_goes_to_the_nearest_topic_and_is_counted() -> None:
    passages, how = library(), organising(librarian(drops))
    tree = tree_of(passages, how)
    told = how.organised()
    assert told.missing > 0
    assert told.by_vectors == 0
    right = sum(labels_of(passages[leaf].title)[0] == shelf.name for shelf in tree.children for leaf in shelf.leaves())
    assert right / len(passages) > 0.8


def test_a_model_whose_answers_are_unusable_is_asked_no_more() -> None:
    for spoil in (prose, giant):
        author = librarian(spoil)
        how = organising(author)
        tree_of(library(12), how, 3)
        told = how.organised()
        asked = sum(call.static == TOPICS_STATIC for call in author.calls)
        used = sum(call.static == LEVELS_STATIC for call in author.calls)
        assert told.by_vectors == told.splits > asked
        assert FAILURES <= asked <= FAILURES + used + PROBED + 64
        assert "unusable" in told.reason


def test_a_model_that_summarises_nothing_is_asked_for_no_topics() -> None:
    author = librarian()
    author.labels = lambda _: ("?",)  # no words: no summary
    how = organising(author)
    tree_of(library(12), how)
    assert {call.static for call in author.calls} == {LEVELS_STATIC}
    assert len(author.calls) == PROBED
    assert how.organised().splits == how.organised().by_vectors > 0


def test_topics_without_a_name_are_counted_and_described_by_their_terms() -> None:
    passages, how = library(), organising(librarian(without_names))
    tree = tree_of(passages, how)
    assert [(child.name, child.said) for child in tree.children] == [("", "")] * len(tree.children)
    assert how.organised().unnamed >= len(tree.children)


def test_without_a_model_vectors_split_and_the_reason_is_told() -> None:
    passages, how = library(), Organising(None, "it is too small")
    check(tree_of(passages, how), passages, 12)
    told = how.organised()
    assert (told.splits, told.texts, told.usage, told.reason) == (told.by_vectors, 0, Usage(), "it is too small")
    assert told.splits > 0


def test_of_many_passages_pseudo_leaves_are_organised() -> None:
    passages, author = library(6), librarian()
    tree = tree_of(passages, organising(author), branching=4, most_units=80)
    check(tree, passages, 4)
    shown = sum(call.dynamic.count("\n") + 1 for call in author.calls if call.static == LEVELS_STATIC)
    assert shown <= 80 < len(passages)


def test_very_many_are_parted_before_their_pseudo_leaves_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grafting, "WHOLE_UP_TO", 100)
    monkeypatch.setattr(grafting, "PART_UP_TO", 60)
    passages, author = library(8), librarian()
    tree = tree_of(passages, organising(author), branching=4, most_units=80)
    check(tree, passages, 4)
    shown = sum(call.dynamic.count("\n") + 1 for call in author.calls if call.static == LEVELS_STATIC)
    assert shown <= 80 + 4 * len(passages) // 60
    vectors, settled = vectors_of(passages), (0, "agglomerative", 80)
    units = [Branch("passage", passage=leaf) for leaf in range(len(passages))]
    alone, rows = grafting.layered_in_parts(units, vectors, 4, *settled)
    assert len(alone) == len(rows)
    with Jobs(2).workers() as workers:
        shared, _ = grafting.layered_in_parts(units, vectors, 4, *settled, workers)
    assert shared == alone


def test_how_many_are_organised_is_known_before() -> None:
    assert organised_units(MOST_UNITS, 12) == MOST_UNITS
    assert MOST_UNITS / 12 < organised_units(100_000, 12) <= MOST_UNITS


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.integers(1, 1), max_size=200) | st.lists(st.integers(1, 30), max_size=12),
    st.integers(2, 12),
    st.integers(0, 99),
    st.sampled_from(sorted(STRUCTURES)),
)
def test_any_corpus_gives_a_sound_tree_by_vectors(sizes: list[int], branching: int, seed: int, structure: str) -> None:
    passages = in_documents(sizes)
    vectors = random_vectors(len(passages), seed)
    extractive = summarizer_of(passages, vectors, 40)

    def once() -> Branch:
        openings = openings_of(passages)
        how = (Organising(None), extractive, openings, branching, 0, "agglomerative", lambda *_: None)
        return grow(passages, vectors, branching, 0, structure=structure, gather=TopDown(*how).gather)

    tree = once()
    check(tree, passages, branching)
    assert tree == once()


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(2, 200), st.integers(2, 12))
def test_trees_by_vectors_are_as_shallow_as_can_be(count: int, branching: int) -> None:
    passages = in_documents([1] * count)
    vectors = random_vectors(count, 0)
    extractive = summarizer_of(passages, vectors, 40)
    how = (Organising(None), extractive, openings_of(passages), branching, 0, "agglomerative", lambda *_: None)
    tree = grow(passages, vectors, branching, 0, structure="flat", gather=TopDown(*how).gather)
    assert depth(tree) <= max(1, math.ceil(math.log(count, branching) - 1e-9))


def test_a_build_describes_topics_by_what_the_model_said_of_them() -> None:
    author, results = librarian(), KeptHere()
    first = build("/r", [], library(), [], TOP_DOWN, organising=organising(author, results))
    top = [node for node in first.nodes if node.depth == 1]
    assert {node.description.partition(":")[0] for node in top} == set(SHELVES)
    assert all(BEFORE_MORE in node.description for node in top)
    asked = len(author.calls)
    assert build("/r", [], library(), [], TOP_DOWN, organising=organising(author, results)).nodes == first.nodes
    assert len(author.calls) == asked, "a second build asks nothing"
