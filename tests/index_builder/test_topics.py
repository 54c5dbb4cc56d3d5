from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lattice.index_builder.levels import Levels
from lattice.index_builder.topics import (
    FEWEST,
    MOST_ITEMS,
    NAME_CHARACTERS,
    Answer,
    Item,
    Repairs,
    grammar,
    read_answer,
    schema,
    selected,
    topics_call,
    topics_of,
)
from lattice.models.llama.grammars import grammar_flaw
from lattice.types import Matrix

ITEMS = [Item("tides", (0, 4)), Item("moons", (1,)), Item("bread", (2,)), Item("cakes", (3,))]
# Texts 0, 1 and 4 are of the sky, 2 and 3 of the kitchen.
ROWS: Matrix = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 0]], dtype=np.float32)


def levels(*texts: str) -> list[Levels]:
    """Give texts whose two shortest summaries are their first word, the others all of it."""
    return [(text.split()[0],) * 2 + (text,) * 3 for text in texts]


def answer(members: dict[str, Any], names: tuple[str, ...] = ("Sky", "Kitchen")) -> str:
    return json.dumps({"topics": [{"name": name, "description": f"Of {name}."} for name in names], "members": members})


def test_the_most_specific_level_that_fits_is_selected() -> None:
    texts = levels("sea one", "sea two", "sky one", "sky one", "pie one")
    assert [(item.text, item.members) for item in selected(texts, 2)] == [
        ("sea one", (0,)), ("sea two", (1,)), ("sky one", (2, 3)), ("pie one", (4,))
    ]  # fmt: skip


def test_where_the_specific_ones_do_not_fit_shorter_ones_do() -> None:
    texts = levels(*[f"word{number % 20} own {number}" for number in range(MOST_ITEMS + 1)])
    assert [item.text for item in selected(texts, 12)] == [f"word{number}" for number in range(20)]


def test_where_none_fits_the_most_frequent_of_the_shortest_are_shown() -> None:
    texts = levels(*[f"word{number} x" for number in range(400)], "word399 x")
    shown = selected(texts, 12)
    assert len(shown) == MOST_ITEMS
    assert shown[0].members == (399, 400)


def test_texts_that_read_the_same_cannot_be_sorted() -> None:
    assert selected(levels(*["same words"] * 30), 12) == []
    assert selected([], 12) == []
    assert selected([("",) * 5] * 30, 12) == []


def test_a_call_shows_each_summary_with_its_count_and_the_way_to_the_node() -> None:
    call = topics_call(ITEMS, 12, "Nature > Coasts")
    lines = call.dynamic.splitlines()
    assert lines[:3] == ["All of them belong to: Nature > Coasts", f"Make {FEWEST} to 12 topics.", "1. tides (2)"]
    assert lines[-1] == "4. cakes (1)"
    assert topics_call(ITEMS, 2).dynamic.startswith("Make 2 to 2 topics.")


def test_the_form_of_an_answer_is_a_grammar_that_can_be_read_and_a_schema() -> None:
    assert grammar_flaw(grammar(MOST_ITEMS, 100)) is None
    assert schema(4, 12)["properties"]["members"]["required"] == ["1", "2", "3", "4"]


def test_an_answer_is_read_with_what_stands_around_it() -> None:
    found = read_answer(f"Sure: {answer({'1': 1, '2': '1', '3': 2, '4': 2})} Well?", 4)
    assert found == Answer((("Sky", "Of Sky."), ("Kitchen", "Of Kitchen.")), {0: {0}, 1: {0}, 2: {1}, 3: {1}}, 0)


@pytest.mark.parametrize(
    "said", ["", "prose", "{", "[1]", '{"topics": []}', '{"topics": {}, "members": {}}', "{" * 9_999]
)
def test_what_is_no_answer_is_none(said: str) -> None:
    assert read_answer(said, 4) is None
    assert topics_of(read_answer(said, 4), ITEMS, ROWS, 12) is None


def test_unknown_numbers_are_counted() -> None:
    found = read_answer(answer({"1": 1, "9": 1, "x": 2, "2": 7, "3": True, "4": 1.5}), 4)
    assert found is not None
    assert (found.members, found.unknown) == ({0: {0}}, 5)


def test_names_are_short_and_hold_no_separators() -> None:
    found = read_answer(answer({"1": 1}, ("Sky — terms: " + "very long " * 20, "—", "Line\nbreak.")), 4)
    assert found is not None
    (long, _), (nothing, _), (line, _) = found.topics
    assert len(long) <= NAME_CHARACTERS
    assert " — " not in long
    assert (nothing, line) == ("", "Line break")


def test_topics_hold_the_texts_of_their_summaries() -> None:
    found = topics_of(read_answer(answer({"1": 1, "2": 1, "3": 2, "4": 2}), 4), ITEMS, ROWS, 12)
    assert found is not None
    topics, repairs = found
    assert [(topic.members, topic.said) for topic in topics] == [
        ((0, 1, 4), "Sky: Of Sky."),
        ((2, 3), "Kitchen: Of Kitchen."),
    ]
    assert repairs == Repairs()


def test_what_is_in_no_topic_or_in_several_goes_to_the_nearest() -> None:
    doubled = '{"topics": [{"name": "Sky", "description": ""}, {"name": "Kitchen", "description": ""}], "members": '
    doubled += '{"1": 1, "3": 2, "4": 1, "4": 2}}'
    found = topics_of(read_answer(doubled, 4), ITEMS, ROWS, 12)
    assert found is not None
    topics, repairs = found
    assert [topic.members for topic in topics] == [(0, 1, 4), (2, 3)]
    assert [topic.said for topic in topics] == ["Sky", "Kitchen"]
    assert (repairs.missing, repairs.doubled) == (1, 1)


def test_too_many_topics_are_merged_with_those_most_like_them() -> None:
    said = answer({"1": 1, "2": 2, "3": 3, "4": 4}, ("Tides", "Moons", "Bread", "Cakes"))
    found = topics_of(read_answer(said, 4), ITEMS, ROWS, 2)
    assert found is not None
    topics, repairs = found
    assert ([topic.members for topic in topics], repairs.merged) == ([(0, 1, 4), (2, 3)], 2)
    assert topics_of(read_answer(said, 4), ITEMS, ROWS, 1) is None, "more than twice as many are no answer"


@pytest.mark.parametrize(
    "members", [{"1": 1}, {"1": 1, "2": 1, "3": 1, "4": 1}, {}, {"1": 1, "2": 1, "3": 1, "4": 2}], ids=str
)
def test_an_answer_that_sorts_too_little_is_unusable(members: dict[str, int]) -> None:
    assert topics_of(read_answer(answer(members), 4), ITEMS, ROWS, 12) is None
