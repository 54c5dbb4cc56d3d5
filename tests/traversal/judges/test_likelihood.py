from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from lattice.models.prompts import BARE, EXPECTING, LIKELIHOOD, Frame
from lattice.traversal.judges.likelihood import LEAF_SCALE, NODE_SCALE, LikelihoodJudge
from lattice.traversal.judges.reading import Scale
from lattice.traversal.judges.scent import PRICE
from lattice.types import Candidate, Slate, Usage


@dataclass(frozen=True)
class FakeReading:
    by_token: npt.NDArray[np.float32]
    usage: Usage


@dataclass(frozen=True)
class FakeWords:
    lifts: Mapping[str, float]
    usage: Usage


EMPTY = len(LIKELIHOOD.after[0].text.split())


@dataclass
class WordCounter:
    """An engine by the book: log P of each word of the query is −5, or −3 where it stands in the text.

    It expects nothing but mailboxes.
    """

    calls: list[tuple[list[str], str, bool]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def continuation_logprobs(
        self,
        texts: Sequence[str],
        continuation: str,
        *,
        frame: Frame = BARE,
        keep: bool = True,
        seconds: float | None = None,
    ) -> FakeReading:
        assert frame is LIKELIHOOD
        self.calls.append((list(texts), continuation, keep))
        rows = [[-3.0 if word in text.split() else -5.0 for word in continuation.split()] for text in texts]
        return FakeReading(np.array(rows, dtype=np.float32), Usage(evaluated=len(texts), calls=1))

    def cost(self, text: str, continuation: str, frame: Frame = BARE) -> int:
        return len(text.split()) + len(continuation.split()) + (EMPTY if frame is LIKELIHOOD else 0)

    def expected_words(self, text: str, frame: Frame, most: int, *, seconds: float | None = None) -> FakeWords:
        assert frame is EXPECTING
        self.asked.append(text)
        return FakeWords({"mailbox": 2.0}, Usage(evaluated=self.expected_cost(text, frame), calls=1))

    def expected_cost(self, text: str, frame: Frame) -> int:
        return 100 + len(text.split())


LEAF = Candidate(1, "an actor leaks memory", is_leaf=True, title="Actors")
OTHER = Candidate(2, "bees make honey", is_leaf=True)
INNER = Candidate(3, "Actors — terms: mailbox", is_leaf=False, index_terms=frozenset({"mailbox", "memori"}))
DISTANT = Candidate(4, "Bees — terms: honey", is_leaf=False, index_terms=frozenset({"honey"}))


def test_a_gain_is_measured_against_the_query_alone() -> None:
    gains, _ = LikelihoodJudge(WordCounter()).gains("actor memory", Slate(None, (LEAF, OTHER)))
    assert gains == [2.0, 0.0]


class Surprising(WordCounter):
    """Log P of "the heron" is (−1, −9) after nothing; each text makes the words that it has one nat likelier."""

    def continuation_logprobs(self, texts: Sequence[str], continuation: str, **how: object) -> FakeReading:
        alone = np.array([-1.0, -9.0], dtype=np.float32)
        has = np.array([[word in text.split() for word in continuation.split()] for text in texts], dtype=np.float32)
        return FakeReading(alone + has, Usage())


def test_a_token_counts_by_the_root_of_its_surprise() -> None:
    slate = Slate(None, (Candidate(1, "the", is_leaf=True), Candidate(2, "heron", is_leaf=True)))
    gains, _ = LikelihoodJudge(Surprising()).gains("the heron", slate)
    assert gains == pytest.approx([1.0 / 4.0, 3.0 / 4.0])


def test_a_token_that_is_certain_and_a_rounding_more_weighs_nothing() -> None:
    class Rounded(WordCounter):
        def continuation_logprobs(self, texts: Sequence[str], continuation: str, **how: object) -> FakeReading:
            rows = [[1e-7, -3.0 if text else -4.0] for text in texts]
            return FakeReading(np.array(rows, dtype=np.float32), Usage())

    assert LikelihoodJudge(Rounded()).gains("a b", Slate(None, (OTHER,)))[0] == pytest.approx([1.0])


def test_a_query_that_follows_of_itself_is_weighed_evenly() -> None:
    class Certain(WordCounter):
        def continuation_logprobs(self, texts: Sequence[str], continuation: str, **how: object) -> FakeReading:
            return FakeReading(np.array([[0.0, -1.0 * bool(text)] for text in texts], dtype=np.float32), Usage())

    assert LikelihoodJudge(Certain()).gains("a b", Slate(None, (OTHER,)))[0] == [-0.5]


def test_leaves_and_inner_nodes_have_scales_of_their_own_and_keep_their_order() -> None:
    judgement = LikelihoodJudge(WordCounter()).score("honey", Slate(None, (LEAF, DISTANT, OTHER)))
    assert judgement.scores == pytest.approx((LEAF_SCALE.score(0.0), NODE_SCALE.score(1.0), LEAF_SCALE.score(2.0)))


def test_no_state_of_a_passage_is_kept_for_its_window_is_the_querys() -> None:
    engine = WordCounter()
    LikelihoodJudge(engine).score("memory", Slate(None, (LEAF, INNER)))
    assert {prefix: keep for prefixes, _, keep in engine.calls for prefix in prefixes if prefix} == {
        f"{LEAF.title}\n{LEAF.text}": False
    }


def test_nothing_of_a_node_is_read() -> None:
    engine = WordCounter()
    gains, usage = LikelihoodJudge(engine).gains("memory leaks", Slate(None, (INNER, DISTANT)))
    assert engine.calls == []
    assert engine.asked == ["memory leaks"]
    assert gains == pytest.approx([1 / 2 + 0.03 * 2.0 / 3, 0.0])
    assert usage.evaluated == 102


def test_words_weigh_by_their_rarity_in_the_corpus() -> None:
    judge = LikelihoodJudge(WordCounter(), lambda stems: {stem: {"memori": 1.0, "leak": 3.0}[stem] for stem in stems})
    gains, _ = judge.gains("memory leaks", Slate(None, (INNER,)))
    assert gains == pytest.approx([1 / 4 + 0.03 * 2.0 / 3])


def test_the_query_alone_is_read_once_a_query() -> None:
    engine = WordCounter()
    judge = LikelihoodJudge(engine)
    for query in ("memory", "memory", "honey"):
        judge.score(query, Slate(None, (LEAF,)))
    alone = [continuation for prefixes, continuation, _ in engine.calls if prefixes == [""]]
    assert alone == ["memory", "honey"]


def test_a_long_passage_is_read_where_the_query_stands() -> None:
    engine = WordCounter()
    text = "filler " * 300 + "the mailbox grows " + "filler " * 300
    LikelihoodJudge(engine, window_words=20).score("mailbox", Slate(None, (Candidate(1, text, is_leaf=True),)))
    read = engine.calls[-1][0][0]
    assert "mailbox" in read
    assert len(read.split()) < 40


def test_a_long_query_is_cut_at_a_word() -> None:
    engine = WordCounter()
    LikelihoodJudge(engine, query_words=5).score("one two three four five six seven", Slate(None, (LEAF,)))
    assert {continuation for _, continuation, _ in engine.calls} == {"one two three four five"}


def test_costs_are_those_of_what_would_be_read_and_the_first_bears_the_query_alone() -> None:
    judge = LikelihoodJudge(WordCounter(), window_words=20)
    slate = (Candidate(1, "filler " * 300, is_leaf=True), INNER)
    each = [EMPTY + 20 + 2, PRICE]
    assert judge.costs("two words", slate) == [each[0] + EMPTY + 2 + 102, each[1]]
    assert judge.costs("two words", slate[:1]) == [each[0] + EMPTY + 2]
    assert judge.costs("two words", slate[1:]) == [each[1] + 102]
    assert judge.costs("two words", ()) == []
    assert judge.prices("two words", slate) == each
    judge.score("two words", Slate(None, slate))
    assert judge.costs("two words", slate) == each


def test_a_scale_is_a_logistic_curve_and_never_overflows() -> None:
    scale = Scale(offset=1.0, width=0.5)
    assert scale.score(1.0) == pytest.approx(0.5)
    assert scale.score(1.5) == pytest.approx(0.7311, abs=1e-4)
    assert 0.0 <= scale.score(-1e9) < scale.score(0.0) < scale.score(1e9) <= 1.0
