"""Counting words, and cutting texts at the coarsest joints that will do."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.corpus.pieces import count_words, cut


def texts(text: str, min_words: int = 4, max_words: int = 8) -> list[tuple[str, str]]:
    return [(piece.grain, text[piece.start : piece.end]) for piece in cut(text, min_words, max_words)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("two words", 2),
        ("don't use C++ | a-b", 5),
        ("中文字符", 2),
        ("中文字", 2),
        ("用Python写", 3),
        ("ภาษาไทย", 4),
        ("x" * 32, 1),
        ("x" * 33, 2),
        ("한국어 단어", 2),
    ],
)
def test_words_are_counted(text: str, words: int) -> None:
    assert count_words(text) == words


def test_paragraphs_that_fit_stay_whole() -> None:
    assert texts("one two three. four five\nsix\n \n\tseven eight") == [
        ("paragraph", "one two three. four five\nsix"),
        ("paragraph", "\tseven eight"),
    ]


def test_long_paragraphs_are_cut_at_sentences_and_list_items() -> None:
    assert texts("One two three four. Five six seven eight!\n- nine ten eleven") == [
        ("paragraph", "One two three four."),
        ("sentence", "Five six seven eight!"),
        ("sentence", "- nine ten eleven"),
    ]


def test_long_sentences_are_cut_at_lines_and_long_lines_between_words() -> None:
    lines = "a b c d e f g\nh i j k l m n o p q"
    assert texts(lines) == [
        ("paragraph", "a b c d e f g"),
        ("line", "h i"),
        ("word", "j k"),
        ("word", "l m"),
        ("word", "n o"),
        ("word", "p q"),
    ]


def test_scripts_without_spaces_are_cut_at_their_own_stops() -> None:
    text = "今天天气很好。我们去公园散步吧！你觉得怎么样呢？"
    assert [part for _, part in texts(text, max_words=5)] == [
        "今天天气很好。",
        "我们去公园散步吧！",
        "你觉得怎么样呢？",
    ]


def test_a_quotation_keeps_its_stop() -> None:
    text = 'He said "go home now please." Then they all went home together.'
    assert [part for _, part in texts(text)] == ['He said "go home now please."', "Then they all went home together."]


def test_a_run_without_spaces_is_cut_too() -> None:
    pieces = cut("x" * 1000, 4, 8)
    assert [piece.words for piece in pieces] == [2] * 16
    assert pieces[-1].end == 1000


def test_tiny_neighbours_are_one_piece() -> None:
    assert texts("a\n\nb\n\nc", min_words=8) == [("paragraph", "a\n\nb"), ("paragraph", "c")]


def test_indentation_of_a_first_line_is_kept() -> None:
    assert texts("\n\n    def f():\n        pass\n") == [("paragraph", "    def f():\n        pass")]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.text(alphabet="ab .!\n-。中文é\t|", max_size=300), st.integers(1, 10), st.integers(1, 20))
def test_pieces_hold_every_character_in_order(text: str, min_words: int, max_words: int) -> None:
    pieces = cut(text, min_words, max(min_words, max_words))
    assert all(before.end <= after.start for before, after in pairwise(pieces))
    assert "".join("".join(text[p.start : p.end].split()) for p in pieces) == "".join(text.split())
    assert all(0 < piece.words <= max(min_words, max_words) for piece in pieces)
