from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest

from lattice.models.prompts import Frame
from lattice.traversal.judges.scent import A_NAT, Scent, evenly
from lattice.types import Candidate, Usage


@dataclass(frozen=True)
class Words:
    lifts: Mapping[str, float]
    usage: Usage = Usage(evaluated=7, calls=1)  # noqa: RUF009 - frozen


@dataclass
class Reader:
    lifts: Mapping[str, float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def expected_words(self, text: str, frame: Frame, most: int, *, seconds: float | None = None) -> Words:
        self.asked.append(text)
        return Words(self.lifts)

    def expected_cost(self, text: str, frame: Frame) -> int:
        return 7


def node(*terms: str, text: str = "no matter") -> Candidate:
    return Candidate(1, text, is_leaf=False, index_terms=frozenset(terms))


def strength(query: str, candidate: Candidate, lifts: Mapping[str, float] | None = None) -> float:
    return Scent(Reader(lifts or {}), evenly).strengths(query, [candidate])[0][0]


def test_a_scent_is_the_share_of_the_query_that_stands_there() -> None:
    assert strength("why do actors leak", node("actor", "mailbox")) == 1 / 2
    assert strength("why do actors leak", node("actor", "leak")) == 1.0
    assert strength("why do actors leak", node("honey")) == 0.0


def test_words_that_the_corpus_does_not_know_do_not_count() -> None:
    def known(stems: Iterable[str]) -> dict[str, float]:
        return {stem: 2.0 for stem in stems if stem != "zyzzyva"}

    scent = Scent(Reader(), known)
    assert scent.strengths("zyzzyva actors", [node("actor")])[0] == [1.0]
    assert scent.strengths("zyzzyva", [node("actor")])[0] == [0.0]


def test_three_terms_that_are_expected_most_count_by_their_lifts() -> None:
    lifts = {"hive": 4.0, "comb": 3.0, "bee": 2.0, "wax": 1.0, "sting": 9.0}
    assert strength("honey", node("hive", "comb", "bee", "wax"), lifts) == pytest.approx(A_NAT * 9.0 / 3)
    assert strength("honey", node("hive", "honey"), lifts) == pytest.approx(1.0 + A_NAT * 4.0 / 3)


def test_a_node_without_index_terms_smells_of_its_description() -> None:
    assert strength("keeping bees", node(text="How to keep bees")) == 1.0
    # A query of nothing but function words is looked for with them, and no description holds those.
    assert strength("how to", node(text="How to keep bees")) == 0.0


def test_a_query_is_read_once_and_shortened() -> None:
    reader = Reader()
    scent = Scent(reader, evenly, query_words=2)
    assert scent.cost("one two three") == 7
    assert scent.strengths("one two three", [node("bee")])[1].evaluated == 7
    assert scent.cost("one two three") == 0
    assert scent.strengths("one two three", [node("bee")])[1] == Usage()
    assert scent.strengths("four", [node("bee")])[1].evaluated == 7
    assert reader.asked == ["one two", "four"]


def test_rarities_are_asked_each_time_for_the_index_may_be_another() -> None:
    told = [{"bee": 1.0, "hive": 1.0}, {"bee": 3.0, "hive": 1.0}]
    scent = Scent(Reader(), lambda _: told.pop(0))
    assert [scent.strengths("bee hive", [node("bee")])[0] for _ in range(2)] == [[1 / 2], [3 / 4]]
