from __future__ import annotations

from lattice.index_builder.authors import Writing
from lattice.index_builder.levels import BATCH
from lattice.index_builder.organising import FAILURES, GAVE_UP, PROBED, Organising, Split
from lattice.index_builder.topics import selected
from lattice.types import Usage
from tests.index_builder.libraries import labels_of, librarian, library, organising, prose
from tests.index_builder.test_top_down import vectors_of
from tests.index_builder.test_written import KeptHere, ScriptedAuthor


def silent(_stage: str, _done: int, _total: int) -> None:
    pass


def test_a_model_is_given_up_in_the_order_of_its_calls() -> None:
    author = ScriptedAuthor("prose")
    how = Organising(Writing(author, "model", KeptHere()))
    assert how.summaries([f"text {number}" for number in range(50 * BATCH)], silent) is None
    assert len(author.shown) == PROBED
    assert how.reason == GAVE_UP
    assert how.topics([Split([], vectors_of(library(1)))], 12, silent) == [None]


def test_one_that_persists_is_asked_on() -> None:
    author = ScriptedAuthor("prose")
    how = Organising(Writing(author, "model", KeptHere()), persists=True)
    assert how.summaries(["a text"] * 9 * BATCH, silent) == [("",) * 5] * 9 * BATCH
    assert len(author.shown) == 1, "equal calls are made once"
    assert how.reason == ""


def test_summaries_come_in_the_order_of_the_texts_and_progress_is_told() -> None:
    passages, stages = library(2), list[tuple[str, int, int]]()
    texts = [passage.title for passage in passages]
    found = organising(librarian()).summaries(texts, lambda *at: stages.append(at))
    assert found is not None
    assert [one[0] for one in found] == [labels_of(text)[0] for text in texts]
    assert stages == [("summaries", done, 4) for done in range(5)]


def test_nodes_without_summaries_are_left_to_their_vectors_and_the_counts_add_up() -> None:
    passages, author, results = library(2), librarian(), KeptHere()
    how = organising(author, results)
    levels = how.summaries([passage.title for passage in passages], silent)
    assert levels is not None
    good = Split(selected(levels, 12), vectors_of(passages))
    first, second = how.topics([good, Split([], good.vectors)], 12, silent)
    assert first is not None
    assert second is None
    told = how.organised()
    assert (told.splits, told.by_vectors, told.texts) == (2, 1, len(passages))
    assert told.usage.calls == len(author.calls) == len(results.results)
    again = organising(author, results)
    again.summaries([passage.title for passage in passages], silent)
    assert (again.organised().kept, again.organised().usage) == (4, Usage())


def test_some_bad_answers_among_good_ones_are_borne() -> None:
    author = librarian()
    bad = iter([True, False] * 50)
    author.spoil = lambda said: prose(said) if next(bad) else said
    how = organising(author)
    levels = how.summaries([passage.title for passage in library(2)], silent)
    assert levels is not None
    split = [Split(selected(levels, 12), vectors_of(library(2)), f"Node {number}") for number in range(2 * FAILURES)]
    found = how.topics(split, 12, silent)
    assert sum(one is None for one in found) == FAILURES
    assert how.reason == ""
