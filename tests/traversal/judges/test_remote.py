"""The remote judge on a scripted model: what is asked, what becomes of answers, and what is told of them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from lattice.errors import ServerProblem, UsageError
from lattice.models.prompts import LETTERS, Request, estimated_tokens
from lattice.traversal.judges.choice import judge_of
from lattice.traversal.judges.remote import RemoteJudge, schema
from lattice.traversal.prior import prior_of
from lattice.traversal.search import SearchSettings, search
from lattice.traversal.stand_ins import MemoryTree
from lattice.types import Candidate, Node, OutOfTime, Slate, Usage
from tests.traversal.writers import Wrote

QUERY = "how do I fix a puncture"


@dataclass
class Model:
    """Answers every round of questions with the next texts; the time is over where there is None."""

    rounds: list[list[str] | None]
    notes: tuple[str, ...] = ()
    name: str = "http://gpu/v1"
    asked: list[list[Request]] = field(default_factory=list)
    seconds: list[float | None] = field(default_factory=list)

    def ask_all(self, questions: Sequence[Request], *, seconds: float | None = None) -> list[Wrote]:
        self.asked.append(list(questions))
        self.seconds.append(seconds)
        texts = self.rounds.pop(0)
        if texts is None:
            raise OutOfTime(Usage(evaluated=7, calls=1))
        assert len(texts) == len(questions)
        return [Wrote(text, Usage(evaluated=50, generated=9, calls=1, seconds=100.0)) for text in texts]


def slate(count: int) -> Slate:
    return Slate(1, tuple(Candidate(i + 2, f"text number {i}", False) for i in range(count)))


def written(*scores: int) -> str:
    said = {letter: {"offers": "words", "score": score} for letter, score in zip(LETTERS, scores, strict=False)}
    return json.dumps({"problem": "a flat tyre", **said})


def test_every_candidate_gets_the_score_of_its_letter_and_the_words_are_kept() -> None:
    model = Model([[written(90, 0, 100)]])
    judgement = RemoteJudge(model).score(QUERY, slate(3))
    assert judgement.scores == (0.9, 0.0, 1.0)
    assert judgement.reasoning == written(90, 0, 100)
    assert judgement.notes == ()
    assert (judgement.usage.evaluated, judgement.usage.generated, judgement.usage.calls) == (50, 9, 1)
    assert judgement.usage.seconds < 100.0


def test_the_question_holds_the_passages_the_query_and_the_form() -> None:
    model = Model([[written(1, 2)]])
    RemoteJudge(model, relevance="it names a tool").score(QUERY, slate(2))
    ((question,),) = model.asked
    assert question.user.index("[B] text number 1") < question.user.index(f"Query: {QUERY}")
    assert "relevant if it names a tool." in question.user
    assert "letters A, B, in this form: {" in question.user
    assert question.schema == schema(2)


def test_the_schema_wants_every_letter_with_a_reason_and_a_score() -> None:
    wanted = schema(3)
    assert wanted["required"] == ["problem", "A", "B", "C"]
    assert list(wanted["properties"]) == ["problem", "A", "B", "C"]
    assert wanted["properties"]["C"]["required"] == ["offers", "score"]
    assert wanted["properties"]["C"]["properties"]["score"] == {"type": "integer", "minimum": 0, "maximum": 100}


def test_who_got_no_score_is_asked_for_once_more_alone() -> None:
    model = Model([[written(90)], ["Well: " + written(20, 40)]])
    judgement = RemoteJudge(model).score(QUERY, slate(3))
    assert judgement.scores == (0.9, 0.2, 0.4)
    assert judgement.notes == ()
    assert judgement.usage.evaluated == 100
    (again,) = model.asked[1]
    assert "[A] text number 1" in again.user
    assert "text number 0" not in again.user
    assert judgement.reasoning == written(90) + "\nWell: " + written(20, 40)


def test_who_still_has_none_is_in_the_middle_and_it_is_told() -> None:
    model = Model([[written(90)], ["I will not."]], notes=("It is slow.",))
    judgement = RemoteJudge(model).score(QUERY, slate(3))
    assert judgement.scores == (0.9, 0.5, 0.5)
    assert judgement.notes == (
        "2 of the 3 passages shown got no score from the model, though asked for twice; they count as middling.",
        "It is slow.",
    )


def test_the_notes_sum_up_the_slates_of_one_query() -> None:
    model = Model([[written(90)], [""], [written(1, 2)], [written(90)], [""], [written(3)], [""]])
    judge = RemoteJudge(model)
    told = [judge.score(QUERY, slate(2)).notes[0].split(" passages")[0] for _ in range(3)]
    assert told == ["1 of the 2", "1 of the 4", "2 of the 6"]
    assert judge.score("another query", slate(2)).notes[0].startswith("1 of the 2 ")


def test_one_unusable_slate_is_survived() -> None:
    judge = RemoteJudge(Model([["?"], ["?"], [written(1, 2)], ["?"], ["?"]]))
    assert judge.score(QUERY, slate(2)).scores == (0.5, 0.5)
    assert judge.score(QUERY, slate(2)).scores == (0.01, 0.02)
    assert judge.score(QUERY, slate(2)).notes[0].startswith("4 of the 6 ")
    judge.check()


def test_nothing_but_unusable_slates_is_an_error_that_shows_the_answer() -> None:
    judge = RemoteJudge(Model([["Sorry,\n no."]] * 4))
    judge.score(QUERY, slate(2))
    with pytest.raises(ServerProblem, match=r"http://gpu/v1 gave no score .* begins 'Sorry, no\.'"):
        judge.check()
    with pytest.raises(ServerProblem, match="gave no score"):
        judge.score(QUERY, slate(2))


def test_an_empty_answer_is_called_so_and_no_slates_are_no_failure() -> None:
    judge = RemoteJudge(Model([[""], [""]]))
    judge.check()
    judge.score(QUERY, slate(1))
    with pytest.raises(ServerProblem, match="its last answer is empty"):
        judge.check()


def test_a_copy_begins_anew() -> None:
    judge = RemoteJudge(Model([[""], [""]]))
    judge.score(QUERY, slate(1))
    replace(judge).check()


def test_more_than_twenty_are_asked_in_even_parts_at_once() -> None:
    model = Model([[written(*range(11)), written(*range(50, 61))]])
    judgement = RemoteJudge(model).score(QUERY, slate(22))
    assert judgement.scores == tuple(score / 100 for score in (*range(11), *range(50, 61)))
    assert [question.user.count("\n\n[") for question in model.asked[0]] == [10, 10]
    assert "text number 11" in model.asked[0][1].user


def test_what_several_parts_left_out_is_asked_for_together() -> None:
    model = Model([[written(*range(10)), written(*range(50, 60))], [written(77, 88)]])
    judgement = RemoteJudge(model).score(QUERY, slate(22))
    assert (judgement.scores[10], judgement.scores[21]) == (0.77, 0.88)


def test_several_slates_are_asked_at_once_and_kept_apart() -> None:
    model = Model([[written(10, 20), written(30), written(40, 50)], [written(77)]])
    judgements = RemoteJudge(model).score_all(QUERY, [slate(2), slate(2), slate(2)])
    assert [one.scores for one in judgements] == [(0.1, 0.2), (0.3, 0.77), (0.4, 0.5)]
    assert [one.usage.calls for one in judgements] == [1, 2, 1]
    assert "text number 1" in model.asked[1][0].user
    assert judgements[1].reasoning == written(30) + "\n" + written(77)


def test_two_slates_that_failed_are_survived_where_the_third_did_not() -> None:
    judge = RemoteJudge(Model([["?", "?", written(1)], ["?", "?"]]))
    judgements = judge.score_all(QUERY, [slate(1)] * 3)
    assert [one.scores for one in judgements] == [(0.5,), (0.5,), (0.01,)]


def test_an_empty_slate_is_no_failure() -> None:
    judge = RemoteJudge(Model([[], []]))
    assert judge.score(QUERY, slate(0)).scores == ()
    assert judge.score_all(QUERY, []) == []
    judge.check()


def test_a_search_with_a_beam_asks_for_its_slates_together() -> None:
    clusters = [Node(i, 1, "cluster", f"cluster {i}", 4, 1) for i in (2, 3)]
    leaves = [Node(i, 2 + (i > 7), "passage", f"text {i}", 1, 2, passage=i) for i in range(4, 12)]
    tree = MemoryTree([Node(1, None, "root", "all", 8, 0), *clusters, *leaves])
    prior = prior_of([(leaf.id, 1.0) for leaf in leaves], {leaf.id: leaf.id for leaf in leaves})
    model = Model([[written(*range(50, 70)), written(*range(20, 40))]])
    settings = SearchSettings(beam=2, seed_slate=2, iterations=1, anchors=0, budget_tokens=None)
    *_, last = search(QUERY, tree, RemoteJudge(model), prior, settings)
    assert [one.scored[0].raw for one in last.slates] == [0.5, 0.2]
    assert last.usage.calls == 2


def test_the_deadline_is_handed_on_and_what_was_spent_counts() -> None:
    model = Model([[written(90)], None])
    judge = RemoteJudge(model, deadline=time.monotonic() + 50.0)
    with pytest.raises(OutOfTime) as late:
        judge.score(QUERY, slate(2))
    assert late.value.usage.evaluated == 57
    assert all(seconds is not None and 0.0 < seconds <= 50.0 for seconds in model.seconds)


def test_costs_are_those_of_the_questions_as_far_as_they_can_be_told() -> None:
    model = Model([[written(*[1] * 11)] * 2])
    judge = RemoteJudge(model)
    costs = judge.costs(QUERY, slate(22).candidates)
    judge.score(QUERY, slate(22))
    (asked,) = model.asked
    assert sum(costs) == sum(estimated_tokens(one.system) + estimated_tokens(one.user) for one in asked)
    assert len(costs) == 22
    assert min(costs) > 0
    assert [i for i, cost in enumerate(costs) if cost > 50] == [0, 11]
    assert judge.costs(QUERY, ()) == []


def test_tokens_are_estimated_from_bytes() -> None:
    assert [estimated_tokens(text) for text in ("", "a", "four", "fives", "搜索", "\ud800")] == [0, 1, 1, 2, 2, 1]


def test_the_remote_judge_wants_a_server_in_place_of_an_engine() -> None:
    with pytest.raises(UsageError, match="server"):
        judge_of(None, "remote")  # type: ignore[arg-type]
