from __future__ import annotations

import math
from pathlib import Path

import pytest

from lattice.lint.words import MOST_WORDS, Weigher, as_written, cosine, terms_of
from tests.lint.trees import good_tree


class Counts:
    """Frequencies by the book; `asked` holds every question."""

    def __init__(self, **counts: int) -> None:
        self.counts, self.asked = counts, list[list[str]]()

    def frequencies(self, stems: list[str]) -> dict[str, int]:
        self.asked.append(stems)
        return {stem: self.counts[stem] for stem in stems if stem in self.counts}


def test_rare_words_weigh_more_and_unknown_ones_as_if_they_stood_once() -> None:
    weigher = Weigher(Counts(owl=2, bird=10), passages=10)
    found = weigher.weights({"owl", "bird", "zzz"})
    assert found == pytest.approx({"owl": math.log(6), "bird": math.log(2), "zzz": math.log(11)})


def test_a_word_is_looked_up_once() -> None:
    counts = Counts(owl=2)
    weigher = Weigher(counts, passages=10)
    weigher.bag("owl owls")
    weigher.bag("the owl")
    assert counts.asked == [["owl"]]


def test_a_bag_has_length_one_and_the_cosine_is_that_of_the_weights() -> None:
    weigher = Weigher(Counts(owl=1, vole=1, heron=1), passages=1)
    one, other = weigher.bag("owl vole"), weigher.bag("owl heron")
    assert cosine(one, one) == pytest.approx(1.0)
    assert cosine(one, other) == pytest.approx(0.5)
    assert weigher.bag("the of and") == {}


def test_terms_leave_out_stopwords_and_single_letters_but_not_single_characters() -> None:
    assert terms_of("The owls of x") == ["owl"]
    assert "検" in terms_of("検索")


def test_the_sentence_nearest_the_whole_is_chosen_and_not_the_title() -> None:
    text = "Owls and voles.\nOwls hunt voles over dark meadows. See page nine."
    sentence = Weigher(Counts(), 5).sentence(text, "Owls and voles")
    assert sentence == "Owls hunt voles over dark meadows."


def test_a_sentence_that_repeats_the_title_is_passed_over() -> None:
    title = "Owls hunt voles over dark meadows."
    text = f"{title} {title} In winter they starve beneath snow."
    assert Weigher(Counts(), 5).sentence(text, title) == "In winter they starve beneath snow."


def test_a_text_that_only_repeats_its_title_is_asked_for_by_it() -> None:
    assert Weigher(Counts(), 5).sentence("Owls and voles", "Owls and voles") == "Owls and voles"


def test_a_text_without_words_has_no_sentence_and_a_long_one_is_cut() -> None:
    weigher = Weigher(Counts(), 5)
    assert weigher.sentence("— … 。", "title") == ""
    assert len(weigher.sentence("owl " * 200, "title").split()) == MOST_WORDS


def test_own_terms_are_the_frequent_and_rare_ones() -> None:
    weigher = Weigher(Counts(common=100), passages=100)
    assert weigher.own_terms("owl owl heron common") == ["owl", "heron", "common"]
    assert len(weigher.own_terms(" ".join(f"word{letter}" for letter in "abcdefghijklmnop"))) == 10


def test_terms_are_shown_as_they_are_first_written() -> None:
    text = "Owls hunted. An OWL hunts; snake_case stays."
    terms = terms_of(text)
    shown = dict(zip(terms, as_written(terms, text), strict=True))
    assert (shown["owl"], shown["hunt"]) == ("Owls", "hunted")
    assert all(form in text for form in shown.values())


def test_the_store_counts_passages(tmp_path: Path) -> None:
    with good_tree(tmp_path / "tree.lattice") as store:
        assert store.frequencies(["heron", "owl", "absent"]) == {"heron": 1, "owl": 1}
        assert [node.id for node in store.nodes()] == [1, 2, 3, 4, 5, 6, 7]
