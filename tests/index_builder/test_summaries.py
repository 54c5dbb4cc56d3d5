"""Descriptions: short, made of words that a person wrote, about what lies below."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder import summaries
from lattice.index_builder.summaries import ExtractiveSummarizer, label, lexicon_of, shortened, summarizer_of
from lattice.models.embedders import fit_tfidf_svd
from lattice.tokens import STOPWORDS
from lattice.types import BEFORE_TERMS, Group, Passage
from tests.index_builder.corpora import passage, small_corpus


def summarizer(passages: list[Passage], words: int = 40) -> ExtractiveSummarizer:
    vectors = fit_tfidf_svd([p.title + "\n" + p.text for p in passages], 8, 1000, seed=0)[1]
    return summarizer_of(passages, vectors, words)


def singles(*leaves: int) -> list[list[int]]:
    return [[leaf] for leaf in leaves]


def terms(description: str) -> list[str]:
    _, _, found = description.partition(BEFORE_TERMS)
    return found.split(summaries.BETWEEN_TERMS) if found else []


def test_a_cluster_is_told_by_its_titles_and_terms() -> None:
    description = summarizer(small_corpus()).describe(Group(singles(0, 4, 8, 12)))
    titles = description.split(BEFORE_TERMS, maxsplit=1)[0].split(summaries.BETWEEN_TITLES)
    assert set(titles) == {"Baking bread I", "Baking bread II", "Baking bread III", "Baking bread IIII"}
    assert {"baker", "dough", "yeast", "loaf"} <= set(terms(description))
    assert not {"sailors", "hive", "telescope", "Part"} & set(terms(description))


def test_terms_are_written_words_without_stopwords_and_numbers() -> None:
    corpus = small_corpus()
    for start in range(4):
        found = terms(summarizer(corpus).describe(Group(singles(*range(start, 16, 4)))))
        written = {word.strip(".,") for p in corpus for word in f"{p.title} {p.text}".split()}
        assert found
        assert set(found) <= written
        assert not {term.lower() for term in found} & STOPWORDS
        assert not any(term.isnumeric() for term in found)


def test_terms_tell_a_node_apart_without_its_titles() -> None:
    description = summarizer(small_corpus()).describe(Group(singles(0, 4, 8, 12)))
    assert {"bread", "dough"} <= {term.lower() for term in terms(description)}


def test_a_description_keeps_within_its_words() -> None:
    corpus = [passage(f"{i}", title=f"{'Very ' * 20}long title {i}", text="alpha beta gamma") for i in range(9)]
    for words in (1, 3, 8, 20, 40):
        description = summarizer(corpus, words).describe(Group(singles(*range(9))))
        assert 1 <= len(description.split()) <= words


def test_equal_titles_are_told_once() -> None:
    corpus = [passage(str(i), title="The  Overview" if i else "the overview", text=f"alpha {i}") for i in range(4)]
    description = summarizer(corpus).describe(Group(singles(0, 1, 2, 3)))
    assert description.lower().count("overview") == 1


def test_titles_cover_the_children_before_they_repeat_one_subject() -> None:
    corpus = small_corpus()
    description = summarizer(corpus, 12).describe(Group(singles(0, 4, 8, 12, 1)))
    titles = description.split(BEFORE_TERMS, maxsplit=1)[0].split(summaries.BETWEEN_TITLES)
    assert [title.split()[0] for title in titles] == ["Baking", "Sailing"]


def test_upper_nodes_take_one_title_a_child() -> None:
    corpus = small_corpus()
    groups = [list(range(start, 16, 4)) for start in range(4)]
    description = summarizer(corpus).describe(Group(groups))
    titles = description.split(BEFORE_TERMS, maxsplit=1)[0].split(summaries.BETWEEN_TITLES)
    assert sorted(title.split()[0] for title in titles) == ["Baking", "Keeping", "Sailing", "Watching"]


def test_the_author_s_headings_come_first() -> None:
    description = summarizer(small_corpus()).describe(Group(singles(0, 4), ["Chapter one", "Chapter two"]))
    assert description.startswith("Chapter one; Chapter two: ")
    assert BEFORE_TERMS not in description
    assert len(description.split()) <= summaries.NAMED_WORDS


def test_documents_without_a_title_give_their_first_sentence() -> None:
    corpus = [passage(str(i), text=f"Cats number {i} purr. They sleep all day.") for i in range(2)]
    description = summarizer(corpus).describe(Group(singles(0, 1)))
    assert description.startswith("Cats number 0 purr.; Cats number 1 purr.")
    assert "They sleep" not in description


def test_an_empty_node_says_so() -> None:
    assert summarizer([]).describe(Group([])) == summaries.NOTHING


def test_nodes_without_any_words_are_described_all_the_same() -> None:
    corpus = [passage(str(i), title="", text="??? !!!") for i in range(3)]
    assert summarizer(corpus).describe(Group(singles(0, 1, 2))) == "???"


def test_the_most_frequent_form_stands_for_its_stem() -> None:
    lexicon = lexicon_of(["Genes and genes", "a gene, genes", "SQLite", "sqlite SQLite"])
    assert lexicon.surfaces == ("genes", "SQLite")
    assert lexicon.counts.tolist() == [2, 2]


def test_addresses_numbers_and_halves_of_words_are_no_terms() -> None:
    lexicon = lexicon_of(["See https://example.org/page 2024 and www.example.com, OSes, can't, x, p53 café snake_case"])
    assert sorted(lexicon.surfaces) == ["OSes", "See", "café", "p53", "snake_case"]


def test_a_leaf_is_labelled_by_title_and_headings() -> None:
    assert label(passage("a", title="Guide", heading=("Guide", "Install", "Linux"))) == "Guide › Install › Linux"
    assert label(passage("a", text="one two three four five six seven eight nine ten eleven")) == (
        "one two three four five six seven eight nine ten…"
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("a b", "a b"), ("", ""), (" ".join("abcdefghij"), "a b c d e f g h i j")]
)
def test_short_texts_are_not_cut(text: str, expected: str) -> None:
    assert shortened(text) == expected


def test_describing_again_gives_the_same_text() -> None:
    first, second = (summarizer(small_corpus()).describe(Group(singles(*range(16)))) for _ in range(2))
    assert first == second


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=80)), min_size=1, max_size=8), st.integers(1, 40))
def test_any_texts_give_one_short_line(texts: list[tuple[str, str]], words: int) -> None:
    corpus = [passage(str(i), title=title, text=text) for i, (title, text) in enumerate(texts)]
    vectors = np.zeros((len(corpus), 1), dtype=np.float32)
    description = summarizer_of(corpus, vectors, words).describe(Group(singles(*range(len(corpus)))))
    assert len(description.split()) <= words
    assert "\n" not in description
    assert not {term.lower() for term in terms(description)} & STOPWORDS


def test_behind_what_a_model_has_said_stand_the_terms_that_it_lacks() -> None:
    made = summarizer(small_corpus())
    said = f"All that a baker does: {made.terms([0, 1, 2, 4])[0]}."
    text, _, found = made.describe(Group(singles(0, 1, 2, 4), said=said)).partition(summaries.BEFORE_MORE)
    assert text == said
    assert found.split(", ") == made.terms([0, 1, 2, 4], said)
    assert 0 < len(made.terms([0, 1, 2, 4], said)) < len(made.terms([0, 1, 2, 4]))


def test_groups_are_described_one_after_the_other() -> None:
    made = summarizer(small_corpus())
    groups = [Group(singles(0, 1)), Group(singles(4, 5))]
    assert list(made.describe_all(groups)) == [(0, made.describe(groups[0])), (1, made.describe(groups[1]))]
