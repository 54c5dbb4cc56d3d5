"""The façade with questions that follow others or are expanded: who is asked, what is searched for, what it costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lattice import Lattice, Question, SearchSettings, Server, Understanding, Usage
from lattice.answering import Answer
from lattice.errors import ServerProblem, UsageError
from lattice.models.registry import embedded_model
from lattice.traversal.judges.listwise import ListwiseJudge
from lattice.traversal.stand_ins import ScriptedJudge
from lattice.types import ModelKind
from tests.models.remote.scripted import Act, Handler, hangs, reader, says, serving
from tests.traversal.judges.test_prompted import Engine

OBSERVATORY = Path(__file__).parents[1] / "examples" / "observatory"
FIRST = "who cleans the mirror"
FOLLOW_UP = Question("and how often?", (FIRST,))
REWRITTEN = {"query": "how often the mirror is cleaned", "problem": "The care of a mirror.", "words": ["dust", "wash"]}


@pytest.fixture
def notes(observatory: Path) -> Iterator[Lattice]:
    with Lattice.open(observatory, model=None) as opened:
        yield opened


def _server(understood: Act, judged: Act) -> Act:
    """Answer what is asked of a question in one way, and slates in another."""

    def act(handler: Handler) -> None:
        is_slate = "Passages:\n" in handler.body["messages"][1]["content"]
        (judged if is_slate else understood)(handler)

    return act


def test_a_question_alone_is_what_a_string_is(notes: Lattice) -> None:
    assert list(notes.iter_search(Question(FIRST))) == list(notes.iter_search(FIRST))
    assert all(answer.understood is None for answer in notes.iter_search(FIRST))
    with pytest.raises(UsageError, match="query is empty"):
        notes.search(Question("  ", (FIRST,)))
    with pytest.raises(UsageError, match="give a tuple of them"):
        notes.search(Question("and how often?", FIRST))  # type: ignore[arg-type]


def test_a_follow_up_is_searched_for_with_what_it_lacks_from_the_first_hits_on(notes: Lattice) -> None:
    answers = list(notes.iter_search(FOLLOW_UP))
    assert [answer.query for answer in answers] == ["and how often?"] * len(answers)
    assert {answer.understood for answer in answers} == {
        Understanding("cleans mirror how often?", ("cleans", "mirror")),
    }
    assert answers[0].hits[0].path == answers[-1].hits[0].path == "telescope/mirror_cleaning.md"
    hit = answers[-1].hits[0]
    assert {hit.snippet[start:end].lower() for start, end in hit.marks} & {"mirror", "cleaning", "clean"}
    assert answers[-1].hits == list(notes.iter_search("cleans mirror how often?"))[-1].hits


def test_a_question_that_needs_no_other_is_not_touched(notes: Lattice) -> None:
    asked = "the opening hours of the visitor centre"
    assert list(notes.iter_search(Question(asked, (FIRST,))))[-1].understood is None


def test_without_a_model_expanding_is_told_to_be_left_out(notes: Lattice) -> None:
    last = list(notes.iter_search(Question(FIRST, expand=True)))[-1]
    assert last.mode == "prior"
    assert last.understood is not None
    assert last.understood.notice is not None
    assert "Not expanded, for no model writes here" in last.understood.notice
    assert last.hits == list(notes.iter_search(FIRST))[-1].hits


def test_a_judge_of_ones_own_writes_nothing_and_is_given_the_query_that_stands_alone(observatory: Path) -> None:
    class Listening(ScriptedJudge):
        def score(self, query: str, slate: Any) -> Any:  # noqa: ANN401 - as it comes
            heard.add(query)
            return super().score(query, slate)

    heard: set[str] = set()
    with Lattice.open(observatory, judge=Listening({})) as opened:
        opened.search(FOLLOW_UP)
        assert opened.scribe() is None
    assert heard == {"cleans mirror how often?"}


def test_a_server_rewrites_and_expands_before_it_reads(observatory: Path) -> None:
    act = _server(says(json.dumps(REWRITTEN)), reader("mirror"))
    with serving(act) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        answers = list(opened.iter_search(FOLLOW_UP))
        asked = [body["messages"][1]["content"] for body in server.questions]
    first, last = answers[0], answers[-1]
    assert first.understood == Understanding("cleans mirror how often?", ("cleans", "mirror"))
    assert last.understood is not None
    assert (last.understood.query, last.understood.vocabulary) == (REWRITTEN["query"], ("dust", "wash"))
    assert "Last question: and how often?" in asked[0]
    told = "Query: how often the mirror is cleaned (what it is about: The care of a mirror.)"
    assert all(told in slate for slate in asked[1:])
    assert len(asked) > 1
    assert last.usage.calls == len(asked)
    assert last.usage.evaluated == 100 * len(asked)
    assert last.understood.usage.evaluated == 100


def test_a_server_is_asked_once_more_only_where_it_was_wanted(observatory: Path) -> None:
    act = _server(says(json.dumps(REWRITTEN)), reader("mirror"))
    with serving(act) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        opened.search(FIRST)
        opened.search(Question(FIRST, expand=False))
        assert not any("Last question" in _content(body) or "Question:" in _content(body) for body in server.questions)
        opened.search(Question(FIRST, expand=True))
        assert sum("Question: who cleans" in _content(body) for body in server.questions) == 1
        before = len(server.questions)
        opened.search(Question("and how often?", (FIRST,), expand=False))
        assert '"words"' not in _content(server.questions[before])


def _content(body: dict[str, Any]) -> str:
    content: str = body["messages"][1]["content"]
    return content


def test_what_is_understood_counts_against_the_tokens(observatory: Path) -> None:
    act = _server(says(json.dumps(REWRITTEN)), reader("mirror"))
    settings = SearchSettings(budget_tokens=1200)
    with serving(act) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        read = [_searched(opened, question, settings).usage for question in (FOLLOW_UP, "cleans mirror how often?")]
    assert all(usage.evaluated <= 1200 for usage in read)
    with serving(act) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        last = _searched(opened, FOLLOW_UP, SearchSettings(budget_tokens=100))
        assert not any("Last question" in _content(body) for body in server.questions)
    assert last.understood is not None
    assert last.understood.notice is not None
    assert "more than half of the 100 that may be read" in last.understood.notice


def _searched(opened: Lattice, question: str | Question, settings: SearchSettings) -> Answer:
    *_, last = opened.iter_search(question, settings=settings)
    return last


def test_what_was_understood_leaves_less_to_read(observatory: Path) -> None:
    costly = says(json.dumps(REWRITTEN), {"prompt_tokens": 1150, "completion_tokens": 9})
    with (
        serving(_server(costly, reader("mirror"))) as server,
        Lattice.open(observatory, server=Server(server.url)) as opened,
    ):
        last = _searched(opened, FOLLOW_UP, SearchSettings(budget_tokens=1200))
        assert len(server.questions) == 1
    assert (last.stopped, last.usage.evaluated) == ("budget", 1150)
    assert last.hits


def test_a_server_that_writes_nothing_of_use_is_read_with_all_the_same(observatory: Path) -> None:
    act = _server(says("I cannot."), reader("mirror"))
    with serving(act) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        last = _searched(opened, FOLLOW_UP, SearchSettings())
    assert last.hits[0].judged
    assert last.understood is not None
    assert last.understood.query == "cleans mirror how often?"
    assert "wrote 'I cannot.'" in str(last.understood.notice)


def test_the_seconds_hold_while_a_question_is_understood(observatory: Path) -> None:
    with serving(hangs) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        last = _searched(opened, FOLLOW_UP, SearchSettings(seconds=0.6))
        assert not server.released.is_set()
    assert last.stopped == "seconds"
    assert last.hits
    assert "the time for it was over" in str(last.understood and last.understood.notice)


def test_a_server_that_is_away_is_an_error_as_it_is_for_the_judge(observatory: Path) -> None:
    with Lattice.open(observatory, server=Server("http://127.0.0.1:1", retries=0)) as opened:
        answers = opened.iter_search(FOLLOW_UP)
        assert next(answers).hits
        with pytest.raises(ServerProblem, match="No server answers"):
            next(answers)


def test_what_one_question_is_about_is_not_told_of_the_next(observatory: Path) -> None:
    act = _server(says(json.dumps(REWRITTEN)), reader("mirror"))
    with serving(act) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        opened.search(FOLLOW_UP)
        before = len(server.questions)
        opened.search(FIRST)
        assert not any("what it is about" in _content(body) for body in server.questions[before:])


@dataclass
class Loaded(Engine):
    """An engine as the façade has it once a model is loaded."""

    problem: str | None = None

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("parameters", "kind", "rewrites"),
    [(135_000_000, "generative", False), (2_000_000_000, "generative", True), (4_000_000_000, "reranker", None)],
)
def test_who_rewrites_depends_on_kind_and_size(
    observatory: Path, parameters: int, kind: ModelKind, rewrites: bool | None
) -> None:
    engine = Loaded(text=json.dumps(REWRITTEN), parameters=parameters, kind=kind)
    with Lattice.open(observatory, judge=ListwiseJudge(engine)) as opened:
        opened._engine = engine  # type: ignore[assignment]
        scribe = opened.scribe()
        last = _searched(opened, FOLLOW_UP, SearchSettings(iterations=1))
    assert (scribe.rewrites if scribe else None) is rewrites
    assert last.understood is not None
    expected = REWRITTEN["query"] if rewrites else "cleans mirror how often?"
    assert last.understood.query == expected
    told = [dynamic for _, dynamic in engine.asked if dynamic.startswith(f"Query: {expected}")]
    assert told
    assert all(("what it is about" in dynamic) == bool(rewrites) for dynamic in told)


def test_asyncio_takes_questions_too(observatory: Path) -> None:
    async def found(opened: Lattice) -> tuple[Any, list[Answer]]:
        hits = await opened.asearch(FOLLOW_UP, 3)
        return hits, [answer async for answer in opened.aiter_search(FOLLOW_UP, 3)]

    with Lattice.open(observatory, judge=ScriptedJudge({})) as opened:
        expected = list(opened.iter_search(FOLLOW_UP, 3))
        assert asyncio.run(found(opened)) == (list(expected[-1].hits), expected)


@pytest.mark.model
def test_the_real_model_expands_within_the_budget(observatory: Path) -> None:
    settings = SearchSettings(budget_tokens=600)
    with Lattice.open(observatory, model=embedded_model()) as opened:
        plain = _searched(opened, "cleans mirror how often?", settings)
        followed = _searched(opened, FOLLOW_UP, settings)
        expanded = _searched(opened, Question(FIRST, expand=True), settings)
    # The likelihood judge reads the query that stands alone, and nothing else.
    assert [hit.id for hit in followed.hits] == [hit.id for hit in plain.hits]
    assert (followed.understood or Understanding("")).usage == Usage()
    assert expanded.understood is not None
    assert expanded.understood.usage.generated > 0
    assert expanded.understood.query == FIRST
    assert expanded.usage.evaluated <= 600
    assert expanded.usage.calls > expanded.understood.usage.calls == 1
