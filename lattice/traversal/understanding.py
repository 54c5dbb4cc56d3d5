"""Understanding a question before the search: a model makes a follow-up stand alone, and expands it.

Whatever a model is asked here costs one generation. One that fails, or for which there is no room, leaves the question
as the rule for follow-ups has it (`followups`), and the notice says so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from lattice.errors import ModelUnusable
from lattice.models.prompts import (
    UNDERSTAND_SYSTEM,
    Prompt,
    Request,
    estimated_tokens,
    understand_dynamic,
    understand_static,
)
from lattice.tokens import STOPWORDS, stem, tokens
from lattice.traversal.followups import stand_alone
from lattice.traversal.judges.answers import objects_of
from lattice.traversal.judges.reading import QUERY_WORDS, Said, Writer, shortened
from lattice.traversal.judges.remote import Asker
from lattice.types import OutOfTime, Question, Understanding

# Of a budget, in tokens and in seconds: what is understood and not read finds nothing.
MOST_OF_BUDGET = 0.5
EARLIER = 6  # questions that a model is shown; each costs as much as the question itself
_WORDS = 8  # of the vocabulary; a small model repeats itself long before
_CHARACTERS = {"query": 300, "problem": 160, "words": 30}
# Room for each part of an answer; twice that where the context has it, for scripts of several tokens a character.
_TOKENS = {"query": 100, "problem": 60, "words": 110}
_SHOWN = 60  # characters of an answer that cannot be used, in a notice


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model is asked of a question, by the keys of its answer (`prompts.UNDERSTAND`)."""

    keys: tuple[str, ...]
    text: str
    earlier: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """Room for the answer."""
        return sum(_TOKENS[key] for key in self.keys)


class Scribe(Protocol):
    """A model that can be asked to write."""

    @property
    def rewrites(self) -> bool:
        """Whether it is large enough to make a follow-up stand alone."""
        ...

    def cost(self, asked: Asked) -> int | None:
        """Give the tokens that asking would evaluate; None where it does not fit into the context."""
        ...

    def write(self, asked: Asked, seconds: float | None) -> Said:
        """Answer, as JSON where the model can; OutOfTime after `seconds`."""
        ...


@dataclass(frozen=True, slots=True)
class LocalScribe:
    """A model file that writes, held to the form by a grammar."""

    engine: Writer
    rewrites: bool

    def cost(self, asked: Asked) -> int | None:
        """Give the tokens that asking would evaluate; None where it does not fit into the context."""
        prompt = self._prompt(asked)
        return self.engine.prompt_cost(prompt) if self.engine.room(prompt, asked.tokens) >= 0 else None

    def write(self, asked: Asked, seconds: float | None) -> Said:
        """Answer under the grammar."""
        prompt = self._prompt(asked)
        most = max(asked.tokens, min(self.engine.room(prompt), 2 * asked.tokens))
        return self.engine.generate(prompt, grammar=grammar(asked.keys), max_tokens=most, seconds=seconds)

    def _prompt(self, asked: Asked) -> Prompt:
        dynamic = understand_dynamic(asked.text, asked.earlier)
        return self.engine.prompt(UNDERSTAND_SYSTEM, understand_static(asked.keys), dynamic)


@dataclass(frozen=True, slots=True)
class RemoteScribe:
    """A model on a server, asked for JSON by a schema where the server takes one; ServerProblem where it is away."""

    model: Asker
    rewrites: bool = True

    def cost(self, asked: Asked) -> int | None:
        """Estimate the tokens that asking would evaluate: the server has the vocabulary."""
        request = self._request(asked)
        return estimated_tokens(request.system) + estimated_tokens(request.user)

    def write(self, asked: Asked, seconds: float | None) -> Said:
        """Ask the server."""
        return self.model.ask_all([self._request(asked)], seconds=seconds)[0]

    def _request(self, asked: Asked) -> Request:
        user = understand_static(asked.keys) + understand_dynamic(asked.text, asked.earlier)
        return Request(UNDERSTAND_SYSTEM, user, schema(asked.keys), 2 * asked.tokens)


def understand(
    question: Question, scribe: Scribe | None, tokens_left: int | None = None, seconds_left: float | None = None
) -> Understanding | None:
    """Give what to search for; None where that is the question as it was asked.

    A model is asked for at most half of the tokens (evaluated) and of the seconds that are left; None: no limit.
    ServerProblem where a server is away, which it is for its judge too.
    """
    plain = stand_alone(question.text, question.history)
    before = plain or Understanding(question.text.strip())
    if scribe is None:
        return replace(before, notice=_NO_WRITER) if question.expand else plain
    asked = _asked(question, before, scribe)
    if not asked.keys:
        return plain
    started = time.monotonic()
    try:
        asked, cost = _fitting(asked, scribe)
        if cost is None or (tokens_left is not None and cost > MOST_OF_BUDGET * tokens_left):
            return replace(before, notice=_no_room(asked, cost, tokens_left))
        said = scribe.write(asked, None if seconds_left is None else max(0.0, MOST_OF_BUDGET * seconds_left))
    except OutOfTime as late:
        spent = replace(late.usage, seconds=time.monotonic() - started)
        return replace(before, notice=_failed(asked, before, "the time for it was over"), usage=spent)
    except ModelUnusable as error:  # it may judge all the same: probabilities need no template
        return replace(before, notice=f"{_what(asked)}. {error}")
    return _read(said, asked, before)


def _asked(question: Question, before: Understanding, scribe: Scribe) -> Asked:
    earlier = tuple(shortened(one, QUERY_WORDS) for one in question.history if one.strip())[-EARLIER:]
    if not scribe.rewrites or not earlier:
        return Asked(("problem", "words") if question.expand else (), shortened(before.query, QUERY_WORDS))
    keys = ("query",) if question.expand is False else ("query", "problem", "words")
    return Asked(keys, shortened(question.text, QUERY_WORDS), earlier)


