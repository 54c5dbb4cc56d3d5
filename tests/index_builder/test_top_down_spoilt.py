"""Top-down trees of any library, by a librarian who answers well or badly at random and in any order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder.authors import Author, Call, Said, Writing
from lattice.index_builder.branches import Branch
from lattice.index_builder.build import build
from lattice.index_builder.levels import batches
from lattice.index_builder.organising import FAILURES, GAVE_UP, Organised, Organising
from lattice.index_builder.stand_ins import ScriptedLibrarian
from lattice.index_builder.topics import read_answer
from lattice.jobs import HERE, Workers
from lattice.models.prompts import TOPICS_STATIC
from lattice.types import BuildSettings, Passage, Snapshot
from tests.index_builder.corpora import passage
from tests.index_builder.libraries import HOSTILE, SHELVES, librarian, library, prose
from tests.index_builder.test_bottom_up import check, internal
from tests.index_builder.test_build import check as check_snapshot
from tests.index_builder.test_top_down import tree_of
from tests.index_builder.test_written import KeptHere

Spoil = Callable[[str], str]
WORDS = [f"{first}{second}{third}" for first in "bdfklm" for second in "aeiou" for third in "nrst"]
PATHS = st.lists(st.sampled_from(["Red", "Green", "Blue", "Grey"]), max_size=3).map(tuple)


def as_is(said: str) -> str:
    return said


SPOILERS = (as_is, *HOSTILE)


def texts_of(paths: Sequence[tuple[str, ...]]) -> list[Passage]:
    """Give a passage for each path of labels, of which its text tells, and two words of its own."""
    return [
        passage(f"{at:03}.md", 0, f"Note {at:03}", (), f"{' '.join(path)} {WORDS[at % 120]} {WORDS[at * 7 % 120]}")
        for at, path in enumerate(paths)
    ]


def knowing(paths: Sequence[tuple[str, ...]], spoils: Sequence[Spoil]) -> ScriptedLibrarian:
    """Give a librarian who knows the labels of `texts_of`; of an answer about topics comes what its turn says."""
    turns = list(spoils)
    labels = {
        f"{at:03}": tuple(" ".join(path[: depth + 1]) for depth in range(len(path))) for at, path in enumerate(paths)
    }

    def spoil(said: str) -> str:
        turns.append(turns.pop(0))
        return turns[-1](said)

    return ScriptedLibrarian(lambda text: labels[text.split()[1].strip(":")], spoil)


@dataclass(slots=True)
class Shuffled:
    """Another author's answers, in an order that a seed decides."""

    author: Author
    seed: int

    def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Said]]:
        found = list(self.author.answers(calls))
        random.Random(self.seed).shuffle(found)
        yield from found


def grown(
    paths: Sequence[tuple[str, ...]], spoils: Sequence[Spoil], branching: int, order: int | None = None
) -> tuple[Branch, Organised, ScriptedLibrarian]:
    author = knowing(paths, spoils)
    how = Organising(Writing(author if order is None else Shuffled(author, order), "model", KeptHere()))
    tree = tree_of(texts_of(paths), how, branching, structure="flat")
    return tree, how.organised(), author


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    st.lists(PATHS, min_size=2, max_size=70),
    st.lists(st.sampled_from(SPOILERS), min_size=1, max_size=6),
    st.integers(2, 12),
    st.integers(0, 99),
)
def test_whatever_is_answered_and_when_the_tree_is_sound_and_the_same(
    paths: list[tuple[str, ...]], spoils: list[Spoil], branching: int, order: int
) -> None:
    tree, told, author = grown(paths, spoils, branching)
    check(tree, texts_of(paths), branching)
    assert (tree, told) == grown(paths, spoils, branching)[:2]
    assert (tree, told) == grown(paths, spoils, branching, order)[:2], "the order of the answers has no part in it"
    asked = [call for call in author.calls if call.static == TOPICS_STATIC]
    used = told.splits - told.by_vectors
    assert 0 <= used <= len(asked) + told.kept <= told.splits
    assert told.usage.calls == len(author.calls)
    assert told.texts in {0, len(paths)}
    assert told.by_rule <= told.texts
    # Every inner node is split once, but those whose passages are few enough to be its children.
    assert told.splits <= max(1, len(internal(tree)))
    if told.reason:
        assert told.reason == GAVE_UP
        assert told.by_vectors + len(batches(len(paths))) >= FAILURES, "summaries can fail, too"


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.lists(PATHS, min_size=13, max_size=70), st.lists(st.sampled_from(SPOILERS), min_size=1, max_size=6))
def test_the_counts_of_repairs_are_those_of_the_answers(paths: list[tuple[str, ...]], spoils: list[Spoil]) -> None:
    said: list[tuple[Call, str]] = []
    author = knowing(paths, spoils)

    class Heard:
        def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Said]]:
            for number, answer in author.answers(calls):
                said.append((calls[number], answer.text))
                yield number, answer

    how = Organising(Writing(Heard(), "model", KeptHere()), persists=True)
    tree_of(texts_of(paths), how, structure="flat")
    told = how.organised()
    answers = [
        (read_answer(text, count), count)
        for call, text in said
        if call.static == TOPICS_STATIC
        for count in [call.dynamic.partition("topics.\n")[2].count("\n") + 1]
    ]
    # No more is repaired than was wrong with all answers, the unused ones among them.
    readable = [(answer, count) for answer, count in answers if answer is not None]
    assert told.unknown <= sum(answer.unknown for answer, _ in readable)
    assert told.missing <= sum(count - len(answer.members) for answer, count in readable)
    assert told.doubled <= sum(len(topics) > 1 for answer, _ in readable for topics in answer.members.values())
    assert told.unnamed <= sum(len(answer.topics) for answer, _ in readable)
    assert told.splits - told.by_vectors <= len(readable)
    if set(spoils) == {as_is}:
        assert (told.unknown, told.missing, told.doubled) == (0, 0, 0)


