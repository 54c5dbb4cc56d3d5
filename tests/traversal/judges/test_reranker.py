"""The pointwise judge on a reranker: its arithmetic on a scripted one, itself on a tiny one, and a whole search."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest

from lattice import Lattice, SearchSettings
from lattice.errors import ModelUnusable, UsageError
from lattice.models.llama.engine import LlamaEngine
from lattice.traversal.judges.choice import Engine, JudgeName, judge_of
from lattice.traversal.judges.reading import Scale
from lattice.traversal.judges.reranker import RerankerJudge
from lattice.types import Candidate, ModelKind, OutOfTime, Slate, Usage
from tests.models.tiny import make_bert

FOLDER = Path(__file__).parents[3] / "examples" / "observatory"
LEAF = Candidate(1, "an actor leaks memory", is_leaf=True, title="Actors")
INNER = Candidate(2, "memory; mailbox", is_leaf=False)
SLATE = Slate(None, (LEAF, INNER, Candidate(3, "bees", is_leaf=True)))


@dataclass(frozen=True)
class Scored:
    scores: npt.NDArray[np.float32]
    usage: Usage


@dataclass
class Scorer:
    """A reranker by the book: 2 for every word of the query that stands in the text, less 1."""

    kind: ModelKind = "reranker"
    calls: list[tuple[str, list[str], float | None]] = field(default_factory=list)

    def score_pairs(self, query: str, texts: Sequence[str], *, seconds: float | None = None) -> Scored:
        self.calls.append((query, list(texts), seconds))
        if seconds == 0.0:
            raise OutOfTime(Usage(calls=1))
        found = [2.0 * sum(word in text for word in query.split()) - 1.0 for text in texts]
        return Scored(np.array(found, dtype=np.float32), Usage(evaluated=len(texts), calls=1))

    def pair_cost(self, query: str, text: str) -> int:
        return len(query.split()) + len(text.split())


def _engine(kind: ModelKind = "reranker") -> Engine:
    return cast(Engine, Scorer(kind))


def test_a_score_is_the_models_own_probability() -> None:
    judgement = RerankerJudge(Scorer()).score("memory", SLATE)
    yes, no = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))
    assert judgement.scores == pytest.approx((yes, yes, no))
    assert judgement.usage.calls == 1
    assert not RerankerJudge(Scorer()).slate_dependent


def test_another_scale_moves_and_stretches() -> None:
    scores = RerankerJudge(Scorer(), scale=Scale(offset=1.0, width=2.0)).score("memory", SLATE).scores
    assert scores == pytest.approx((0.5, 0.5, 1 / (1 + math.e)))


def test_a_passage_is_shown_by_its_window_and_a_long_query_is_cut() -> None:
    scorer = Scorer()
    text = "filler " * 300 + "the mailbox grows " + "filler " * 300
    judge = RerankerJudge(scorer, window_words=20, query_words=2)
    judge.score("mailbox grows and grows", Slate(None, (Candidate(1, text, is_leaf=True),)))
    [(query, [shown], _)] = scorer.calls
    assert query == "mailbox grows"
    assert "the mailbox grows" in shown
    assert len(shown.split()) == 20


def test_costs_are_those_of_what_is_shown() -> None:
    judge = RerankerJudge(Scorer())
    assert judge.costs("two words", SLATE.candidates) == [2 + 5, 2 + 2, 2 + 1]  # the leaf with its title


def test_a_deadline_is_passed_on() -> None:
    scorer = Scorer()
    RerankerJudge(scorer, deadline=time.monotonic() + 60).score("memory", SLATE)
    assert 50 < (scorer.calls[0][2] or 0) <= 60
    with pytest.raises(OutOfTime):
        RerankerJudge(scorer, deadline=time.monotonic() - 1).score("memory", SLATE)


@pytest.mark.parametrize("name", ["auto", "pointwise"])
def test_a_reranker_is_asked_in_its_own_way(name: JudgeName) -> None:
    assert isinstance(judge_of(_engine(), name), RerankerJudge)


@pytest.mark.parametrize("name", ["likelihood", "listwise", "reasoned"])
def test_what_a_reranker_cannot_do_is_refused_with_a_cure(name: JudgeName) -> None:
    with pytest.raises(UsageError, match=f"cannot be a {name} judge.*--judge pointwise"):
        judge_of(_engine(), name)


def test_a_reranker_cannot_be_told_what_counts() -> None:
    with pytest.raises(UsageError, match="told nothing of relevance"):
        judge_of(_engine(), "auto", "it names a dose")


@pytest.mark.parametrize("name", ["auto", "pointwise", "likelihood"])
def test_an_embedding_model_cannot_judge(name: JudgeName) -> None:
    with pytest.raises(ModelUnusable, match=r"cannot judge.*--model.*--no-model"):
        judge_of(_engine("embedding"), name)


# On tiny models


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "reranker.gguf"
    make_bert(path, 4, head=True, context=256)
    return path


@pytest.fixture(scope="module")
def engine(reranker: Path) -> Iterator[LlamaEngine]:
    loaded = LlamaEngine(reranker)
    yield loaded
    loaded.close()


def test_costs_are_exact_and_scores_are_probabilities(engine: LlamaEngine) -> None:
    judge = judge_of(engine)
    assert isinstance(judge, RerankerJudge)
    judgement = judge.score("an actor", SLATE)
    assert sum(judge.costs("an actor", SLATE.candidates)) == judgement.usage.evaluated
    assert all(0.0 < score < 1.0 for score in judgement.scores)


def test_a_score_does_not_depend_on_its_slate(engine: LlamaEngine) -> None:
    judge = RerankerJudge(engine)
    together = judge.score("memory", SLATE).scores
    alone = [judge.score("memory", replace(SLATE, candidates=(one,))).scores[0] for one in SLATE.candidates]
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_whole_search_reads_with_a_reranker(observatory: Path, reranker: Path) -> None:
    settings = SearchSettings(budget_tokens=3000)
    with Lattice.open(observatory, model=reranker) as opened:
        answers = list(opened.iter_search("who cleans the mirror", settings=settings))
        again = opened.search("who cleans the mirror", settings=settings)
        assert isinstance(opened.judge(), RerankerJudge)
    last = answers[-1]
    assert (last.mode, last.notice) == ("lattice", None)
    assert 0 < last.usage.evaluated <= 3000
    assert any(hit.judged for hit in last.hits)
    assert [hit.id for hit in last.hits] == [hit.id for hit in again]


def test_seconds_end_a_search_with_a_reranker(observatory: Path, reranker: Path) -> None:
    with Lattice.open(observatory, model=reranker, judge="pointwise") as opened:
        last = list(opened.iter_search("mirror", settings=SearchSettings(seconds=0.0)))[-1]
    assert last.stopped == "seconds"
    assert last.hits


def test_a_search_with_an_embedding_model_says_what_to_name(observatory: Path, tmp_path: Path) -> None:
    make_bert(tmp_path / "embedder.gguf", 1)
    with Lattice.open(observatory, model=tmp_path / "embedder.gguf") as opened:
        for _ in range(2):
            with pytest.raises(ModelUnusable, match="Name a reranker or a generative model"):
                opened.search("mirror")


def test_a_search_refuses_a_judge_that_a_reranker_cannot_be(observatory: Path, reranker: Path) -> None:
    with (
        Lattice.open(observatory, model=reranker, judge="listwise") as opened,
        pytest.raises(UsageError, match="cannot be a listwise judge"),
    ):
        opened.search("mirror")
