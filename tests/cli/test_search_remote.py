"""`lattice search --llm`: against a scripted server on this machine, and once against a real one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lattice.models.remote import wire
from lattice.models.remote.server import Server
from tests.cli.conftest import Invoke, Place
from tests.cli.folder import environment, run
from tests.models.remote.real import real_server
from tests.models.remote.scripted import (
    PATIENCE,
    Act,
    dies_midway,
    hangs,
    reader,
    says,
    serving,
    status,
    unused_url,
)

QUERY = ("search", "actor thread", "--limit", "3")
FAVOURITE = "scheduler"  # a passage that the words of the query alone do not put first


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_FIRST_PAUSE", 0.01)


def test_the_server_reads_and_its_scores_decide(invoke: Invoke) -> None:
    with serving(reader(FAVOURITE)) as server:
        result = invoke(*QUERY, "--json", "--llm", server.url)
        asked = len(server.questions)
    assert result.exit_code == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    assert answer["mode"] == "lattice"
    assert FAVOURITE in answer["hits"][0]["snippet"] or answer["hits"][0]["heading"][-1] == "Scheduling"
    assert answer["hits"][0]["judged"]
    assert answer["usage"]["calls"] == asked > 0
    assert answer["usage"]["evaluated"] == 100 * asked
    assert "sent" not in result.stderr
    assert "mode:" not in result.stderr


def test_the_trace_shows_what_the_server_wrote(invoke: Invoke) -> None:
    with serving(reader(FAVOURITE)) as server:
        shown = invoke(*QUERY, "--trace", "--llm", server.url).stdout
        traced = json.loads(invoke(*QUERY, "--trace", "--json", "--llm", server.url).stdout)
    assert f'    wrote {{"problem": "about the {FAVOURITE}", "A": {{"offers": ' in shown
    wrote = traced["trace"]["iterations"][0]["slates"][0]["reasoning"]
    assert json.loads(wrote)["problem"] == f"about the {FAVOURITE}"


def test_the_model_and_the_definition_of_relevance_are_sent(invoke: Invoke) -> None:
    with serving(reader("x"), models=None) as server:
        invoke(*QUERY, "--llm", server.url, "--llm-model", "big", "--relevance", "it names a dose")
        (body, *_) = server.questions
    assert body["model"] == "big"
    assert "it names a dose" in body["messages"][1]["content"]


def test_the_environment_alone_sends_nothing(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(reader(FAVOURITE)) as server:
        monkeypatch.setenv("LATTICE_LLM_URL", server.url)
        assert invoke(*QUERY, "--no-model").exit_code == 0
        assert server.received == []
        assert invoke(*QUERY, "--judge", "remote").exit_code == 0
        assert server.questions != []


@pytest.mark.parametrize(
    "wrong",
    [
        ("--llm", "http://127.0.0.1:1", "--no-model"),
        ("--llm", "http://127.0.0.1:1", "--model", "m.gguf"),
        ("--judge", "remote", "--no-model"),
        ("--llm", "http://127.0.0.1:1", "--judge", "likelihood"),
        ("--llm", "http://127.0.0.1:1", "--judge", "reasoned"),
        ("--llm-model", "big"),
        ("--judge", "remote"),
        ("--llm", ""),
        ("--llm", "127.0.0.1:8080"),
    ],
)
def test_what_contradicts_itself_or_names_no_server_is_wrong_usage(invoke: Invoke, wrong: tuple[str, ...]) -> None:
    result = invoke(*QUERY, *wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--llm" in result.stderr or "http://" in result.stderr


@pytest.mark.parametrize("encrypted", [False, True])
def test_who_is_sent_passages_is_told_where_it_is_not_this_machine(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    monkeypatch.setattr(Server, "is_loopback", property(lambda _: False))
    monkeypatch.setattr(Server, "is_encrypted", property(lambda _: encrypted))
    with serving(reader(FAVOURITE)) as server:
        told = invoke(*QUERY, "--llm", server.url).stderr
    how = "." if encrypted else ", unencrypted."
    assert told.count(f"The query and passages of the index are sent to 127.0.0.1{how}\n") == 1


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ((dies_midway,), "broke off"),
        ((reader(FAVOURITE), dies_midway), "broke off"),
        ((status(401, {}),), "LATTICE_LLM_KEY"),
        ((status(200, "<html>", "text/html"),), "no OpenAI-compatible server"),
        ((says("I would rather not."),), "begins 'I would rather not.'"),
    ],
)
def test_a_server_that_does_not_serve_is_an_error_with_its_name(
    invoke: Invoke, script: tuple[Act, ...], words: str
) -> None:
    with serving(*script) as server:
        result = invoke(*QUERY, "--llm", server.url, "--json")
        assert server.url in result.stderr
    assert (result.exit_code, result.stdout) == (3, "")
    assert words in result.stderr


def test_a_server_that_is_away_is_an_error_with_the_cure(invoke: Invoke) -> None:
    url = unused_url()
    result = invoke(*QUERY, "--llm", url)
    assert (result.exit_code, result.stdout) == (3, "")
    assert f"error: No server answers at {url}/v1" in result.stderr
    assert "llama-server" in result.stderr


def test_passages_without_a_score_are_told_of_after_the_hits(invoke: Invoke) -> None:
    def forgetful(text: str) -> str:
        return json.dumps({key: value for key, value in json.loads(text).items() if key != "B"})

    with serving(reader(FAVOURITE, forgetful)) as server:
        result = invoke(*QUERY, "--llm", server.url)
    assert result.exit_code == 0
    assert "mode:" not in result.stderr  # who was forgotten was asked for alone
    with serving(reader(FAVOURITE, forgetful), says("no more")) as server:
        result = invoke(*QUERY, "--llm", server.url)
    assert result.exit_code == 0
    assert "mode: lattice. " in result.stderr
    assert "passages shown got no score from the model" in result.stderr


def test_the_deadline_leaves_the_hits_of_the_words(invoke: Invoke) -> None:
    with serving(hangs) as server:
        result = invoke(*QUERY, "--json", "--llm", server.url, "--budget", "0.5s")
        assert not server.released.is_set()
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["stopped"] == "seconds"
    assert answer["hits"]
    assert not any(hit["judged"] for hit in answer["hits"])


def test_the_key_is_nowhere_to_be_seen(place: Place) -> None:
    with serving(status(500, {"error": {"message": "who is sk-hunter2?"}})) as server:
        done = run(
            place.home,
            *QUERY,
            *("--judge", "remote", "--trace", "--budget", "5s"),
            LATTICE_LLM_KEY="sk-hunter2",
            LATTICE_LLM_URL=server.url,
            LATTICE_DEBUG="1",
        )
        assert {one.headers.get("Authorization") for one in server.received} == {"Bearer sk-hunter2"}
    assert done.returncode in {0, 3}
    assert "hunter2" not in done.stdout + done.stderr


def test_ctrl_c_keeps_the_hits_while_the_server_still_hangs(place: Place) -> None:
    with serving(hangs) as server:
        command = [sys.executable, "-m", "lattice", *QUERY, "--json", "--llm", server.url]
        with subprocess.Popen(
            command, env=environment(place.home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert server.asked.wait(PATIENCE)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=PATIENCE / 2)
            finally:
                process.kill()
        assert not server.released.is_set()
    assert process.returncode == 130, err
    answer = json.loads(out)
    assert answer["stopped"] == "interrupted"
    assert answer["hits"]


@pytest.mark.model
def test_a_real_server_is_searched_with(place: Place, tmp_path: Path) -> None:
    with real_server() as server:
        done = run(place.home, *QUERY, "--json", "--trace", "--llm", server.url, "--budget", "800", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["mode"] == "lattice"
    assert answer["usage"]["evaluated"] > 0
    assert answer["usage"]["generated"] > 0
    assert any(hit["judged"] for hit in answer["hits"])
    (slate, *_) = answer["trace"]["iterations"][0]["slates"]
    assert list(json.loads(slate["reasoning"]))[:2] == ["problem", "A"]
