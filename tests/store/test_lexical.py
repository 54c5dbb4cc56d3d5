from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.store import lexical
from lattice.store.lexical import Unit
from lattice.store.store import Store
from tests.store.snapshots import make_snapshot, make_store


@pytest.fixture(name="store", scope="module")
def fixture_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("lexical") / "notes.lattice")


def found(store: Store, query: str, limit: int = 10) -> list[int]:
    return [passage for passage, _ in store.lexical(query, limit)]


def store_of(path: Path, texts: list[str], title: str = "t") -> Store:
    return make_store(path / "texts.lattice", make_snapshot({f"{title}.md": [((), text) for text in texts]}))


def test_the_passage_that_says_it_comes_first(store: Store) -> None:
    assert found(store, "why does my actor leak memory?")[0] == 1
    assert found(store, "which reference keeps an actor from the collector")[0] == 2


def test_scores_fall_and_the_limit_holds(store: Store) -> None:
    hits = store.lexical("actor memory C++ header", 10)
    scores = [score for _, score in hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0
    assert store.lexical("actor memory C++ header", 2) == hits[:2]
    assert store.lexical("actor", 0) == []


def test_symbols_are_part_of_a_word(store: Store) -> None:
    assert set(found(store, "C++")) == {3, 4, 5}  # 5 by its title
    assert found(store, "C#") == [4]
    assert found(store, "c") == []
    assert found(store, "don't") == [3]


def test_compounds_are_found_by_part_and_by_whole(store: Store) -> None:
    assert found(store, "parseConfig") == found(store, "parse_config") == found(store, "config") == [5]


def test_scripts_without_spaces_are_searched_by_pairs(store: Store) -> None:
    assert found(store, "検索") == [6]
    assert found(store, "文書の索引") == [6]


@pytest.mark.parametrize("query", ["", " ", '"', "*", "(", "^", "\0", "''", "-", "\ud800", "🦊"])
def test_a_query_of_no_words_finds_nothing(store: Store, query: str) -> None:
    assert store.lexical(query, 10) == []


@pytest.mark.parametrize(
    "query",
    [
        *('actor"', "actor*", "actor NEAR(", "actor AND", "NOT actor", "text:actor", "{title}: actor", "actor -memory"),
        *("actor\0", "ACTOR OR", "foo-bar? actor", "actor + memory", "^actor", "актёр actor", "⑴ ½ ﷺ actor"),
    ],
)
def test_query_syntax_is_only_words(store: Store, query: str) -> None:
    assert set(found(store, query)) >= {1, 2}


def test_words_of_query_syntax_are_searched_for(tmp_path: Path) -> None:
    with store_of(tmp_path, ["near the river", "far away"]) as store:
        assert found(store, "NEAR(river)") == [1]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(query=st.text(max_size=40))
def test_no_query_fails(store: Store, query: str) -> None:
    assert len(store.lexical(query, 3)) <= 3


def test_a_repeated_word_counts_once(store: Store) -> None:
    assert store.lexical("actor actor Actors actor's", 5) == store.lexical("actor", 5)


def test_equal_scores_stand_by_id(tmp_path: Path) -> None:
    with store_of(tmp_path, ["grey heron"] * 5 + ["white swan"]) as store:
        assert found(store, "heron") == [1, 2, 3, 4, 5]
        assert found(store, "heron", 2) == [1, 2]


def test_a_rare_word_weighs_more_than_a_common_one(tmp_path: Path) -> None:
    with store_of(tmp_path, ["river boat"] * 6 + ["river otter"] + ["meadow"] * 7) as store:
        assert found(store, "river otter")[0] == 7


def test_a_title_weighs_more_than_a_text(tmp_path: Path) -> None:
    files = {"heron.md": [((), "a bird by the water")], "zoo.md": [((), "a heron by the water")]}
    files |= {f"other{number}.md": [((), "a plain page of text")] for number in range(9)}
    with make_store(tmp_path / "title.lattice", make_snapshot(files)) as store:
        assert [store.passage(passage).document for passage in found(store, "heron")] == ["heron.md", "zoo.md"]


def test_compatibility_forms_keep_their_words() -> None:
    assert lexical.terms(["(1)", "c++", "صلى الله", "c#", 'a"b']) == ["1", "c++", "صلى", "الله", "c#", "a", "b"]


def test_a_long_query_keeps_its_weightiest_words(tmp_path: Path) -> None:
    common = [f"common{number}" for number in range(lexical.MAX_QUERY_TERMS + 20)]
    with store_of(tmp_path, [" ".join(common)] * 5 + ["otter"]) as store:
        query = Counter([*common, "absent", "otter", "common7", "common7", "common7"])
        kept = lexical._weightiest(store._connection, query)
        # By hand: 4·ln(1 + 6/5) = 3.15 for the repeated word, ln(1 + 6/1) = 1.95 for the rare one, the rest have 0.79.
        assert kept[:4] == ["common7", "otter", "common0", "common1"]
        assert "absent" not in kept
        assert len(kept) == lexical.MAX_QUERY_TERMS
        assert found(store, " ".join(query.elements()))[0] == 6


def test_ten_thousand_words_are_answered(tmp_path: Path) -> None:
    random_ = random.Random(0)
    vocabulary = [f"{random_.choice('bcdfg')}{number:x}" for number in range(20_000)]
    texts = [" ".join(random_.choices(vocabulary[: 10 ** (2 + number % 3)], k=12)) for number in range(8_000)]
    with store_of(tmp_path, texts) as store:
        query = " ".join(random_.choices(vocabulary, k=10_000))
        assert len(store.lexical(query, 100)) == 100


def test_only_admitted_passages_are_found_before_the_limit_cuts(store: Store) -> None:
    everything = store.lexical("actor memory C++ header", 10)
    assert len(everything) > 2
    best, *rest = everything
    admitted = bytes(i != best[0] for i in range(1, 7))
    assert store.lexical("actor memory C++ header", len(rest), admitted) == rest
    assert store.lexical("actor memory C++ header", 1, admitted) == rest[:1]
    assert store.lexical("actor", 10, bytes(6)) == []


def test_a_long_query_is_shortened_alike_with_and_without_a_filter(store: Store) -> None:
    query = "actor mailbox template " + " ".join(f"word{i}" for i in range(200))
    assert store.lexical(query, 10, bytes([1] * 6)) == store.lexical(query, 10)


def test_documents_are_found_by_words_that_no_passage_of_theirs_has_together(store: Store) -> None:
    (best, _), *_ = store.lexical("destructor generics header", 5, unit=Unit.DOCUMENTS)
    assert best == 2
    assert [number for number, _ in store.lexical("heron", 5, unit=Unit.DOCUMENTS)] == []


def test_only_admitted_documents_are_found(store: Store) -> None:
    everything = store.lexical("actor destructor 検索", 5, unit=Unit.DOCUMENTS)
    assert {number for number, _ in everything} == {1, 2, 3}
    without = store.lexical("actor destructor 検索", 5, bytes([1, 0, 1]), Unit.DOCUMENTS)
    assert without == [one for one in everything if one[0] != 2]
