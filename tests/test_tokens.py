from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.tokens import content_stems, stems, tokens, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plain words, two.", ["plain", "words", "two"]),
        ("getUserName", ["get", "user", "name", "getusername"]),
        ("parse_http_request2", ["parse", "http", "request", "2", "parsehttprequest2"]),
        ("HTTPServer", ["http", "server", "httpserver"]),
        ("C++ and C# code", ["c++", "and", "c#", "code"]),
        ("don't", ["dont"]),
        ("the actor's and the actor’s", ["the", "actor", "and", "the", "actor"]),
        ("foo-bar?", ["foo", "bar"]),
        ("Café naïve ÜBER", ["cafe", "naive", "uber"]),
        ("ﬁne", ["fine"]),
        ("赤道仪", ["赤", "赤道", "道", "道仪", "仪"]),
        ("x86_64 и Москва", ["x", "86", "64", "x8664", "и", "москва"]),
        ("a fox 🦊🦊 here", ["a", "fox", "🦊", "🦊", "here"]),
        ("", []),
        ('\x00 " * ( ) ^ -', []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_stems_join_forms_of_a_word() -> None:
    assert stems("leaks leaking leaked leak") == ["leak"] * 4


def test_content_stems_drop_function_words_but_never_everything() -> None:
    assert content_stems("why does my actor leak") == ["actor", "leak"]
    assert content_stems("to be or not to be") == ["to", "be", "or", "not", "to", "be"]


def test_what_is_longer_than_a_word_can_be_is_none() -> None:
    assert words("a" * 65) == []


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.text(max_size=200))
def test_tokens_lie_within_the_text_in_order(text: str) -> None:
    found = list(tokens(text))
    assert all(0 <= token.start < token.end <= len(text) for token in found)
    assert [token.start for token in found] == sorted(token.start for token in found)
    assert all(token.word and not token.word.isspace() for token in found)
