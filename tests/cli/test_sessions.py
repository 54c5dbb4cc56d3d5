"""`--session`, `--expand` and `lattice sessions`, as a person and as a program sees them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from lattice.cli.contract import answer_json
from lattice.cli.render import understanding_lines, understood_lines
from lattice.models.remote.server import Server
from lattice.sessions import sessions
from lattice.types import Understanding, Usage
from tests.cli.conftest import Invoke, Place
from tests.cli.folder import run
from tests.cli.values import ANSWER
from tests.models.remote.scripted import reader, says, serving
from tests.test_lattice_understanding import _server as by_kind

UNDERSTOOD = Understanding(
    "prune roses in winter?",
    ("prune", "roses"),
    problem="When to cut\x1b[2J.",
    vocabulary=("frost", "buds"),
    notice=None,
    usage=Usage(evaluated=90, generated=20, calls=1, seconds=1.5),
)
ROSES = ("search", "how do I prune roses", "--no-model", "--session", "garden")
WINTER = ("search", "and in winter?", "--no-model", "--session", "garden")


@pytest.fixture(autouse=True)
def _no_sessions(place: Place) -> None:
    for path in (place.home / "sessions").glob("*.json"):
        path.unlink()


def test_a_follow_up_finds_what_it_leans_on(invoke: Invoke) -> None:
    first = invoke(*ROSES)
    assert "Session garden begins. What is asked in it is kept until `lattice sessions forget garden`." in first.stderr
    assert "Understood" not in first.stderr
    second = invoke(*WINTER)
    assert second.exit_code == 0
    assert "begins" not in second.stderr
    assert "Understood as: prune roses in winter? (from earlier questions: prune, roses)" in second.stderr
    assert "Understood" not in second.stdout
    assert "garden/roses.md" in second.stdout.splitlines()[0]


def test_json_tells_what_was_understood(invoke: Invoke) -> None:
    alone = json.loads(invoke(*WINTER, "--json").stdout)
    assert alone["understood"] is None
    invoke("sessions", "forget", "garden")
    invoke(*ROSES)
    answer = json.loads(invoke(*WINTER, "--json").stdout)
    assert answer["query"] == "and in winter?"
    assert answer["understood"].keys() == {
        *("query", "rewritten", "carried", "problem", "vocabulary", "notice", "usage"),
    }
    assert answer["understood"]["query"] == "prune roses in winter?"
    assert answer["understood"]["carried"] == ["prune", "roses"]
    assert answer["hits"][0]["path"] == "garden/roses.md"


def test_the_trace_tells_it_first(invoke: Invoke) -> None:
    invoke(*ROSES)
    lines = invoke(*WINTER, "--trace").stdout.splitlines()
    assert lines[0].startswith("Understood as: prune roses in winter?")
    assert lines[1] == "Hits"


def test_without_a_session_nothing_is_kept(invoke: Invoke, place: Place) -> None:
    invoke("search", "how do I prune roses", "--no-model")
    assert sessions({"LATTICE_HOME": str(place.home)}) == []


def test_sessions_are_listed_shown_and_forgotten(invoke: Invoke, place: Place) -> None:
    assert "There is no session yet" in invoke("sessions", "list").stdout
    invoke(*ROSES)
    invoke(*WINTER)
    listed = click.unstyle(invoke("sessions", "list").stdout).splitlines()
    assert listed[0] == "garden  2 questions"
    assert listed[1].endswith("and in winter?")
    shown = click.unstyle(invoke("sessions", "show", "garden").stdout).splitlines()
    assert shown[0] == "how do I prune roses"
    assert shown[2:4] == ["and in winter?", "  understood as: prune roses in winter?"]
    assert shown[4].endswith(str(place.index))
    told = json.loads(invoke("sessions", "show", "garden", "--json").stdout)
    assert [one["understood"] for one in told["asked"]] == ["how do I prune roses", "prune roses in winter?"]
    assert json.loads(invoke("sessions", "list", "--json").stdout)["sessions"][0]["questions"] == 2
    assert invoke("sessions", "forget", "garden").stdout == "Forgot 1 session.\n"
    assert invoke("sessions", "show", "garden").exit_code == 3


def test_all_sessions_are_forgotten_at_once(invoke: Invoke) -> None:
    for name in ("a", "b"):
        invoke(*ROSES[:-1], name)
    assert json.loads(invoke("sessions", "forget", "--all", "--json").stdout)["forgotten"] == ["a", "b"]
    assert json.loads(invoke("sessions", "list", "--json").stdout)["sessions"] == []
    assert invoke("sessions", "forget", "--all").stdout == "Forgot 0 sessions.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("sessions", "forget"), 2, "or say --all"),
        (("sessions", "forget", "a", "--all"), 2, "or say --all"),
        (("sessions", "forget", "nobody"), 3, "There is no session nobody"),
        (("sessions", "show", "nobody"), 3, "`lattice search --session NAME` begins one"),
        (("sessions", "show", "../x"), 2, "cannot name a session"),
        ((*ROSES[:-1], "a/b"), 2, "cannot name a session"),
        ((*ROSES[:-1], ""), 2, "cannot name a session"),
        (("search", "roses", "--no-model", "--expand"), 2, "leave out --no-model, or --expand"),
    ],
)
def test_what_cannot_be_done_is_told(invoke: Invoke, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr


def test_a_damaged_session_is_an_error_before_the_search_and_is_listed(invoke: Invoke, place: Place) -> None:
    invoke(*ROSES)
    path = place.home / "sessions" / "garden.json"
    path.write_text("{")
    result = invoke(*WINTER)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "lattice sessions forget garden" in result.stderr
    assert path.read_text() == "{"
    assert "problem: The record of session garden" in invoke("sessions", "list").stdout
    assert invoke("sessions", "forget", "garden").exit_code == 0


def test_a_question_that_cannot_be_kept_fails_no_search(
    invoke: Invoke, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lattice.sessions._replace", full)
    result = invoke(*ROSES)
    assert result.exit_code == 0
    assert result.stdout
    assert "Session garden will not know this question." in result.stderr
    assert "No space left on device" in result.stderr


def test_a_model_that_wrote_nothing_of_use_is_told_of_in_every_form(invoke: Invoke) -> None:
    with serving(by_kind(says("no"), reader("scheduler"))) as server:
        for form in ((), ("--json",), ("--trace",)):
            result = invoke("search", "actor thread", "--expand", "--llm", server.url, *form)
            assert result.exit_code == 0, result.stderr
            assert "The question was not expanded by the model, for it wrote 'no'." in result.stderr


def test_a_server_expands_and_the_trace_shows_the_vocabulary(invoke: Invoke) -> None:
    said: dict[str, Any] = {"problem": "Who waits for whom.", "words": ["queue", "steals"]}
    with serving(by_kind(says(json.dumps(said)), reader("scheduler"))) as server:
        shown = invoke("search", "actor thread", "--expand", "--trace", "--llm", server.url).stdout.splitlines()
    assert shown[:2] == ["About: Who waits for whom.", "Sought too: queue, steals"]
    assert shown[2].startswith("    100 tokens read, 20 reused, 30 written")


@pytest.mark.parametrize("name", ["garden", "kitchen"])
def test_who_is_sent_earlier_questions_is_told(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    invoke(*ROSES)
    monkeypatch.setattr(Server, "is_loopback", property(lambda _: False))
    with serving(by_kind(says("no"), reader("roses"))) as server:
        told = invoke("search", "and in winter?", "--session", name, "--llm", server.url).stderr
    earlier = ", earlier questions of the session" if name == "garden" else ""
    assert f"The query{earlier} and passages of the index are sent to 127.0.0.1, unencrypted.\n" in told


def test_lines_say_what_there_is_to_say_and_command_no_terminal() -> None:
    lines = [click.unstyle(line) for line in understood_lines(UNDERSTOOD)]
    assert lines == [
        "Understood as: prune roses in winter? (from earlier questions: prune, roses)",
        "About: When to cut\ufffd[2J.",
        "Sought too: frost, buds",
    ]
    assert click.unstyle(understanding_lines(UNDERSTOOD)[0]).startswith("    90 tokens read")
    assert understood_lines(None) == understanding_lines(None) == []
    assert understood_lines(Understanding("roses", notice="Not expanded.")) == []
    rewritten = understood_lines(Understanding("pruning roses", rewritten=True))
    assert [click.unstyle(line) for line in rewritten] == ["Understood as: pruning roses"]


def test_the_contract_is_plain_json() -> None:
    told = answer_json(replace(ANSWER, understood=UNDERSTOOD))["understood"]
    assert json.loads(json.dumps(told)) == told
    assert told["usage"]["generated"] == 20
    assert told["vocabulary"] == ["frost", "buds"]


def test_two_commands_follow_each_other_in_processes_of_their_own(place: Place, tmp_path: Path) -> None:
    for words in (ROSES, WINTER):
        done = run(place.home, *words, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["understood"]["carried"] == ["prune", "roses"]
