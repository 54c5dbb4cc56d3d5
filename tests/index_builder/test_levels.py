from __future__ import annotations

import json

from lattice.index_builder.levels import (
    BATCH,
    LEVELS,
    SHOWN_BYTES,
    SHOWN_WORDS,
    batches,
    grammar,
    levels_by_rule,
    levels_call,
    read_levels,
    schema,
)
from lattice.models.llama.grammars import grammar_flaw
from lattice.models.prompts import LEVELS_STATIC

GOOD = ["Tides", "Tides and moon", "How the moon moves tides", "How the moon moves the tides of the sea", "x " * 15]
NOTHING = ("",) * len(LEVELS)


def test_twenty_texts_go_into_a_call() -> None:
    assert [list(part) for part in batches(45)] == [list(range(20)), list(range(20, 40)), list(range(40, 45))]
    assert batches(0) == []
    assert BATCH == 20


def test_a_call_shows_the_first_words_of_each_text() -> None:
    call = levels_call(["word " * 100, "short"])
    assert call.static == LEVELS_STATIC
    assert call.dynamic == f"1. {' '.join(['word'] * SHOWN_WORDS)}\n2. short"
    long = levels_call(["木" * 9_000] * BATCH)
    assert len(long.dynamic.encode()) <= SHOWN_BYTES + 5 * BATCH


def test_the_form_of_an_answer_is_a_grammar_that_can_be_read_and_a_schema() -> None:
    assert grammar_flaw(grammar(BATCH)) is None
    assert schema(3)["required"] == ["1", "2", "3"]


def test_summaries_are_read_whatever_else_is_said_and_wherever_it_ends() -> None:
    said = f'Here: {{"1": {json.dumps(GOOD)}, "2": ["one", "two"], "3": {json.dumps(GOOD)}, "4": ["cut'
    first, second, third, fourth = read_levels(said, 4)
    assert first == third == (*GOOD[:4], " ".join(["x"] * 15))
    assert second == fourth == NOTHING


def test_a_summary_has_no_more_words_than_its_level() -> None:
    (found,) = read_levels(json.dumps({"1": ["many words of it. " * 20] * 5}), 1)
    assert [len(text.split()) for text in found] == [most for _, most in LEVELS]
    assert not found[0].endswith(".")


def test_what_says_nothing_is_no_summary() -> None:
    for bad in (["", *GOOD[1:]], ["...", *GOOD[1:]], [1, *GOOD[1:]], GOOD[:4], {"a": 1}, "text"):
        assert read_levels(json.dumps({"1": bad}), 1) == [NOTHING]
    assert read_levels("prose", 2) == [NOTHING, NOTHING]
    assert read_levels('{"1": ["\\u00"]}', 1) == [NOTHING]


def test_without_a_model_terms_come_first_and_then_the_title() -> None:
    found = levels_by_rule("How the moon moves the tides", ["tides", "moon", "sea", "gravity", "bay"])
    assert found[0] == "tides moon"
    assert found[1] == "tides moon sea gravity"
    assert found[4] == "How the moon moves the tides"
    assert levels_by_rule("", ["tides"]) == ("tides",) * 5
    assert levels_by_rule("The moon", [])[0] == "The moon"
