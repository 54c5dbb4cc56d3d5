"""What can be wrong with a server, in words for a person: each message names the server and the cure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lattice.errors import ServerProblem
from lattice.models.remote.server import KEY_VARIABLE, Server

if TYPE_CHECKING:
    from lattice.models.remote.wire import Reply

_WORDS = 200  # characters of what a server says: the beginning names the fault
_MODELS = 10  # of a server's list
_START = "Start one, for example `llama-server -m model.gguf --port 8080` or `vllm serve MODEL`"
_LOG = "its own log says more"


def unreachable(server: Server, reason: str) -> ServerProblem:
    """Nobody listens there, or the name, the certificate or the proxy is in the way."""
    cure = _START if server.is_loopback else "Is it running, and is the address right?"
    return ServerProblem(f"No server answers at {server.url} ({_shortened(reason)}). {cure}{_dot(cure)}")


def broken(server: Server, reason: str) -> ServerProblem:
    """The connection ended before the reply did."""
    return ServerProblem(
        f"The server at {server.url} broke off in the middle of its answer ({_shortened(reason)}). Does it still run, "
        f"and has it memory enough? {_LOG.capitalize()}."
    )


def too_slow(server: Server) -> ServerProblem:
    """The reply took longer than one try may."""
    return ServerProblem(
        f"The server at {server.url} did not answer within {server.timeout:g} s. A smaller model or a faster machine "
        "answers sooner; --budget 5s ends a search after 5 seconds with what it has."
    )


def too_long(server: Server) -> ServerProblem:
    """The reply has no end."""
    return ServerProblem(f"What {server.url} sends is far too long for an answer. {_not_api()}")


def no_answer(server: Server, reply: Reply) -> ServerProblem:
    """The reply is none of chat completions."""
    if said := _complaint(reply):
        return ServerProblem(f"The server at {server.url} reports an error: {said}. {_LOG.capitalize()}.")
    kind = reply.content_type or "something without a type"
    what = "JSON of another kind" if reply.json() is not None else f"{kind} that is no JSON"
    return ServerProblem(f"{server.url} answers with {what}. {_not_api()}")


def no_model(server: Server) -> ServerProblem:
    """The server does not tell which models it has, and none was named."""
    return ServerProblem(
        f"{server.url} lists no models. Is the address right? That of an OpenAI-compatible server usually ends in /v1. "
        "If it is, name the model to ask: --llm-model NAME."
    )


def refused(server: Server, reply: Reply, models: Sequence[str] | None) -> ServerProblem:
    """The reply is an error; `models` are those that the server lists, None where it lists none."""
    said = _complaint(reply)
    told = f"{reply.status}: {said}" if said else str(reply.status)
    if reply.location and 300 <= reply.status < 400:
        cure = f"It sends on to {_shortened(reply.location)}, which is not followed; if you trust it, name it instead"
    elif reply.status in {401, 403}:
        cure = f"It does not take the key in {KEY_VARIABLE}" if server.key else f"Put its key into {KEY_VARIABLE}"
    elif reply.status == 404:
        cure = _not_there(server, models)
    elif reply.status == 429:
        cure = f"It asks to wait {reply.wait:.0f} s; try again then" if reply.wait else "Try again later"
    elif reply.status >= 500:
        cure = (
            f"It was asked {server.retries + 1} times. Try again in a while; {_LOG}"
            if reply.is_temporary
            else _LOG.capitalize()
        )
    else:
        cure = "If its context is too short for the question, start it with a longer one (llama-server -c 8192)"
    return ServerProblem(f"The server at {server.url} refuses ({told}). {cure}.")


def _not_there(server: Server, models: Sequence[str] | None) -> str:
    if models is None:
        return "Is the address right? That of an OpenAI-compatible server usually ends in /v1"
    shown = ", ".join(models[:_MODELS]) + (", …" if len(models) > _MODELS else "")
    return f"It has no model {server.model!r}. It has: {shown}" if server.model else f"Its models: {shown}"


def _not_api() -> str:
    return "It is no OpenAI-compatible server; the address of one usually ends in /v1."


def _complaint(reply: Reply) -> str:
    """Give what a server says is wrong, on one line; nothing where it says nothing for a person."""
    said: Any = reply.json()
    for name in ("error", "message", "detail", "msg"):
        if isinstance(said, list) and said:
            said = said[0]
        if isinstance(said, dict) and said.get(name):
            said = said[name]
    if isinstance(said, str):
        return _shortened(said)
    return _shortened(reply.text) if reply.content_type == "text/plain" else ""


def _shortened(text: str) -> str:
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= _WORDS else f"{line[:_WORDS]}…"


def _dot(text: str) -> str:
    return "" if text.endswith("?") else "."
