"""The client against a real server that is slow, dies, refuses, or talks of something else."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from lattice.errors import ServerProblem
from lattice.models.prompts import Request
from lattice.models.remote import wire
from lattice.models.remote.model import RemoteModel
from lattice.models.remote.server import Server
from lattice.types import OutOfTime
from tests.models.remote.scripted import (
    PATIENCE,
    Act,
    Handler,
    ScriptedServer,
    answers,
    completion,
    dies_midway,
    drips,
    hangs,
    refuses,
    says,
    serving,
    status,
    unused_url,
)

SCHEMA = {"type": "object", "properties": {"A": {"type": "integer"}}, "required": ["A"]}
QUESTION = Request("Judge.", "Is this it?", SCHEMA, 77)
ERROR = {"error": {"message": "out of memory"}}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that would have been made."""
    made: list[float] = []
    monkeypatch.setattr(wire.Patience, "pause", lambda _, seconds: made.append(seconds))
    return made


def asked(server: ScriptedServer | str, **settings: object) -> RemoteModel:
    url = server if isinstance(server, str) else server.url
    return RemoteModel(Server(url, **{"model": "tiny", "timeout": PATIENCE, **settings}))  # type: ignore[arg-type]


def problem(*script: Act, models: tuple[str, ...] | None = ("tiny",), **settings: object) -> str:
    """Give the message that ends a question to a server of this script; it names the server."""
    with serving(*script, models=models) as server:
        model = asked(server, **settings)
        with pytest.raises(ServerProblem) as raised:
            model.ask(QUESTION)
        model.close()
        assert server.url in str(raised.value)
        return str(raised.value)


def test_a_question_goes_out_and_the_answer_comes_back_with_its_cost() -> None:
    with serving(says("It is.")) as server:
        model = asked(server)
        said = model.ask(QUESTION)
        model.close()
        (body,) = server.questions
    assert said.text == "It is."
    assert (said.usage.evaluated, said.usage.reused, said.usage.generated, said.usage.calls) == (100, 20, 30, 1)
    assert said.usage.seconds > 0
    assert body == {
        "model": "tiny",
        "messages": [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Is this it?"}],
        "temperature": 0,
        "seed": 0,
        "max_tokens": 77,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
    }
    assert model.notes == ()


def test_the_key_goes_to_the_server_and_nowhere_else() -> None:
    with serving(status(500, {"error": {"message": "bad key sk-hunter2"}}), says("key sk-hunter2")) as server:
        model = asked(server, key="sk-hunter2", retries=0)
        with pytest.raises(ServerProblem) as raised:
            model.ask(QUESTION)
        said = model.ask(QUESTION)
        model.close()
        assert {one.headers["Authorization"] for one in server.received} == {"Bearer sk-hunter2"}
    assert "hunter2" not in f"{raised.value} {raised.value!r} {said} {model.server!r} {model.notes}"
    assert "bad key …" in str(raised.value)


def test_without_a_name_the_first_model_of_the_list_is_asked_and_the_choice_is_told() -> None:
    with serving(says("a"), models=("first", "second")) as server:
        model = asked(server, model=None)
        model.ask_all([QUESTION] * 3)
        model.close()
        assert [one.path for one in server.received].count("/v1/models") == 1
        assert {body["model"] for body in server.questions} == {"first"}
    assert model.notes == ("The server has 2 models; first was asked. --llm-model names another.",)


def test_a_server_that_lists_no_models_wants_a_name() -> None:
    assert "--llm-model" in problem(says("a"), models=None, model=None)
    assert "--llm-model" in problem(says("a"), models=(), model=None)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 3}, "many", {"prompt_tokens": "3"}])
def test_where_the_server_counts_nothing_the_usage_is_an_estimate_and_says_so(usage: object) -> None:
    with serving(says("twelve bytes", usage)) as server:
        model = asked(server)
        said = model.ask(QUESTION)
        model.close()
    # "Judge." and "Is this it?" have 6 and 11 bytes, four a token.
    assert (said.usage.evaluated, said.usage.reused, said.usage.generated, said.usage.calls) == (2 + 3, 0, 3, 1)
    assert model.notes == ("The server does not count tokens; the usage is estimated from the characters.",)


@pytest.mark.parametrize(
    ("content", "text"),
    [(None, ""), ([{"type": "text", "text": "a"}, {"type": "image"}, "?", {"type": "text", "text": "b"}], "ab")],
)
def test_answers_without_text_or_in_pieces_are_read(content: object, text: str) -> None:
    with serving(says(content)) as server:
        model = asked(server)
        assert model.ask(QUESTION).text == text
        model.close()


@pytest.mark.parametrize(
    "bad",
    [dies_midway, status(500, ERROR), status(503, "busy", "text/plain"), status(429, ERROR), status(502, "<html>")],
)
def test_what_may_pass_is_tried_again(bad: Act) -> None:
    with serving(bad, bad, says("at last")) as server:
        model = asked(server)
        assert model.ask(QUESTION).text == "at last"
        model.close()
        assert len(server.questions) == 3


