"""Who writes descriptions: a model file or a model on a server; what was written before is not asked for again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lattice.models.prompts import (
    DESCRIBE_STATIC,
    DESCRIBE_SYSTEM,
    DESCRIBE_VERSION,
    Prompt,
    Request,
)
from lattice.types import Usage, Written

# Room for 40 words of English; a model that goes on behind them goes round in circles.
MOST_TOKENS = 64
# One line, of some length.
ONE_LINE = r"root ::= [^\x00-\x1F\x7F]{20,360}"


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

    def ask_all(self, questions: Sequence[Request]) -> Sequence[Said]:
        """Answer the questions, in their order."""
        ...


class Author(Protocol):
    """A model that describes a group of documents, of which it is shown `dynamic`."""

    def write(self, dynamic: str) -> Said:
        """Write one description; ModelProblem where the model cannot."""
        ...


@dataclass(frozen=True, slots=True)
class LocalAuthor:
    """A model file that writes; the kept KV state of the instruction serves every group."""

    engine: Engine

    def write(self, dynamic: str) -> Said:
        """Write one line, always with the likeliest token."""
        prompt = self.engine.prompt(DESCRIBE_SYSTEM, DESCRIBE_STATIC, dynamic)
        return self.engine.generate(prompt, grammar=ONE_LINE, max_tokens=MOST_TOKENS)


@dataclass(frozen=True, slots=True)
class RemoteAuthor:
    """A model on a server, which is sent what the prompt shows of the documents."""

    model: Asker

    def write(self, dynamic: str) -> Said:
        """Ask the server; ServerProblem where it is away."""
        return self.model.ask_all([Request(DESCRIBE_SYSTEM, DESCRIBE_STATIC + dynamic, None, 2 * MOST_TOKENS)])[0]


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


@dataclass(slots=True)
class Writing:
    """The descriptions of one build: asks `author` for what `results` does not hold yet, and counts.

    `identity` names the model, by what it is and not by where it lies.
    """

    author: Author
    identity: str
    results: Results
    nodes: int = 0
    by_rule: int = 0
    kept: int = 0
    usage: Usage = field(default_factory=Usage)

    def text_for(self, dynamic: str) -> str:
        """Give what the model says of a group, from the results of an earlier call where there is one."""
        key = key_of(self.identity, dynamic)
        self.nodes += 1
        found = self.results.get(key)
        if found is not None:
            self.kept += 1
            return found
        said = self.author.write(dynamic)
        # What was cut off the prompt was the instruction: such an answer is as good as none.
        text = "" if said.usage.trimmed else said.text
        self.results.put(key, text, said.usage)
        self.usage += said.usage
        return text

    def written(self) -> Written:
        """Give the counts."""
        return Written(self.nodes, self.by_rule, self.kept, self.usage)

    def finish(self) -> tuple[str, ...]:
        """Forget the results that the finished build had no use for; give what a person should know of the others."""
        self.results.prune()
        return (self.results.problem,) if self.results.problem else ()


def key_of(identity: str, dynamic: str) -> str:
    """Give the name of a call: the SHA-256 of all that its result depends on."""
    parts = (identity, DESCRIBE_VERSION, DESCRIBE_SYSTEM, DESCRIBE_STATIC, dynamic, ONE_LINE, MOST_TOKENS)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
