"""Answers as models write them, and what is read out of each."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lattice.traversal.judges.answers import objects_of, scores_of

WHOLE = json.dumps({"problem": "p", "A": {"offers": "x", "score": 90}, "B": {"offers": 'a "b" {c}', "score": 5}})
BOTH = {"A": 0.9, "B": 0.05}


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"  {WHOLE}\n",
        f"Sure, here is the JSON you asked for:\n{WHOLE}\nI hope that it helps {{so much}}!",
        f"```json\n{WHOLE}\n```",
        f"The form [A] {{...}} is clear.\n{WHOLE}",
        f"<think>Perhaps {WHOLE.replace('90', '1')}?</think>\n{WHOLE}",
        f"First draft: {WHOLE.replace('90', '20')}\nFinal: {WHOLE}",
        '{"A": 90, "B": 5}',
        '{"a": {"score": 90}, "b": {"score": 5}}',
        '{"[A]": {"Score": 1, "score": 90}, "[B]": 5}',
        '{"Passage A": {"relevance": 90}, "Passage B": {"relevance": 5}}',
        '{"problem": "p", "passages": {"A": {"score": 90}, "B": {"score": 5}}}',
        '{"scores": [{"letter": "A", "score": 90}, {"letter": "B", "score": 5}]}',
        'Here: [{"id": "[A]", "score": 90}, {"id": "[B]", "score": 5}]',
        '{"A": {"score": "90"}, "B": {"score": "5 %"}}',
        '{"A": {"score": "90/100"}, "B": {"score": "1/20"}}',
        "{'A': {'score': 90}, 'B': {'score': 5}}",
        "{A: {score: 90}, B: {score: 5}}",
        '{"A": {"offers": "x", "score": 90,}, "B": {"offers": "y", "score": 5},}',
        '{"A": {"offers": "says "hello" to you", "score": 90}, "B": {"offers": "y", "score": 5}}',
        '{"A": {"offers": "x", "score": 90}, "B": {"offers": "y", "score": 5}',
        '{"problem": "p"\n"A": {"offers": "x", "score": 90}\n"B": {"offers": "y", "score": 5}}',
        'So: {"A": {"offers": "x", "score": 90}, "B": {"offers": "y", "score": 5}, "note": "cut he',
    ],
)
def test_two_scores_are_found_however_they_are_put(text: str) -> None:
    assert scores_of(text, "AB") == pytest.approx(BOTH)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot do that.",
        "Passage A is the best, then B.",
        "{}",
        "[1, 2]",
        "null",
        "42",
        '{"answer": 42, "score": 90}',
        '{"A": true, "B": null}',
        '{"A": "high", "B": {"score": "not at all"}}',
        '{"A": NaN, "B": Infinity}',
        '{"C": 90, "Z": 5}',
        "{" * 5000,
        "[" * 100_000,
        '{"A": {"score": {"score": {"score": 90}}}}',
    ],
)
def test_where_there_is_no_score_none_is_made_up(text: str) -> None:
    assert scores_of(text, "AB") == {}


def test_what_the_answer_leaves_out_is_left_out() -> None:
    assert scores_of('{"A": 90, "C": 5}', "ABC") == {"A": 0.9, "C": 0.05}
    assert scores_of('{"problem": "p", "A": {"offers": "x", "score": 90}, "B": {"offers": "y", "sc', "AB") == {"A": 0.9}


@pytest.mark.parametrize(
    ("scores", "read"),
    [
        ([100, 0], [1.0, 0.0]),
        ([250, -3], [1.0, 0.0]),
        ([10**400, -(10**400)], [1.0, 0.0]),
        ([87.5, 1], [0.875, 0.01]),
        # From 0 to 1 only where no score is above 1 and one is no whole number: 1 and 0 may well be out of 100.
        ([0.9, 0.05], [0.9, 0.05]),
        ([0.9, 1], [0.9, 1.0]),
        ([1, 0], [0.01, 0.0]),
        ([0.9, 2], [0.009, 0.02]),
        ([-0.5, 1], [0.0, 1.0]),
        (["0.9", "1.0"], [0.9, 1.0]),
    ],
)
def test_scores_are_brought_into_their_range(scores: list[object], read: list[float]) -> None:
    text = json.dumps(dict(zip("AB", scores, strict=True)))
    assert list(scores_of(text, "AB").values()) == pytest.approx(read)


@given(st.text(max_size=300))
def test_no_answer_is_too_strange(text: str) -> None:
    for answer in (text, f'{{"A": {text}', f'{{"A": {{"offers": "{text}", "score": 90}}}}'):
        assert all(0.0 <= score <= 1.0 for score in scores_of(answer, "AB").values())


@given(st.lists(st.integers(0, 100), min_size=1, max_size=20), st.text(max_size=40))
def test_an_answer_in_the_form_is_read_exactly(scores: list[int], offers: str) -> None:
    letters = "ABCDEFGHIJKLMNOPQRST"[: len(scores)]
    said = {letter: {"offers": offers, "score": score} for letter, score in zip(letters, scores, strict=True)}
    found = scores_of(json.dumps({"problem": offers, **said}), letters)
    assert found == {letter: score / 100 for letter, score in zip(letters, scores, strict=True)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ('Well:\n```json\n{"a": {"b": 2}}\n```\nand {"c": 3}', [{"a": {"b": 2}}, {"c": 3}]),
        ('[{"a": 1}, 3, {"b": 2}]', [{"a": 1}, {"b": 2}]),
        ('<think>{"a": 0}</think>{"a": 1}', [{"a": 1}]),
        ('{"a": "b", "c": ["d", "e', [{"a": "b", "c": ["d", "e"]}]),
        ("{'a': 1,}", [{"a": 1}]),
        ("no", []),
        ("", []),
        ("[1, 2]", []),
        ("[" * 100_000, []),
    ],
)
def test_objects_are_found_among_words_and_repaired_where_there_is_none(
    text: str, found: list[dict[str, object]]
) -> None:
    assert objects_of(text) == found