def test_pauses_double_and_a_server_may_ask_for_longer_ones(pauses: list[float]) -> None:
    busy = status(429, ERROR, Retry_After="7")
    with serving(status(500, ERROR), busy, status(500, ERROR), says("a")) as server:
        model = asked(server)
        model.ask(QUESTION)
        model.close()
    assert pauses == [0.01, 7.0, 0.04]


def test_a_pause_may_be_a_date(pauses: list[float]) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    with serving(status(503, ERROR, Retry_After=soon), status(503, ERROR, Retry_After="soon"), says("a")) as server:
        model = asked(server)
        model.ask(QUESTION)
        model.close()
    assert 0.01 < pauses[0] <= 20.0
    assert pauses[1] == 0.02


def test_nobody_waits_for_an_hour(pauses: list[float]) -> None:
    assert "It asks to wait 3600 s" in problem(status(429, ERROR, Retry_After="3600"))
    assert pauses == []


@pytest.mark.parametrize("code", [401, 403, 404, 405, 413])
def test_what_will_not_pass_is_not_tried_again(code: int) -> None:
    with serving(status(code, ERROR)) as server:
        model = asked(server)
        with pytest.raises(ServerProblem, match=f"{code}: out of memory"):
            model.ask(QUESTION)
        model.close()
        assert len(server.questions) == 1


def test_after_the_last_try_the_error_tells_what_the_server_said() -> None:
    told = problem(status(500, ERROR), retries=2)
    assert "(500: out of memory)" in told
    assert "asked 3 times" in told


def test_a_server_that_is_not_there_is_named_with_a_way_to_start_one() -> None:
    url = unused_url()
    model = asked(url, retries=1)
    with pytest.raises(ServerProblem, match=r"llama-server -m model\.gguf.*vllm serve") as raised:
        model.ask(QUESTION)
    model.close()
    assert f"No server answers at {url}/v1 (" in str(raised.value)


def test_a_server_that_dies_midway_every_time_is_named() -> None:
    assert "broke off in the middle" in problem(dies_midway, retries=1)


@pytest.mark.parametrize("slow", [hangs, drips])
def test_a_slow_server_is_named_with_a_way_out(slow: Act) -> None:
    told = problem(slow, timeout=0.2, retries=1)
    assert "within 0.2 s" in told
    assert "--budget 5s" in told


@pytest.mark.parametrize("slow", [hangs, drips, status(500, ERROR, Retry_After="20")])
def test_the_deadline_holds_whatever_the_server_does(slow: Act) -> None:
    with serving(says("first"), slow) as server:
        model = asked(server, concurrency=1)
        with pytest.raises(OutOfTime) as late:
            model.ask_all([QUESTION, QUESTION], seconds=1.0)
        model.close()
        assert not server.released.is_set()
    assert late.value.usage.evaluated == 100
    assert late.value.usage.calls == 2


def test_no_time_at_all_asks_nothing() -> None:
    with serving(says("a")) as server:
        model = asked(server)
        with pytest.raises(OutOfTime):
            model.ask(QUESTION, seconds=0.0)
        model.close()
        assert server.questions == []


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (status(200, "<html>hello</html>", "text/html"), "answers with text/html that is no JSON"),
        (status(200, {"hello": "world"}), "answers with JSON of another kind"),
        (status(200, {"choices": []}), "JSON of another kind"),
        (status(200, [1, 2]), "JSON of another kind"),
        (status(200, {"error": {"message": "model crashed"}}), "reports an error: model crashed"),
    ],
)
def test_what_is_no_chat_completion_is_told(reply: Act, words: str) -> None:
    assert words in problem(reply)


def test_json_under_a_wrong_type_is_json() -> None:
    with serving(status(200, completion("a"), "text/plain")) as server:
        model = asked(server)
        assert model.ask(QUESTION).text == "a"
        model.close()


def test_a_reply_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MOST_BYTES", 1000)
    assert "far too long" in problem(says("x" * 2000), retries=0)


def test_a_wrong_key_and_a_missing_one_have_different_cures() -> None:
    assert "Put its key into LATTICE_LLM_KEY" in problem(status(401, ERROR))
    told = problem(status(403, ERROR), key="sk-hunter2")
    assert "does not take the key in LATTICE_LLM_KEY" in told
    assert "hunter2" not in told


def test_an_unknown_model_is_told_with_those_that_there_are() -> None:
    told = problem(status(404, {"detail": "no such model"}), models=("a", "b"), model="huge")
    assert "no model 'huge'. It has: a, b" in told
    assert "usually ends in /v1" in problem(status(404, ERROR), models=None)
    many = problem(status(404, ERROR), models=tuple(f"m{i}" for i in range(30)))
    assert "m9, …" in many
    assert "m10" not in many


