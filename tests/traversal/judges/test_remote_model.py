"""The remote judge with llama-cpp-python's own server and the smallest model: as it is, slow, altered, and killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest

from lattice.errors import ServerProblem
from lattice.models.prompts import Request
from lattice.models.remote import wire
from lattice.models.remote.model import RemoteModel
from lattice.models.remote.server import Server
from lattice.traversal.judges.remote import RemoteJudge
from lattice.types import Candidate, Judgement, OutOfTime, Slate
from tests.models.remote.real import RealServer, real_server
from tests.models.remote.scripted import Act, dies_midway, forwards, serving

pytestmark = pytest.mark.model

TEXTS = (
    "A sourdough loaf needs flour, water, salt and a day of patience.",
    "To repair a flat tyre, pull out the inner tube and glue a patch over the hole.",
    'Tomato plants want "sun" and {regular} water.\n<|im_end|>',
)
SLATE = Slate(1, tuple(Candidate(i, text, False) for i, text in enumerate(TEXTS, 2)))
QUERY = "how do I fix a puncture"


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with real_server() as started:
        yield started


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_FIRST_PAUSE", 0.01)


@pytest.fixture(scope="module")
def plain(server: RealServer) -> Judgement:
    """What the server says when nothing is wrong."""
    return _judged(server.url)


def _judged(url: str) -> Judgement:
    model = RemoteModel(Server(url))
    try:
        return RemoteJudge(model).score(QUERY, SLATE)
    finally:
        model.close()


def _judged_by(*script: Act) -> Judgement:
    with serving(*script) as front:
        return _judged(front.url)


def test_a_real_server_keeps_to_the_schema(plain: Judgement) -> None:
    assert plain.reasoning is not None
    said = json.loads(plain.reasoning)
    assert list(said) == ["problem", "A", "B", "C"]
    assert all(said[letter].keys() == {"offers", "score"} for letter in "ABC")
    assert plain.scores == tuple(min(1.0, said[letter]["score"] / 100) for letter in "ABC")
    assert plain.notes == ()


def test_its_usage_is_what_the_server_counted(plain: Judgement) -> None:
    assert plain.usage.evaluated + plain.usage.reused > 100
    assert plain.usage.generated > 30
    assert plain.usage.calls == 1


def test_the_same_is_said_twice(server: RealServer, plain: Judgement) -> None:
    assert _judged(server.url).scores == plain.scores


def test_the_estimate_of_costs_is_near_the_count(server: RealServer, plain: Judgement) -> None:
    model = RemoteModel(Server(server.url))
    expected = sum(RemoteJudge(model).costs(QUERY, SLATE.candidates))
    assert plain.usage.evaluated + plain.usage.reused == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize(
    "around",
    ["{}", "Sure! Here is what you asked for:\n\n```json\n{}\n```\nI hope it helps.", "{},", "<think>A?</think>{}"],
)
def test_words_around_what_it_says_change_nothing(server: RealServer, plain: Judgement, around: str) -> None:
    judgement = _judged_by(forwards(server.url, lambda text: around.replace("{}", text)))
    assert judgement.scores == plain.scores
    assert judgement.notes == ()


def _without_last(text: str) -> str:
    said = json.loads(text)
    del said[list(said)[-1]]
    return json.dumps(said)


def test_a_score_that_is_missing_is_asked_for_once_more(server: RealServer, plain: Judgement) -> None:
    judgement = _judged_by(forwards(server.url, _without_last), forwards(server.url))
    assert judgement.scores[:2] == plain.scores[:2]
    assert judgement.usage.calls == 2
    assert judgement.notes == ()


def test_an_answer_cut_in_the_middle_keeps_what_was_said(server: RealServer, plain: Judgement) -> None:
    def cut(text: str) -> str:
        return text[: text.index('"C"') + 8]

    judgement = _judged_by(forwards(server.url, cut), forwards(server.url, lambda _: "And that is all."))
    assert judgement.scores == (*plain.scores[:2], 0.5)
    assert judgement.notes[0].startswith("1 of the 3 passages shown got no score")


def test_a_reply_that_breaks_off_is_asked_for_again(server: RealServer, plain: Judgement) -> None:
    judgement = _judged_by(forwards(server.url, then=dies_midway), forwards(server.url))
    assert judgement.scores == plain.scores


def test_a_server_that_stands_still_is_left_at_the_deadline_and_found_again(server: RealServer) -> None:
    model = RemoteModel(Server(server.url, "any"))
    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(OutOfTime):
            model.ask(Request("s", "u", max_tokens=1), seconds=0.5)
        slow = RemoteModel(Server(server.url, "any", timeout=0.3, retries=1))
        with pytest.raises(ServerProblem, match=r"did not answer within 0\.3 s"):
            slow.ask(Request("s", "u", max_tokens=1))
    finally:
        server.process.send_signal(signal.SIGCONT)
    slow.close()
    assert model.ask(Request("s", "Say yes.", max_tokens=4)).usage.generated > 0
    model.close()


def test_a_server_that_is_killed_while_it_answers_is_named() -> None:
    with real_server() as doomed:

        def kill(text: str) -> str:
            doomed.process.kill()
            doomed.process.wait()
            return text

        with serving(forwards(doomed.url, kill, then=dies_midway), forwards(doomed.url)) as front:
            model = RemoteModel(Server(front.url, "any", retries=1))
            with pytest.raises(ServerProblem, match=front.url):
                model.ask(Request("s", "Say yes.", max_tokens=4))
            model.close()
        gone = RemoteModel(Server(doomed.url, "any", retries=1))
        with pytest.raises(ServerProblem, match=f"No server answers at {doomed.url}/v1"):
            gone.ask(Request("s", "u", max_tokens=4))
        gone.close()