def _fitting(asked: Asked, scribe: Scribe) -> tuple[Asked, int | None]:
    """Give what is asked with as many earlier questions as the context has room for, and what it costs."""
    cost = scribe.cost(asked)
    while cost is None and len(asked.earlier) > 1:
        asked = replace(asked, earlier=asked.earlier[1:])
        cost = scribe.cost(asked)
    return asked, cost


def _read(said: Said, asked: Asked, before: Understanding) -> Understanding:
    """Take from an answer what can be used of it."""
    found = _parts(said.text, asked.keys)
    wrote = " ".join(said.text.split())
    reason = f"it wrote {wrote[:_SHOWN]!r}" if wrote else "it wrote nothing"
    query = _one_line(found.get("query"), _CHARACTERS["query"])
    if "query" in asked.keys and not _content(query) & _content(" ".join([asked.text, *asked.earlier])):
        return replace(before, notice=_failed(asked, before, reason), usage=said.usage)
    rewritten = bool(query)
    result = replace(before, query=query, carried=(), rewritten=True) if rewritten else before
    # A small model gives back what it was asked, the question or the request, and calls it its answer.
    known = _content(result.query) | _content(understand_static(asked.keys))
    problem = _one_line(found.get("problem"), _CHARACTERS["problem"])
    if _content(problem) <= known:
        problem = ""
    vocabulary = tuple(_new_words(found.get("words"), known))
    notice = None
    if "problem" in asked.keys and not problem and not vocabulary:
        notice = _failed(replace(asked, keys=("problem", "words")), result, reason)
    return replace(result, problem=problem, vocabulary=vocabulary, notice=notice, usage=said.usage)


def _parts(text: str, keys: Sequence[str]) -> Mapping[str, Any]:
    """Give what stands under the keys in the object of an answer that has most of them, the last of equals."""
    found: Mapping[str, Any] = {}
    most = 1
    for value in objects_of(text):
        count = sum(key in value for key in keys)
        if count >= most:
            found, most = value, count
    wanted = {key: found[key] for key in keys if key in found}
    # Where the tokens or the time were over, the end is missing; half a question is none, and half a word.
    last = [*found][-1] if found and "}" not in text else None
    if last == "query":
        return {}
    if last == "words" and isinstance(found["words"], list):
        wanted["words"] = found["words"][:-1]
    return wanted


def _new_words(said: object, before: frozenset[str]) -> Iterator[str]:
    """Yield the phrases that bring a stem which neither `before` nor a phrase before them has."""
    known = set(before)
    phrases = said.split(",") if isinstance(said, str) else said if isinstance(said, list) else []
    for phrase in [_one_line(one, _CHARACTERS["words"]) for one in phrases][:_WORDS]:
        new = _content(phrase) - known
        if new:
            known |= new
            yield phrase


def _content(text: str) -> frozenset[str]:
    """Give the stems of the words that carry meaning; of a compound those of its parts, which say all that it says."""
    spans: dict[tuple[int, int], list[str]] = {}
    for token in tokens(text):
        if token.word not in STOPWORDS:
            spans.setdefault((token.start, token.end), []).append(stem(token.word))
    return frozenset(one for found in spans.values() for one in (found[:-1] or found))


def _one_line(said: object, characters: int) -> str:
    return " ".join(said.split())[:characters].strip() if isinstance(said, str) else ""


_NO_WRITER = "Not expanded, for no model writes here. Name a generative model with --model, or a server with --llm."


def _no_room(asked: Asked, cost: int | None, left: int | None) -> str:
    if cost is None:
        return f"{_what(asked)}: the request does not fit into the model's context."
    return (
        f"{_what(asked)}: the request takes {cost:,} tokens, more than half of the {left or 0:,} that may be read. "
        "A larger --budget has room for it."
    )


def _failed(asked: Asked, before: Understanding, reason: str) -> str:
    is_by_rule = "query" in asked.keys and before.carried
    instead = "; words of earlier questions were carried over instead" if is_by_rule else ""
    return f"{_what(asked)} by the model, for {reason}{instead}."


def _what(asked: Asked) -> str:
    rewrites, expands = "query" in asked.keys, "problem" in asked.keys
    done = " and ".join(["rewritten"] * rewrites + ["expanded"] * expands)
    return f"The question was not {done}"


def grammar(keys: Sequence[str]) -> str:
    """Give the GBNF of an answer: an object with those keys, in their order."""
    parts = ' ", " '.join(f'"\\"{key}\\": " {key}' for key in keys)
    rules = {
        "query": f'query ::= "\\"" character{{1,{_CHARACTERS["query"]}}} "\\""',
        "problem": f'problem ::= "\\"" character{{1,{_CHARACTERS["problem"]}}} "\\""',
        "words": f'words ::= "[" word (", " word){{0,{_WORDS - 1}}} "]"',
    }
    return "\n".join(
        [
            f'root ::= "{{" {parts} "}}"',
            *(rules[key] for key in keys),
            f'word ::= "\\"" character{{1,{_CHARACTERS["words"]}}} "\\""',
            'character ::= [^"\\\\\\x00-\\x1F\\x7F]',
        ]
    )


def schema(keys: Sequence[str]) -> Mapping[str, Any]:
    """Give the JSON schema of the same answer."""
    text = {key: {"type": "string", "maxLength": _CHARACTERS[key]} for key in _CHARACTERS}
    forms: dict[str, Any] = {**text, "words": {"type": "array", "items": text["words"], "maxItems": _WORDS}}
    properties = {key: forms[key] for key in keys}
    return {"type": "object", "properties": properties, "required": list(keys), "additionalProperties": False}
