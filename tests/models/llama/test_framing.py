from __future__ import annotations

import pytest

from lattice.models.llama.framing import cut


def test_what_fits_is_left_alone() -> None:
    assert cut("three small words", len, 17) == "three small words"


def test_a_cut_goes_back_to_the_end_of_a_word() -> None:
    assert cut("three small words", len, 16) == "three small"
    assert cut("three small words", len, 11) == "three small"
    assert cut("three small words", len, 12) == "three small"


@pytest.mark.parametrize("text", ["赤道仪" * 40, "x" * 120, "title " + "赤" * 100])
def test_where_no_word_ends_nearby_it_is_cut_between_two_letters(text: str) -> None:
    assert cut(text, len, 60) == text[:60]


def test_a_word_is_kept_whole_though_its_parts_measure_more() -> None:
    def known_words(text: str) -> int:
        return sum(1 if word == "stars" else len(word) for word in text.split())

    assert cut("stars " * 40, known_words, 30) == ("stars " * 30).rstrip()
    assert cut("star " * 40, known_words, 30) == ("star " * 7).rstrip()


def test_a_measure_that_jumps_is_never_exceeded() -> None:
    def jumping(text: str) -> int:
        return 2 * len(text) if len(text) % 3 == 1 else len(text)

    for limit in range(1, 30):
        assert jumping(cut("one two three four five six seven", jumping, limit)) <= limit


def test_nothing_is_left_where_nothing_fits() -> None:
    assert cut("word", lambda text: len(text) + 5, 5) == ""


def test_a_long_text_is_not_measured_all_the_way() -> None:
    measured: list[int] = []

    def words(text: str) -> int:
        measured.append(len(text))
        return len(text.split())

    assert len(cut("word " * 100_000, words, 10).split()) == 10
    assert max(measured[1:]) <= 640