@settings(deadline=None, derandomize=True, max_examples=20)
@given(st.lists(PATHS, min_size=13, max_size=70), st.integers(2, 12))
def test_all_that_a_good_librarian_says_stands_in_the_tree(paths: list[tuple[str, ...]], branching: int) -> None:
    tree, told, _ = grown(paths, [as_is], branching)
    if told.by_vectors == 0 and told.splits:
        assert all(node.said.startswith(node.name) for node in internal(tree)[1:])
        assert sum(not node.name for node in internal(tree)[1:]) <= told.unnamed
    assert told.unknown == told.missing == told.doubled == 0


@pytest.mark.parametrize("bad", HOSTILE, ids=lambda one: one.__name__)
def test_what_was_split_by_the_model_is_as_if_the_rest_had_been_good(bad: Spoil) -> None:
    """A spoilt answer deeper down leaves the topics of the root as they are."""
    passages = library(3)
    turns = iter([as_is])

    def worse(said: str) -> str:
        return next(turns, bad)(said)

    author = librarian(worse)
    tree = tree_of(passages, Organising(Writing(author, "model", KeptHere()), persists=True))
    check(tree, passages, 12)
    assert {child.name for child in tree.children} == set(SHELVES)
    good = tree_of(passages, Organising(Writing(librarian(), "model", KeptHere())))
    assert [sorted(child.leaves()) for child in tree.children] == [sorted(child.leaves()) for child in good.children]


@pytest.mark.parametrize("order", range(4))
def test_a_resumed_build_is_the_undisturbed_one_whichever_answers_were_kept(order: int) -> None:
    """An author dies after so many answers; what was kept by then is not asked for again."""
    passages, results = library(3), KeptHere()
    whole = librarian()
    undisturbed = tree_of(passages, Organising(Writing(whole, "model", KeptHere())))

    class Dies:
        left = 3 + order

        def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Said]]:
            for pair in Shuffled(whole_again, order).answers(calls):
                if not self.left:
                    raise KeyboardInterrupt
                self.left -= 1
                yield pair

    whole_again = librarian()
    with pytest.raises(KeyboardInterrupt):
        tree_of(passages, Organising(Writing(Dies(), "model", results)))
    assert len(results.results) == 3 + order
    # The librarian who goes on has read all texts, as the one before has.
    how = Organising(Writing(whole_again, "model", results))
    assert tree_of(passages, how) == undisturbed
    assert how.organised().kept == 3 + order
    assert how.organised().usage.calls == len(whole.calls) - (3 + order)


# Whole builds

TOP_DOWN = BuildSettings(strategy="top-down", structure="flat", branching=5)


def built(how: Organising | None, workers: Workers = HERE) -> Snapshot:
    return build("/shelves", (), library(3), (), TOP_DOWN, organising=how, workers=workers)


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize("spoil", [as_is, prose, HOSTILE[0]], ids=["good", "prose", "drops"])
def test_a_build_is_the_same_in_whatever_order_answers_come(spoil: Spoil, order: int) -> None:
    first = built(Organising(Writing(librarian(spoil), "model", KeptHere())))
    other = built(Organising(Writing(Shuffled(librarian(spoil), order), "model", KeptHere())))
    assert first.nodes == other.nodes
    check_snapshot(first)


def test_two_processes_build_what_one_does_by_vectors() -> None:
    alone, shared = built(None), built(None, Workers(2))
    assert alone.nodes == shared.nodes
    assert alone.vectors.tobytes() == shared.vectors.tobytes()
    check_snapshot(alone)
    assert len([node for node in alone.nodes if node.kind == "cluster"]) > 24


def test_two_processes_build_what_one_does_by_a_model() -> None:
    def organising() -> Organising:
        return Organising(Writing(librarian(), "model", KeptHere()))

    first, second = organising(), organising()
    assert built(first).nodes == built(second, Workers(2)).nodes
    assert first.organised() == replace(second.organised(), usage=first.organised().usage)
