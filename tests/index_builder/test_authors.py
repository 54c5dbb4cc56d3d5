from __future__ import annotations

from collections.abc import Sequence

import pytest

from lattice.index_builder import authors
from lattice.index_builder.authors import MOST_TOKENS, LocalAuthor, RemoteAuthor, Writing, key_of
from lattice.models.prompts import DESCRIBE_STATIC, DESCRIBE_SYSTEM, Part, Prompt, Request
from lattice.types import Usage
from tests.index_builder.test_written import KeptHere, ScriptedAuthor, Wrote


class Engine:
    """Notes what it is given."""

    def prompt(self, system: str, static: str, dynamic: str) -> Prompt:
        return Prompt((Part(system + static),), (Part(dynamic),))

    def generate(self, prompt: Prompt, *, grammar: str | None = None, max_tokens: int = 512) -> Wrote:
        self.given = (prompt, grammar, max_tokens)
        return Wrote("said")


class Server:
    """Notes what it is asked."""

    def ask_all(self, questions: Sequence[Request]) -> list[Wrote]:
        self.asked = questions
        return [Wrote("said")]


def test_a_local_model_reads_the_instruction_first_and_writes_one_line() -> None:
    engine = Engine()
    assert LocalAuthor(engine).write("of these").text == "said"
    prompt, grammar, tokens = engine.given
    assert prompt.static == (Part(DESCRIBE_SYSTEM + DESCRIBE_STATIC),)
    assert prompt.dynamic == (Part("of these"),)
    assert (grammar, tokens) == (authors.ONE_LINE, MOST_TOKENS)


def test_a_server_is_asked_the_same() -> None:
    server = Server()
    assert RemoteAuthor(server).write("of these").text == "said"
    assert [(one.system, one.user, one.schema) for one in server.asked] == [
        (DESCRIBE_SYSTEM, DESCRIBE_STATIC + "of these", None)
    ]


def test_what_was_written_is_not_asked_for_again() -> None:
    author, results = ScriptedAuthor("said"), KeptHere()
    writing = Writing(author, "model", results)
    assert [writing.text_for(one) for one in ("a", "b", "a")] == ["said"] * 3
    assert author.shown == ["a", "b"]
    written = writing.written()
    assert (written.nodes, written.kept, written.usage.calls, written.usage.generated) == (3, 1, 2, 10)
    assert list(results.results) == [key_of("model", "a"), key_of("model", "b")]


@pytest.mark.parametrize("name", ["DESCRIBE_VERSION", "DESCRIBE_SYSTEM", "DESCRIBE_STATIC", "ONE_LINE", "MOST_TOKENS"])
def test_a_result_is_kept_under_all_that_it_depends_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of("model", "a")
    assert before not in {key_of("another", "a"), key_of("model", "b")}
    monkeypatch.setattr(authors, name, "other")
    assert key_of("model", "a") != before


def test_what_was_wrong_with_the_kept_results_is_told_at_the_end() -> None:
    writing = Writing(ScriptedAuthor(), "model", KeptHere(problem="It was damaged."))
    assert writing.finish() == ("It was damaged.",)
    assert Writing(ScriptedAuthor(), "model", KeptHere()).finish() == ()
    assert writing.usage == Usage()
