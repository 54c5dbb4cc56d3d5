"""What a question is about reaches the judges that are told things, and no other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lattice.models.prompts import NO_QUERY
from lattice.models.remote.model import RemoteModel
from lattice.models.remote.server import Server
from lattice.traversal.judges.choice import JudgeName, ModelJudge, ToldJudge, judge_of
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.pointwise import PointwiseJudge
from lattice.traversal.judges.reading import told
from lattice.traversal.judges.remote import RemoteJudge
from lattice.traversal.judges.reranker import RerankerJudge
from tests.models.remote.scripted import reader, serving
from tests.traversal.judges.test_prompted import SLATE, Engine

ABOUT = "pears (what it is about: Which fruit keeps.)"
PROBLEM = "Which fruit keeps."


@pytest.mark.parametrize("name", ["pointwise", "listwise", "reasoned"])
def test_a_judge_is_told_beside_the_query(name: JudgeName) -> None:
    engine = Engine(text="{}")
    judge = judge_of(engine, name)
    assert isinstance(judge, ToldJudge)
    assert isinstance(judge, ModelJudge)
    judge.score("pears", SLATE)
    assert not any("what it is about" in dynamic for _, dynamic in engine.asked)
    engine.asked.clear()
    replace(judge, problem=PROBLEM).score("pears", SLATE)
    with_query = [dynamic for _, dynamic in engine.asked if NO_QUERY not in dynamic]
    assert with_query
    assert all(f"Query: {ABOUT}\n" in dynamic for dynamic in with_query)


@pytest.mark.parametrize("name", ["pointwise", "listwise", "reasoned"])
def test_what_it_is_about_is_paid_for(name: JudgeName) -> None:
    judge = judge_of(Engine(), name)
    assert isinstance(judge, ToldJudge)
    more = len(ABOUT.split()) - 1
    times = {"pointwise": len(SLATE.candidates) + 1, "listwise": 1, "reasoned": 1}[name]
    before, after = (sum(one.costs("pears", SLATE.candidates)) for one in (judge, replace(judge, problem=PROBLEM)))
    assert after - before == more * times


def test_the_empty_query_of_a_list_is_about_nothing() -> None:
    engine = Engine()
    judge = judge_of(engine, "listwise")
    assert isinstance(judge, ToldJudge)
    replace(judge, problem=PROBLEM).score("pears", SLATE)
    (empty,) = [dynamic for _, dynamic in engine.asked if NO_QUERY in dynamic]
    assert "about:" not in empty


def test_an_empty_passage_is_read_again_where_the_question_is_about_something_else() -> None:
    engine = Engine()
    judge = PointwiseJudge(engine)
    judge.score("pears", SLATE)
    engine.asked.clear()
    about = replace(judge, problem=PROBLEM)
    assert about.costs("pears", SLATE.candidates)[0] > about.costs("pears", SLATE.candidates)[1]
    about.score("pears", SLATE)
    about.score("pears", SLATE)
    assert sum(static == "Passage:\n\n\n" for static, _ in engine.asked) == 1


def test_a_server_is_told() -> None:
    with serving(reader("pears")) as server:
        model = RemoteModel(Server(server.url))
        RemoteJudge(model, problem=PROBLEM).score("pears", SLATE)
        model.close()
        assert f"Query: {ABOUT}\n" in server.questions[0]["messages"][1]["content"]


def test_probabilities_are_those_of_the_query_alone() -> None:
    assert not isinstance(LikelihoodJudge(Engine()), ToldJudge)
    assert not isinstance(RerankerJudge(Engine()), ToldJudge)


def test_a_long_query_is_cut_and_what_it_is_about_is_not() -> None:
    shown = told("word " * 100, 3, PROBLEM)
    assert shown == f"word word word (what it is about: {PROBLEM})"
    assert told("word " * 100, 3, "") == "word word word"
    assert json.dumps(shown)
