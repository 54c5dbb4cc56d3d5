"""A model on a server: questions go out, several at once, and what it said comes back with what it cost."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from lattice.models.prompts import Request, estimated_tokens
from lattice.models.remote.problems import no_answer, no_model, refused
from lattice.models.remote.server import Server
from lattice.models.remote.wire import Patience, Reply, Wire
from lattice.types import OutOfTime, Usage

Item = TypeVar("Item")

_SEED = 0
_ENDPOINT = "/chat/completions"
_NOT_FOUND = 404
# Not every server takes them: newer OpenAI models want another name for the first and no temperature, some no seed.
_OPTIONAL = ("max_tokens", "temperature", "seed")


@dataclass(frozen=True, slots=True)
class Said:
    """What the model wrote, cut where its tokens were over, and what it cost."""

    text: str
    usage: Usage


_Arrivals = queue.SimpleQueue[tuple[int, Said | None, Exception | None]]
"""What threads bring: a question's index, and its answer or what went wrong."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a request is put. OpenAI, vLLM and llama-server take `json_schema`, llama-cpp-python and some clouds a schema
    with `json_object`; some take none. `without` holds the fields that are left out.
    """

    schema: Literal["json_schema", "json_object", "none"] = "json_schema"
    without: frozenset[str] = frozenset()

    def weaker(self, complaint: str, *, has_schema: bool) -> Form | None:
        """Give the form to try next after a refusal in these words; None where nothing is left to leave out."""
        for name in _OPTIONAL:
            if name in complaint and name not in self.without:
                return replace(self, without=self.without | {name})
        if self.schema == "none" or not has_schema:
            return None
        return replace(self, schema="json_object" if self.schema == "json_schema" else "none")

    def body(self, question: Request, model: str) -> dict[str, Any]:
        """Give the request."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": question.user},
            ],
            "temperature": 0,
            "seed": _SEED,
            "max_tokens": question.max_tokens,
        }
        if "max_tokens" in self.without:
            body["max_completion_tokens"] = question.max_tokens
        if question.schema is not None and self.schema != "none":
            body["response_format"] = self._format(question.schema)
        return {name: value for name, value in body.items() if name not in self.without}

    def _format(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        if self.schema == "json_object":
            return {"type": "json_object", "schema": schema}
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


class RemoteModel:
    """The model that a server serves. Loads nothing and sends nothing until it is asked; `close` ends its connections.

    What it learns of the server while it asks (that it takes no schema, say) holds for all that is asked later, and is
    told by `notes`.
    """

    def __init__(self, server: Server) -> None:
        """Take the settings."""
        self.server = server
        self._wire: Wire | None = None
        self._form = Form()
        self._model = server.model
        self._others = 0
        self._estimates = False
        self._choosing = threading.Lock()
        self._arrivals: _Arrivals = queue.SimpleQueue()
        self._is_stopped = False

    @property
    def name(self) -> str:
        """The server's address, for messages."""
        return self.server.url

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the answers so far, a sentence each."""
        loose = sorted(self._form.without & {"temperature", "seed"})
        found = {
            "The server takes no JSON schema; the answers were asked for as plain JSON.": self._form.schema == "none",
            f"The server takes no {' and no '.join(loose)}; its answers may differ from run to run.": bool(loose),
            "The server does not count tokens; the usage is estimated from the characters.": self._estimates,
            f"The server has {self._others + 1} models; {self._model} was asked. --llm-model names another.": (
                self._others > 0
            ),
        }
        return tuple(note for note, holds in found.items() if holds)

    def close(self) -> None:
        """End all connections."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def stop(self) -> None:
        """End by OutOfTime what another thread asks, and all that it begins before `resume`."""
        self._is_stopped = True  # first, so that what begins now either sees it or finds the end among its answers
        self._arrivals.put((0, None, OutOfTime(Usage())))

    def resume(self) -> None:
        """Ask again after `stop`."""
        self._is_stopped = False

    def ask(self, question: Request, *, seconds: float | None = None) -> Said:
        """Ask one question; see `ask_all`."""
        return self.ask_all([question], seconds=seconds)[0]

    def ask_all(self, questions: Sequence[Request], *, seconds: float | None = None) -> list[Said]:
        """Ask questions, `concurrency` of them at once, and give the answers in their order.

        ServerProblem where the server is away, refuses or talks of something else; OutOfTime after `seconds`. Ctrl-C
        ends the waiting at once: requests under way are left behind.
        """
        started = time.monotonic()
        wire = self._wire = self._wire or Wire(self.server)
        patience = Patience(None if seconds is None else started + seconds, threading.Event())
        workers = min(self.server.concurrency, len(questions))
        found: dict[int, Said] = {}
        try:
            # Keeps what had come when the time was over.
            arrivals = self._arrivals = queue.SimpleQueue()
            if self._is_stopped:
                raise OutOfTime(Usage())
            asked = _as_they_come(lambda one: self._ask(wire, one, patience), questions, workers, patience, arrivals)
            found.update(asked)
        except OutOfTime:
            spent = Usage(calls=min(workers, len(questions) - len(found)), seconds=time.monotonic() - started)
            raise OutOfTime(sum((said.usage for said in found.values()), spent)) from None
        return [found[i] for i in range(len(questions))]

    def ask_each(self, questions: Sequence[Request]) -> Iterator[tuple[int, Said]]:
        """Ask questions as `ask_all` does, and yield the index and answer of each as they come."""
        wire = self._wire = self._wire or Wire(self.server)
        patience = Patience(None, threading.Event())
        workers = min(self.server.concurrency, len(questions))
        return _as_they_come(
            lambda one: self._ask(wire, one, patience), questions, workers, patience, queue.SimpleQueue()
        )

    def _ask(self, wire: Wire, question: Request, patience: Patience) -> Said:
        started = time.monotonic()
        model = self._chosen(wire, patience)
        form: Form | None = self._form
        while form is not None:
            used, reply = form, wire.send("POST", _ENDPOINT, form.body(question, model), patience)
            has_schema = question.schema is not None
            form = form.weaker(reply.text, has_schema=has_schema) if reply.is_refusal else None
        if not reply.is_good:
            listed = self._listed(wire, patience) if reply.status == _NOT_FOUND else None
            raise refused(self.server, reply, listed)
        self._form = used
        text = _text(reply)
        if text is None:
            raise no_answer(self.server, reply)
        usage = _usage(reply)
        self._estimates = self._estimates or usage is None
        spent = usage or Usage(
            estimated_tokens(question.system) + estimated_tokens(question.user), 0, estimated_tokens(text)
        )
        return Said(text, replace(spent, calls=1, seconds=time.monotonic() - started))

    def _chosen(self, wire: Wire, patience: Patience) -> str:
        """Give the model to ask: the one that was named, else the first that the server lists."""
        with self._choosing:
            if self._model is None:
                reply = wire.send("GET", "/models", None, patience)
                listed = _names(reply)
                # A server that lists nothing because it lists nothing to us has a cure of its own.
                if not reply.is_good and reply.status != _NOT_FOUND:
                    raise refused(self.server, reply, None)
                if reply.is_good and listed is None:
                    raise no_answer(self.server, reply)
                if not listed:
                    raise no_model(self.server)
                self._model, self._others = listed[0], len(listed) - 1
            return self._model

    def _listed(self, wire: Wire, patience: Patience) -> list[str] | None:
        return _names(wire.send("GET", "/models", None, patience, retries=0))


def _as_they_come(
    work: Callable[[Item], Said], items: Sequence[Item], workers: int, patience: Patience, done: _Arrivals
) -> Iterator[tuple[int, Said]]:
    """Yield each item's index and result, as threads finish them; what one raises is raised here.

    The threads are left behind when the caller goes: a pool's would be waited for, at the latest when Python ends.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for i in range(len(items)):
        waiting.put(i)

    def run() -> None:
        while not patience.given_up.is_set():
            try:
                i = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((i, work(items[i]), None))
            except Exception as problem:
                done.put((i, None, problem))

    try:
        for _ in range(workers):
            threading.Thread(target=run, name="lattice-remote", daemon=True).start()
        for _ in items:
            yield _next(done, patience)
    finally:
        patience.given_up.set()


def _next(done: _Arrivals, patience: Patience) -> tuple[int, Said]:
    seconds = None if patience.deadline is None else max(0.0, patience.deadline - time.monotonic())
    try:
        i, result, problem = done.get(timeout=seconds)
    except queue.Empty:
        raise OutOfTime(Usage()) from None
    if problem is not None:
        raise problem
    assert result is not None
    return i, result


def _text(reply: Reply) -> str | None:
    """Give what the model said; None where the reply is none of chat completions."""
    try:
        content = reply.json()["choices"][0]["message"]["content"]
    except (TypeError, KeyError, IndexError):
        return None
    if isinstance(content, list):
        pieces = (piece.get("text") for piece in content if isinstance(piece, dict))
        content = "".join(piece for piece in pieces if isinstance(piece, str))
    # A model whose tokens were over before it had finished thinking has said nothing.
    return content if isinstance(content, str) else "" if content is None else None


def _usage(reply: Reply) -> Usage | None:
    """Give the tokens that the server counted; None where it did not."""
    said = reply.json().get("usage")
    if not isinstance(said, dict):
        return None
    read, written = said.get("prompt_tokens"), said.get("completion_tokens")
    if not isinstance(read, int) or not isinstance(written, int):
        return None
    details = said.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    reused = min(read, cached) if isinstance(cached, int) else 0
    return Usage(read - reused, reused, written)


def _names(reply: Reply) -> list[str] | None:
    """Give the models of a list; None where the reply is no such list."""
    said = reply.json() if reply.is_good else None
    listed = said.get("data") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        return None
    return [one["id"] for one in listed if isinstance(one, dict) and isinstance(one.get("id"), str)]
