"""Many questions whose answers are taken as they come, against a real server."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator

import pytest

from lattice.errors import ServerProblem
from lattice.models.prompts import Request
from lattice.models.remote import wire
from lattice.models.remote.model import RemoteModel
from lattice.models.remote.server import Server
from tests.models.remote.scripted import PATIENCE, Handler, ScriptedServer, answers, says, serving, status, unused_url

ERROR = {"error": {"message": "out of memory"}}
shown = answers(lambda body: str(body["messages"][1]["content"]))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_FIRST_PAUSE", 0.01)


def asked(server: ScriptedServer, concurrency: int, retries: int = 0) -> RemoteModel:
    return RemoteModel(Server(server.url, "tiny", timeout=PATIENCE, concurrency=concurrency, retries=retries))


def questions(count: int) -> list[Request]:
    return [Request("s", f"number {number}") for number in range(count)]


def asked_by(server: ScriptedServer) -> list[str]:
    return sorted(body["messages"][1]["content"] for body in server.questions)


def test_every_question_has_its_own_answer_with_its_cost() -> None:
    with serving(shown) as server:
        model = asked(server, 3)
        found = dict(model.ask_each(questions(8)))
        model.close()
    assert {number: said.text for number, said in found.items()} == {number: f"number {number}" for number in range(8)}
    assert {(said.usage.evaluated, said.usage.generated, said.usage.calls) for said in found.values()} == {(100, 30, 1)}


def test_an_answer_is_given_as_soon_as_it_is_there() -> None:
    """The first question's answer waits until those behind it have been taken."""
    taken = threading.Event()

    def act(handler: Handler) -> None:
        if handler.body["messages"][1]["content"] == "number 0":
            assert taken.wait(PATIENCE)
        shown(handler)

    with serving(act) as server:
        model = asked(server, 2)
        coming = model.ask_each(questions(4))
        order = [next(coming)[0] for _ in range(3)]
        taken.set()
        order += [number for number, _ in coming]
        model.close()
    assert order == [1, 2, 3, 0]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_questions_are_under_way_than_were_allowed(concurrency: int) -> None:
    meeting = threading.Barrier(concurrency, timeout=PATIENCE)  # breaks where fewer are under way
    lock, under_way, most = threading.Lock(), [0], [0]

    def act(handler: Handler) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        meeting.wait()
        with lock:
            under_way[0] -= 1
        shown(handler)

    with serving(act) as server:
        model = asked(server, concurrency)
        found = list(model.ask_each(questions(3 * concurrency)))
        model.close()
        assert len(server.questions) == len(found) == 3 * concurrency
    assert most == [concurrency]


def test_a_problem_in_the_middle_is_raised_behind_the_answers_before_it() -> None:
    with serving(shown, shown, status(401, ERROR), shown) as server:
        model = asked(server, 1)
        coming = model.ask_each(questions(6))
        assert [next(coming)[0], next(coming)[0]] == [0, 1]
        with pytest.raises(ServerProblem, match="401"):
            next(coming)
        assert list(coming) == [], "nothing comes behind it"
        model.close()
        # Who saw the problem had one more question taken up, at most.
        assert len(server.questions) <= 4


def test_what_passes_is_asked_again_and_nobody_notices() -> None:
    with serving(shown, status(503, ERROR), shown) as server:
        model = asked(server, 1, retries=2)
        assert [said.text for _, said in model.ask_each(questions(3))] == ["number 0", "number 1", "number 2"]
        model.close()
        assert asked_by(server) == ["number 0", "number 1", "number 1", "number 2"]


def test_whoever_stops_taking_leaves_the_rest_unasked() -> None:
    going = threading.Semaphore(2)

    def act(handler: Handler) -> None:
        assert going.acquire(timeout=PATIENCE)
        shown(handler)

    with serving(act) as server:
        model = asked(server, 1)
        coming = model.ask_each(questions(50))
        assert next(coming)[0] == 0
        assert isinstance(coming, Generator)
        coming.close()
        going.release(50)
        for left in [one for one in threading.enumerate() if one.name == "lattice-remote"]:
            left.join(PATIENCE)
        model.close()
        # One answer was taken; one more or two were under way.
        assert 1 <= len(server.questions) <= 3


def test_no_questions_are_no_work() -> None:
    assert list(RemoteModel(Server(unused_url())).ask_each([])) == []


def test_nothing_is_asked_before_the_first_answer_is_wanted() -> None:
    with serving(says("fine")) as server:
        model = asked(server, 2)
        coming = model.ask_each(questions(2))
        assert server.questions == []
        assert len(list(coming)) == 2
        model.close()


def test_a_server_that_is_away_is_told_of_with_the_first_answer() -> None:
    model = RemoteModel(Server(unused_url(), "tiny", retries=0))
    with pytest.raises(ServerProblem):
        next(model.ask_each(questions(3)))
    model.close()


def test_what_is_learnt_of_a_server_holds_for_the_questions_behind() -> None:
    """A field that the server refuses is left out from then on, and the notes say so."""

    def act(handler: Handler) -> None:
        refused = "seed" in handler.body
        (status(400, {"error": {"message": "unsupported: 'seed'"}}) if refused else shown)(handler)

    with serving(act) as server:
        model = asked(server, 1)
        assert len(list(model.ask_each(questions(5)))) == 5
        model.close()
        assert ["seed" in body for body in server.questions] == [True, *[False] * 5]
    assert ["seed" in note for note in model.notes] == [True]


def test_two_rounds_at_once_do_not_mix_their_answers() -> None:
    with serving(shown) as server:
        model = asked(server, 2)
        first, second = model.ask_each(questions(6)), model.ask_each([Request("s", f"other {at}") for at in range(6)])
        pairs = list(itertools.zip_longest(first, second))
        model.close()
    assert {one[1].text for one, _ in pairs} == {f"number {at}" for at in range(6)}
    assert {other[1].text for _, other in pairs} == {f"other {at}" for at in range(6)}
    assert all(one[1].text.endswith(f" {one[0]}") for pair in pairs for one in pair)
