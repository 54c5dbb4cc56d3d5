from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder import index_terms
from lattice.index_builder.index_terms import index_terms_of
from lattice.index_builder.summaries import ExtractiveSummarizer, lexicon_of
from lattice.tokens import stem

TEXTS = ["bees make honey", "a hive of bees", "tides follow the moon", "the moon and its tides", "dough rises"]
WORDS = "bee honey hive tide moon dough yeast oven star orbit".split()


def test_a_nodes_terms_are_the_stems_that_it_has_more_of_than_the_corpus() -> None:
    assert index_terms_of(lexicon_of(TEXTS), [[0, 1], [2, 3], [4], range(5)]) == [
        ("bee", "honey", "hive"),
        ("tide", "moon", "follow"),
        ("dough", "rise"),
        ("bee", "tide", "moon"),
    ]


def test_nothing_has_no_terms() -> None:
    assert index_terms_of(lexicon_of([]), [[]]) == [()]
    assert index_terms_of(lexicon_of(["and of the"]), [[0]]) == [()]
    assert index_terms_of(lexicon_of(TEXTS), []) == []


def test_a_node_has_so_many_terms_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_terms, "MOST_INDEX_TERMS", 2)
    assert index_terms_of(lexicon_of(TEXTS), [[0, 1]]) == [("bee", "honey")]


@settings(deadline=None, derandomize=True)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1), min_size=1, max_size=12), st.data())
def test_they_begin_with_the_terms_of_the_description_however_nodes_are_parted(
    texts: list[list[str]], data: st.DataObject
) -> None:
    lexicon = lexicon_of([" ".join(words) for words in texts])
    nodes = data.draw(st.lists(st.lists(st.sampled_from(range(len(texts))), min_size=1, unique=True), min_size=1))
    found = index_terms_of(lexicon, nodes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_terms, "LEAVES_TOGETHER", 1)
        assert index_terms_of(lexicon, nodes) == found
    summarizer = ExtractiveSummarizer(lexicon, (), np.zeros((0, 1), dtype=np.float32), 40)
    for leaves, terms in zip(nodes, found, strict=True):
        described = [stem(term) for term in summarizer.terms(leaves)]
        assert list(terms[: len(described)]) == described
