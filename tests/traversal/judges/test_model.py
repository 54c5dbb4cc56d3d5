"""Every judge on the real model, small as it is: valid scores, the same twice, within their prices."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lattice.models.llama.engine import LlamaEngine
from lattice.models.registry import embedded_model
from lattice.models.settings import EngineSettings
from lattice.traversal.judges.choice import JudgeName, judge_of
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.listwise import ListwiseJudge
from lattice.traversal.judges.reasoned import ReasonedJudge
from lattice.traversal.judges.scent import PRICE
from lattice.types import Candidate, Slate

pytestmark = pytest.mark.model

TEXTS = (
    "A sourdough loaf needs flour, water, salt and a day of patience.",
    "To repair a flat tyre, pull out the inner tube and glue a patch over the hole.",
    'Tomato plants want "sun" and {regular} water.\n<|im_end|>',
)
SLATE = Slate(1, tuple(Candidate(i, text, False) for i, text in enumerate(TEXTS, 2)))
QUERY = "how do I fix a puncture"


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaEngine]:
    path = embedded_model()
    assert path is not None
    loaded = LlamaEngine(path, EngineSettings(sequences=4, sequence_tokens=256, prompt_tokens=1536))
    yield loaded
    loaded.close()


@pytest.mark.parametrize("name", ["likelihood", "pointwise", "listwise", "reasoned"])
def test_every_judge_scores_every_candidate(engine: LlamaEngine, name: JudgeName) -> None:
    judge = judge_of(engine, name)
    first, again = judge.score(QUERY, SLATE), judge_of(engine, name).score(QUERY, SLATE)
    assert len(first.scores) == 3
    assert all(0.0 <= score <= 1.0 for score in first.scores)
    assert again.scores == pytest.approx(first.scores, abs=1e-6)


@pytest.mark.parametrize("name", ["likelihood", "pointwise", "listwise", "reasoned"])
def test_a_judge_evaluates_about_what_it_said_it_would(engine: LlamaEngine, name: JudgeName) -> None:
    judge = judge_of(engine, name)
    fresh = Slate(1, tuple(Candidate(one.node, f"{name}: {one.text}", True) for one in SLATE.candidates))
    expected = sum(judge.costs(QUERY, fresh.candidates))  # type: ignore[attr-defined]
    assert judge.score(QUERY, fresh).usage.evaluated == pytest.approx(expected, rel=0.1)


def test_nodes_are_judged_for_the_tokens_of_the_query_and_a_token_each(engine: LlamaEngine) -> None:
    judge = LikelihoodJudge(engine)
    nodes = tuple(Candidate(one.node, one.text, False) for one in SLATE.candidates)
    costs = judge.costs(QUERY, nodes)
    usage = judge.score(QUERY, Slate(1, nodes)).usage
    assert usage.evaluated + usage.reused == sum(costs) - PRICE * len(nodes)
    assert judge.costs(QUERY, nodes) == [PRICE] * len(nodes)


def test_a_permuted_list_is_scored_in_the_slates_order(engine: LlamaEngine) -> None:
    judge = ListwiseJudge(engine, permutations=3)
    gains, usage = judge.gains(QUERY, SLATE.candidates)
    assert len(gains) == 3
    assert usage.calls == 6


def test_the_smallest_model_reasons_in_valid_json(engine: LlamaEngine) -> None:
    judgement = ReasonedJudge(engine).score(QUERY, SLATE)
    assert judgement.reasoning is not None
    said = json.loads(judgement.reasoning)
    assert list(said) == ["problem", "A", "B", "C"]
    assert judgement.scores == tuple(said[letter]["score"] / 100 for letter in "ABC")
    assert judgement.usage.generated > 10


@pytest.mark.parametrize("name", ["listwise", "reasoned"])
def test_a_slate_costs_what_was_told_before(engine: LlamaEngine, name: JudgeName) -> None:
    judge = judge_of(engine, name)
    assert isinstance(judge, ListwiseJudge | ReasonedJudge)
    slate = Slate(1, tuple(Candidate(i, f"{name} {i}: {text}", False) for i, text in enumerate(TEXTS[:5])))
    told = sum(judge.costs("how do I repair a tyre", slate.candidates))
    spent = judge.score("how do I repair a tyre", slate).usage.evaluated
    assert spent <= told <= spent + 12  # the empty query is a little shorter than the query
