"""The judges that ask the model, on a scripted engine: arithmetic, costs, what is asked and what becomes of answers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from lattice.errors import UsageError
from lattice.models.prompts import BARE, Frame, Part, Prompt
from lattice.traversal.judges.choice import JUDGES, check_judge, judge_of
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.listwise import ListwiseJudge
from lattice.traversal.judges.pointwise import PointwiseJudge
from lattice.traversal.judges.reading import Expected, PairScores, Reading, Scale
from lattice.traversal.judges.reasoned import ReasonedJudge, grammar, salvaged
from lattice.types import Candidate, ModelKind, Slate, Usage
from tests.traversal.writers import WordsAreTokens, Wrote

SLATE = Slate(1, (Candidate(2, "apples and pears", False), Candidate(3, "stars", False), Candidate(4, "bread", False)))


@dataclass(frozen=True)
class Labelled:
    logprobs: npt.NDArray[np.float32]
    usage: Usage


@dataclass
class Engine(WordsAreTokens):
    """Answers by what a function says of the static half, the dynamic half and a label."""

    opinion: Callable[[str, str, str], float] = lambda *_: -1.0
    text: str = ""
    parameters: int = 135_000_000
    kind: ModelKind = "generative"
    asked: list[tuple[str, str]] = field(default_factory=list)
    grammars: list[str | None] = field(default_factory=list)
    context: int = 10_000
    allowed: list[int] = field(default_factory=list)

    def prompt(self, system: str, static: str, dynamic: str) -> Prompt:
        return Prompt((Part(static),), (Part(dynamic),))

    def label_logits(
        self, prompts: Sequence[Prompt], labels: Sequence[str], *, keep: bool = True, seconds: float | None = None
    ) -> Labelled:
        halves = [(prompt.static[0].text, prompt.dynamic[0].text) for prompt in prompts]
        self.asked += halves
        rows = [[self.opinion(static, dynamic, label) for label in labels] for static, dynamic in halves]
        return Labelled(np.array(rows, dtype=np.float32), Usage(evaluated=10 * len(prompts), calls=1))

    def generate(
        self, prompt: Prompt, *, grammar: str | None = None, max_tokens: int = 512, seconds: float | None = None
    ) -> Wrote:
        self.asked.append((prompt.static[0].text, prompt.dynamic[0].text))
        self.grammars.append(grammar)
        self.allowed.append(max_tokens)
        return Wrote(self.text)

    def continuation_logprobs(
        self,
        texts: Sequence[str],
        continuation: str,
        *,
        frame: Frame = BARE,
        keep: bool = True,
        seconds: float | None = None,
    ) -> Reading:
        raise AssertionError("not asked here")

    def cost(self, text: str, continuation: str, frame: Frame = BARE) -> int:
        raise AssertionError("not asked here")

    def expected_words(self, text: str, frame: Frame, most: int, *, seconds: float | None = None) -> Expected:
        raise AssertionError("not asked here")

    def expected_cost(self, text: str, frame: Frame) -> int:
        raise AssertionError("not asked here")

    def score_pairs(self, query: str, texts: Sequence[str], *, seconds: float | None = None) -> PairScores:
        raise AssertionError("not asked here")

    def pair_cost(self, query: str, text: str) -> int:
        raise AssertionError("not asked here")


def test_pointwise_takes_off_what_the_model_says_of_nothing() -> None:
    def opinion(static: str, _: str, label: str) -> float:
        if label == "No":
            return -2.0
        return -3.0 if static == "Passage:\n\n\n" else -1.0 if "apples" in static else -2.0

    judge = PointwiseJudge(Engine(opinion), scale=Scale(0.0, 1.0))
    scores = judge.score("fruit", SLATE).scores
    # Yes − No is 1 for the apples, 0 for the others and −1 for an empty passage.
    assert scores == pytest.approx((1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-1))))


def test_pointwise_reads_the_empty_passage_once_a_query() -> None:
    engine = Engine()
    judge = PointwiseJudge(engine)
    first, second = judge.costs("fruit", SLATE.candidates), None
    judge.score("fruit", SLATE)
    judge.score("fruit", SLATE)
    second = judge.costs("fruit", SLATE.candidates)
    assert len(engine.asked) == 7
    assert first[0] > second[0]
    assert first[1:] == second[1:]


def test_the_definition_of_relevance_is_told() -> None:
    for name in ("pointwise", "listwise", "reasoned"):
        engine = Engine(text="{}")
        judge_of(engine, name, "it is edible").score("fruit", SLATE)
        assert any("relevant if it is edible." in dynamic for _, dynamic in engine.asked)


def test_listwise_takes_off_what_the_model_likes_of_letters() -> None:
    liked: Mapping[str, float] = {"A": -0.5, "B": -2.0, "C": -3.0}

    def opinion(_: str, dynamic: str, label: str) -> float:
        return liked[label] + (1.0 if "stars at night" in dynamic and label == "B" else 0.0)

    corrected, _ = ListwiseJudge(Engine(opinion)).gains("stars at night", SLATE.candidates)
    plain, _ = ListwiseJudge(Engine(opinion), corrected=False).gains("stars at night", SLATE.candidates)
    assert max(range(3), key=lambda i: plain[i]) == 0
    assert max(range(3), key=lambda i: corrected[i]) == 1
    assert corrected[0] == pytest.approx(corrected[2])
    assert corrected[1] - corrected[0] == pytest.approx(1.0)


def test_an_even_choice_is_worth_nothing() -> None:
    gains, _ = ListwiseJudge(Engine(), corrected=False).gains("q", SLATE.candidates)
    assert gains == pytest.approx([0.0, 0.0, 0.0])


def test_permutations_average_out_a_liking_for_places() -> None:
    def opinion(static: str, _: str, label: str) -> float:
        return {"A": -0.1, "B": -3.0, "C": -3.0}[label]

    one, _ = ListwiseJudge(Engine(opinion), corrected=False).gains("q", SLATE.candidates)
    many, _ = ListwiseJudge(Engine(opinion), corrected=False, permutations=60).gains("q", SLATE.candidates)
    assert max(one) - min(one) > 2.0
    assert max(many) - min(many) < 1.0
    again, _ = ListwiseJudge(Engine(opinion), corrected=False, permutations=60).gains("q", SLATE.candidates)
    assert many == again


def test_a_slate_of_more_than_twenty_is_split() -> None:
    engine = Engine()
    many = Slate(1, tuple(Candidate(i, f"text {i}", False) for i in range(23)))
    assert len(ListwiseJudge(engine, corrected=False).score("q", many).scores) == 23
    assert ["[T]" in static for static, _ in engine.asked] == [True, False]


def test_costs_of_a_list_add_up_to_its_prompt() -> None:
    engine = Engine()
    judge = ReasonedJudge(engine)
    whole = engine.prompt_cost(judge._prompt("fruit", [one.text for one in SLATE.candidates]))
    assert sum(judge.costs("fruit", SLATE.candidates)) == whole
    assert ListwiseJudge(engine, corrected=False).costs("fruit", ()) == []


def _answer(**scores: int) -> str:
    said = {letter: {"offers": "some words", "score": score} for letter, score in scores.items()}
    return json.dumps({"problem": "what it is about", **said})


def test_reasoned_reads_its_scores_and_keeps_the_reasons() -> None:
    engine = Engine(text=_answer(A=90, B=0, C=100))
    judgement = ReasonedJudge(engine).score("fruit", SLATE)
    assert judgement.scores == (0.9, 0.0, 1.0)
    assert judgement.reasoning == engine.text
    assert judgement.usage.generated == 9
    assert engine.grammars == [grammar(3)]


@pytest.mark.parametrize(
    ("cut", "scores"),
    [
        (None, [0.9, 0.4, 1.0]),
        (-1, [0.9, 0.4, 1.0]),
        (-2, [0.9, 0.4, 0.5]),
        (60, [0.5, 0.5, 0.5]),
        (0, [0.5, 0.5, 0.5]),
    ],
)
def test_what_was_cut_is_salvaged(cut: int | None, scores: list[float]) -> None:
    assert salvaged(_answer(A=90, B=40, C=100)[:cut], 3) == scores


def test_words_around_an_answer_and_scores_out_of_range_do_no_harm() -> None:
    assert salvaged("Sure! " + _answer(A=999, B=40, C=7) + " Done.", 3) == [1.0, 0.4, 0.07]
    assert salvaged("[1, 2]", 1) == [0.5]


def test_the_judge_follows_the_size_of_the_model_unless_it_is_named() -> None:
    assert isinstance(judge_of(Engine()), LikelihoodJudge)
    assert isinstance(judge_of(Engine(parameters=8_000_000_000)), ListwiseJudge)
    assert isinstance(judge_of(Engine(), "reasoned"), ReasonedJudge)
    assert isinstance(judge_of(Engine(), "pointwise"), PointwiseJudge)


def test_unknown_judges_are_refused() -> None:
    with pytest.raises(UsageError, match=", ".join(JUDGES)):
        check_judge("oracle")
    with pytest.raises(UsageError, match="told nothing"):
        check_judge("likelihood", "it is edible")


def test_reasons_may_take_the_room_that_there_is_and_no_more() -> None:
    roomy, tight = Engine(text="{}"), Engine(text="{}", context=500)
    for engine in (roomy, tight):
        ReasonedJudge(engine).score("fruit", SLATE)
    needed = 90 + 50 * len(SLATE.candidates)
    assert roomy.allowed == [4 * needed]
    assert needed < tight.allowed[0] < 500
