"""The librarian who plays a strong model: what it says must be what was asked, or nothing is measured by it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder.authors import Call
from lattice.index_builder.levels import LEVELS, SHOWN_WORDS, levels_call, read_levels
from lattice.index_builder.stand_ins import Labels, ScriptedLibrarian, Wrote
from lattice.index_builder.topics import Item, read_answer, topics_call
from lattice.index_builder.written import describing_call
from lattice.models.prompts import LEVELS_STATIC, TOPICS_STATIC, estimated_tokens
from tests.index_builder.libraries import prose

LABELS: dict[str, Labels] = {
    "oak": ("Plants", "Plants Trees"),
    "elm": ("Plants", "Plants Trees"),
    "mint": ("Plants", "Plants Herbs"),
    "wren": ("Animals", "Animals Birds"),
    "trout": ("Animals", "Animals Fish"),
    "rhine": ("Places",),
}


def knows(spoil: Callable[[str], str] = lambda said: said) -> ScriptedLibrarian:
    return ScriptedLibrarian(lambda text: LABELS.get(text.split()[0], ()), spoil)


def said(author: ScriptedLibrarian, call: Call) -> Wrote:
    ((number, wrote),) = author.answers([call])
    assert number == 0
    return wrote


def summarised(author: ScriptedLibrarian, texts: list[str], level: int = 1) -> list[Item]:
    """Have the texts summarised; give the summaries of one length as what is to be sorted, one text each."""
    found = read_levels(said(author, levels_call(texts)).text, len(texts))
    return [Item(levels[level], (place,)) for place, levels in enumerate(found)]


def topics_of(author: ScriptedLibrarian, items: list[Item], most: int) -> dict[str, list[int]]:
    """Give the names of the topics and the places of their summaries; each summary must be in one."""
    text = said(author, topics_call(items, most)).text
    answer = read_answer(text, len(items))
    assert answer is not None
    assert answer.unknown == 0
    assert sorted(answer.members) == list(range(len(items)))
    names = [topic["name"] for topic in json.loads(text)["topics"]]
    found: dict[str, list[int]] = {name: [] for name in names}
    assert len(found) == len(answer.topics), "no two topics share a name"
    for item, topics in answer.members.items():
        (topic,) = topics
        found[names[topic]].append(item)
    return found


def test_summaries_begin_with_the_labels_and_grow_with_their_level() -> None:
    texts = ["oak leaves fall late in the year when the other trees are long bare", "wren nests in a hedge of thorn"]
    first, second = read_levels(said(knows(), levels_call(texts)).text, 2)
    assert first[:2] == ("Plants", "Plants Plants Trees")
    assert second[:2] == ("Animals", "Animals Animals Birds")
    assert first[2] == "Plants Plants Trees oak leaves fall"
    assert first[4].startswith("Plants Plants Trees oak leaves fall late in the year")


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.lists(st.sampled_from([*LABELS]), min_size=1, max_size=20), st.integers(0, 60))
def test_no_summary_has_more_words_than_its_level(words: list[str], length: int) -> None:
    texts = [" ".join([word, *["more"] * length]) for word in words]
    found = json.loads(said(knows(), levels_call(texts)).text)
    assert list(found) == [str(number) for number in range(1, len(texts) + 1)]
    for word, summaries in zip(words, found.values(), strict=True):
        assert len(summaries) == len(LEVELS)
        for summary, (_, most) in zip(summaries, LEVELS, strict=True):
            assert 1 <= len(summary.split()) <= most
            assert summary.split()[0] == LABELS[word][0]


def test_a_long_text_s_own_words_are_shown_in_part() -> None:
    text = " ".join(f"oak{number}" for number in range(SHOWN_WORDS))
    author = ScriptedLibrarian(lambda _: ("A",))
    longest = json.loads(said(author, levels_call([text])).text)["1"][-1]
    assert longest.split() == ["A", *text.split()[: SHOWN_WORDS // 2]]


def test_a_text_without_labels_is_summarised_by_its_own_words() -> None:
    found = json.loads(said(knows(), levels_call(["stone walls without mortar"])).text)["1"]
    assert found == ["", "", "stone walls without mortar", "stone walls without mortar", "stone walls without mortar"]


def test_topics_are_made_by_the_first_label_that_differs() -> None:
    author = knows()
    items = summarised(author, ["oak", "wren", "mint", "trout", "rhine"])
    assert topics_of(author, items, 5) == {"Animals": [1, 3], "Places": [4], "Plants": [0, 2]}
    plants = summarised(author, ["oak", "mint", "elm"], level=4)
    assert topics_of(author, plants, 5) == {"Plants Herbs": [1], "Plants Trees": [0, 2]}


def test_topics_are_described_by_their_names() -> None:
    author = knows()
    answer = json.loads(said(author, topics_call(summarised(author, ["oak", "wren"]), 3)).text)
    assert answer["topics"] == [
        {"name": "Animals", "description": "All about animals."},
        {"name": "Plants", "description": "All about plants."},
    ]
    assert answer["members"] == {"1": 2, "2": 1}


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (5, {"ash": [0], "bee": [1], "cod": [2], "doe": [3], "elk": [4]}),
        (4, {"ash and bee": [0, 1], "cod and doe": [2, 3], "elk": [4]}),
        (2, {"ash and bee": [0, 1, 2], "doe and elk": [3, 4]}),
    ],
)
def test_more_labels_than_topics_are_put_together(most: int, expected: dict[str, list[int]]) -> None:
    author = ScriptedLibrarian(lambda text: (text.split()[0],))
    items = summarised(author, ["ash", "bee", "cod", "doe", "elk"])
    assert topics_of(author, items, most) == expected


def test_what_has_no_labels_is_put_elsewhere() -> None:
    author = knows()
    items = [*summarised(author, ["oak", "wren"]), Item("never summarised", (2,))]
    assert topics_of(author, items, 4) == {"Animals": [1], "Other": [2], "Plants": [0]}


def test_a_text_whose_labels_end_where_others_differ_is_put_elsewhere() -> None:
    author = ScriptedLibrarian(lambda text: {"como": ("Places", "Lakes"), "rhine": ("Places",)}[text])
    assert topics_of(author, summarised(author, ["rhine", "como"], level=4), 4) == {"Lakes": [1], "Other": [0]}


@pytest.mark.parametrize(("count", "most"), [(9, 3), (7, 3), (2, 5), (30, 12)])
def test_equal_labels_are_split_by_their_places(count: int, most: int) -> None:
    author = ScriptedLibrarian(lambda _: ("Same",))
    items = summarised(author, [f"text {number}" for number in range(count)], level=4)
    found = topics_of(author, items, most)
    assert len(found) == min(count, most)
    assert all(name.startswith("Part ") for name in found)
    groups = sorted(found.values())
    assert [place for group in groups for place in group] == list(range(count)), "neighbours stay together"
    assert max(map(len, groups)) - min(map(len, groups)) <= 1


def test_summaries_are_known_however_they_are_written() -> None:
    author = knows()
    items = summarised(author, ["oak", "wren"])
    shouted = [Item(item.text.upper(), item.members) for item in items]
    assert topics_of(author, shouted, 4) == {"Animals": [1], "Plants": [0]}


@pytest.mark.parametrize("mark", [",", ".", ":", ";", " ...", "!"])
def test_summaries_that_end_in_a_mark_are_known_when_they_come_back(mark: str) -> None:
    author = knows()
    items = summarised(author, [f"oak in a wood{mark} of old", f"wren in a hedge{mark}"], level=3)
    longest = summarised(author, [f"oak in a wood of old{mark}", f"wren in a hedge{mark}"], level=4)
    for shown in (items, longest):
        assert topics_of(author, shown, 4) == {"Animals": [1], "Plants": [0]}


def test_a_kind_of_call_that_it_does_not_know_is_answered_with_nothing() -> None:
    author = knows()
    call = describing_call("- oak\n- elm")
    wrote = said(author, call)
    assert (wrote.text, wrote.usage.generated, wrote.usage.calls) == ("", estimated_tokens(""), 1)
    assert author.calls == [call]


def test_what_an_answer_costs_is_estimated_from_what_is_read_and_written() -> None:
    author = knows()
    calls = [levels_call(["oak", "wren"]), topics_call([Item("oak", (0,)), Item("wren", (1,))], 3)]
    for call, (number, wrote) in zip(calls, author.answers(calls), strict=True):
        assert call == calls[number]
        assert wrote.usage.evaluated == estimated_tokens(call.static + call.dynamic) > 0
        assert wrote.usage.generated == estimated_tokens(wrote.text) > 0
        assert wrote.usage.calls == 1
    assert author.calls == calls


def test_only_answers_about_topics_are_spoilt() -> None:
    author = knows(prose)
    items = summarised(author, ["oak", "wren"])
    assert [item.text for item in items] == ["Plants Plants Trees", "Animals Animals Birds"]
    assert said(author, topics_call(items, 3)).text == prose("")
    assert [call.static for call in author.calls] == [LEVELS_STATIC, TOPICS_STATIC]
