from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from lattice.index_builder.authors import LocalAuthor, RemoteAuthor, Writing, key_of
from lattice.index_builder.written import MOST_TOKENS, ONE_LINE, describing_call
from lattice.models.prompts import DESCRIBE_STATIC, DESCRIBE_SYSTEM, Part, Prompt, Request
from lattice.types import Usage
from tests.index_builder.test_written import KeptHere, ScriptedAuthor, Wrote

OF_THESE = describing_call("of these")


class Engine:
    """Notes what it is given."""

    def prompt(self, system: str, static: str, dynamic: str) -> Prompt:
        return Prompt((Part(system + static),), (Part(dynamic),))

    def generate(self, prompt: Prompt, *, grammar: str | None = None, max_tokens: int = 512) -> Wrote:
        self.given = (prompt, grammar, max_tokens)
        return Wrote("said")


class Server:
    """Notes what it is asked."""

    def ask_each(self, questions: Sequence[Request]) -> Iterator[tuple[int, Wrote]]:
        self.asked = questions
        return ((number, Wrote("said")) for number in reversed(range(len(questions))))


def test_a_local_model_reads_the_instruction_first_and_writes_one_line() -> None:
    engine = Engine()
    assert [(number, said.text) for number, said in LocalAuthor(engine).answers([OF_THESE])] == [(0, "said")]
    prompt, grammar, tokens = engine.given
    assert prompt.static == (Part(DESCRIBE_SYSTEM + DESCRIBE_STATIC),)
    assert prompt.dynamic == (Part("of these"),)
    assert (grammar, tokens) == (ONE_LINE, MOST_TOKENS)


def test_a_server_is_asked_the_same() -> None:
    server = Server()
    other = replace(OF_THESE, schema={"type": "object"})
    assert [number for number, _ in RemoteAuthor(server).answers([OF_THESE, other])] == [1, 0]
    assert [(one.system, one.user, one.schema) for one in server.asked] == [
        (DESCRIBE_SYSTEM, DESCRIBE_STATIC + "of these", None),
        (DESCRIBE_SYSTEM, DESCRIBE_STATIC + "of these", {"type": "object"}),
    ]


def test_what_was_written_is_not_asked_for_again() -> None:
    author, results = ScriptedAuthor("said"), KeptHere()
    writing = Writing(author, "model", results)
    calls = [describing_call(one) for one in ("a", "b", "a")]
    assert sorted(writing.texts(calls)) == [(0, "said"), (1, "said"), (2, "said")]
    assert list(writing.texts(calls[1:2])) == [(0, "said")]
    assert author.shown == ["a", "b"]
    written = writing.written()
    assert (written.kept, written.usage.calls, written.usage.generated) == (2, 2, 10)
    assert list(results.results) == [key_of("model", calls[0]), key_of("model", calls[1])]


def test_one_that_counts_apart_asks_the_same_author() -> None:
    author, results = ScriptedAuthor("said"), KeptHere()
    writing = Writing(author, "model", results)
    list(writing.texts([OF_THESE]))
    other = writing.apart()
    assert list(other.texts([OF_THESE])) == [(0, "said")]
    assert (writing.kept, other.kept, other.usage) == (0, 1, Usage())


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 9},
        {"system": "other"},
        {"static": "other"},
        {"dynamic": "other"},
        {"grammar": "other"},
        {"schema": {"type": "object"}},
        {"most_tokens": 9},
    ],
    ids=str,
)
def test_a_result_is_kept_under_all_that_it_depends_on(changed: dict[str, Any]) -> None:
    assert key_of("model", replace(OF_THESE, **changed)) != key_of("model", OF_THESE)
    assert key_of("another", OF_THESE) != key_of("model", OF_THESE)


def test_what_was_wrong_with_the_kept_results_is_told_at_the_end() -> None:
    writing = Writing(ScriptedAuthor(), "model", KeptHere(problem="It was damaged."))
    assert writing.finish() == ("It was damaged.",)
    assert Writing(ScriptedAuthor(), "model", KeptHere()).finish() == ()
    assert writing.usage == Usage()