def test_a_redirect_is_not_followed() -> None:
    with serving(says("elsewhere")) as other:
        told = problem(status(307, ERROR, Location=f"{other.url}/v1/chat/completions"))
        assert f"sends on to {other.url}" in told
        assert other.received == []


@pytest.mark.parametrize("code", [400, 422, 500, 501])
def test_a_server_without_json_schema_is_asked_more_plainly_from_then_on(code: int) -> None:
    with serving(refuses("json_schema", code)) as server:
        model = asked(server)
        model.ask(QUESTION)
        model.ask(QUESTION)
        model.close()
        formats = [body["response_format"]["type"] for body in server.questions]
    assert formats == ["json_schema", "json_object", "json_object"]
    assert server.questions[1]["response_format"]["schema"] == SCHEMA
    assert model.notes == ()


@pytest.mark.parametrize("code", [400, 422, 501])
def test_a_server_that_takes_no_schema_at_all_is_told_of(code: int) -> None:
    with serving(refuses("response_format", code)) as server:
        model = asked(server)
        model.ask(QUESTION)
        model.ask(QUESTION)
        model.close()
        assert ["response_format" in body for body in server.questions] == [True, True, False, False]
    assert model.notes == ("The server takes no JSON schema; the answers were asked for as plain JSON.",)


def test_fields_that_a_server_does_not_know_are_left_out() -> None:
    script = refuses("seed", 422, then=refuses("temperature", then=refuses("max_tokens")))
    with serving(script) as server:
        model = asked(server)
        assert model.ask(QUESTION).text == "fine"
        model.close()
        body = server.questions[-1]
    assert body.keys() == {"model", "messages", "max_completion_tokens", "response_format"}
    assert body["max_completion_tokens"] == 77
    assert model.notes == ("The server takes no seed and no temperature; its answers may differ from run to run.",)


def test_a_question_that_is_too_long_is_refused_and_changes_nothing() -> None:
    too_long = status(400, {"error": {"message": "exceeds the available context size"}})
    with serving(too_long, too_long, too_long, says("a")) as server:
        model = asked(server)
        with pytest.raises(ServerProblem, match=r"exceeds the available context size.*-c 8192"):
            model.ask(QUESTION)
        model.ask(QUESTION)
        model.close()
        assert server.questions[-1]["response_format"]["type"] == "json_schema"
    assert model.notes == ()


def test_questions_without_a_schema_carry_none() -> None:
    with serving(says("a"), status(400, ERROR)) as server:
        model = asked(server)
        model.ask(Request("s", "u"))
        with pytest.raises(ServerProblem, match="400"):
            model.ask(Request("s", "u"))
        model.close()
        assert ["response_format" in body for body in server.questions] == [False, False]


def test_as_many_questions_are_under_way_as_were_allowed_and_answers_keep_their_order() -> None:
    meeting = threading.Barrier(3, timeout=PATIENCE)
    lock, under_way, most = threading.Lock(), [0], [0]

    def act(handler: Handler) -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        meeting.wait()
        with lock:
            under_way[0] -= 1
        answers(lambda body: str(body["messages"][1]["content"]))(handler)

    with serving(act) as server:
        model = asked(server, concurrency=3)
        said = model.ask_all([Request("s", f"number {i}") for i in range(9)])
        model.close()
    assert [one.text for one in said] == [f"number {i}" for i in range(9)]
    assert most == [3]


def test_one_failure_ends_them_all() -> None:
    with serving(status(401, ERROR), hangs) as server:
        model = asked(server, concurrency=2)
        with pytest.raises(ServerProblem, match="401"):
            model.ask_all([QUESTION] * 5)
        assert not server.released.is_set()
        model.close()


def test_no_questions_are_no_work() -> None:
    assert RemoteModel(Server(unused_url())).ask_all([]) == []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_this_machine_is_reached_past_any_proxy(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, unused_url())
    with serving(says("here")) as server:
        model = asked(server, retries=0)
        assert model.ask(QUESTION).text == "here"
        model.close()


def test_ctrl_c_ends_the_waiting_while_the_server_still_hangs() -> None:
    code = (
        "import sys\nfrom lattice.models.prompts import Request\nfrom lattice.models.remote.model import RemoteModel\n"
        "from lattice.models.remote.server import Server\n"
        "try:\n    RemoteModel(Server(sys.argv[1], 'tiny')).ask_all([Request('s', 'u')] * 3)\n"
        "except KeyboardInterrupt:\n    sys.exit(130)"
    )
    with serving(hangs) as server:
        with subprocess.Popen([sys.executable, "-c", code, server.url], cwd=Path(__file__).parents[3]) as process:
            try:
                assert server.asked.wait(PATIENCE)
                process.send_signal(signal.SIGINT)
                assert process.wait(PATIENCE / 2) == 130
            finally:
                process.kill()
        assert not server.released.is_set()
