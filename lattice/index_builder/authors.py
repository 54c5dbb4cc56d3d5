"""Who writes for a build: a model file or a model on a server; what was written before is not asked for again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, Protocol

from lattice.models.prompts import Prompt, Request
from lattice.types import Usage


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of a model: an instruction, which calls of a kind share, what this one shows, the answer's form.

    `grammar` (GBNF) is the form for a model file, `schema` (JSON) for a server; a server may write twice the tokens.
    """

    system: str
    static: str
    dynamic: str
    version: int
    most_tokens: int
    grammar: str | None = None
    schema: Mapping[str, Any] | None = None


class Said(Protocol):
    """What a model wrote, and what it cost."""

    @property
    def text(self) -> str:
        """What was written, cut where the tokens were over."""
        ...

    @property
    def usage(self) -> Usage:
        """What it cost."""
        ...


class Engine(Protocol):
    """A model file, loaded, that writes under a grammar (`models.llama.engine.LlamaEngine`)."""

    def prompt(self, system: str, static: str, dynamic: str) -> Prompt:
        """Frame a request as the model is used to."""
        ...

    def generate(self, prompt: Prompt, *, grammar: str | None = None, max_tokens: int = 512) -> Said:
        """Write what follows the prompt, as far as the grammar allows."""
        ...


class Asker(Protocol):
    """A model that answers requests (`models.remote.model.RemoteModel`)."""

    def ask_each(self, questions: Sequence[Request]) -> Iterator[tuple[int, Said]]:
        """Answer the questions, several at once; yield the index and answer of each as they come."""
        ...


class Author(Protocol):
    """A model that answers calls."""

    def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Said]]:
        """Yield the index of each call and what the model says, as they come; ModelProblem where the model cannot."""
        ...


@dataclass(frozen=True, slots=True)
class LocalAuthor:
    """A model file that writes; the kept KV state of an instruction serves all calls of its kind."""

    engine: Engine

    def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Said]]:
        """Answer one call after the other, always with the likeliest token."""
        for number, call in enumerate(calls):
            prompt = self.engine.prompt(call.system, call.static, call.dynamic)
            yield number, self.engine.generate(prompt, grammar=call.grammar, max_tokens=call.most_tokens)


@dataclass(frozen=True, slots=True)
class RemoteAuthor:
    """A model on a server, which is sent what the calls show of the documents."""

    model: Asker

    def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Said]]:
        """Ask the server, as many calls at once as it takes; ServerProblem where it is away."""
        return self.model.ask_each(
            [Request(one.system, one.static + one.dynamic, one.schema, 2 * one.most_tokens) for one in calls]
        )


class Results(Protocol):
    """Where results are kept as they come (`store.cache.ResultCache`)."""

    def get(self, key: str) -> str | None:
        """Give what was written for the key; None where nothing was."""
        ...

    def put(self, key: str, text: str, usage: Usage) -> None:
        """Keep a result, for good before this returns."""
        ...

    def prune(self) -> None:
        """Forget what was neither got nor put."""
        ...

    @property
    def problem(self) -> str | None:
        """What was wrong with what had been kept."""
        ...


class NothingKept:
    """Results for a build of which nothing is to stay: each call is made."""

    problem: str | None = None

    def get(self, key: str) -> str | None:  # noqa: ARG002
        """Give None."""
        return None

    def put(self, key: str, text: str, usage: Usage) -> None:
        """Let go of it."""

    def prune(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Written:
    """How an LLM's descriptions came about: `nodes` in all, `by_rule` of them where what it wrote could not be used.

    `kept` were there from an earlier build and cost nothing; `usage` is what the others cost.
    """

    nodes: int
    by_rule: int
    kept: int
    usage: Usage


@dataclass(slots=True)
class Writing:
    """What is written for one build: asks `author` for what `results` does not hold yet, and counts.

    `identity` names the model, by what it is and not by where it lies.
    """

    author: Author
    identity: str
    results: Results
    nodes: int = 0
    by_rule: int = 0
    kept: int = 0
    usage: Usage = field(default_factory=Usage)

    def texts(self, calls: Sequence[Call]) -> Iterator[tuple[int, str]]:
        """Yield the index of each call and what the model says to it, from an earlier call's result where there is one.

        A result is kept for good before it is yielded. Equal calls are made once.
        """
        asked: dict[str, list[int]] = {}
        for number, call in enumerate(calls):
            key = key_of(self.identity, call)
            found = self.results.get(key)
            if found is None:
                asked.setdefault(key, []).append(number)
            else:
                self.kept += 1
                yield number, found
        keys = list(asked)
        for at, said in self.author.answers([calls[asked[key][0]] for key in keys]) if keys else ():
            # What was cut off the prompt was the instruction: such an answer is as good as none.
            text = "" if said.usage.trimmed else said.text
            self.results.put(keys[at], text, said.usage)
            self.usage += said.usage
            self.kept += len(asked[keys[at]]) - 1
            for number in asked[keys[at]]:
                yield number, text

    def apart(self) -> Writing:
        """Give one that asks the same author and counts by itself."""
        return Writing(self.author, self.identity, self.results)

    def written(self) -> Written:
        """Give the counts."""
        return Written(self.nodes, self.by_rule, self.kept, self.usage)

    def finish(self) -> tuple[str, ...]:
        """Forget the results that the finished build had no use for; give what a person should know of the others."""
        self.results.prune()
        return (self.results.problem,) if self.results.problem else ()


def key_of(identity: str, call: Call) -> str:
    """Give the name of a call: the SHA-256 of all that its result depends on."""
    return hashlib.sha256(json.dumps([identity, *astuple(call)]).encode()).hexdigest()
