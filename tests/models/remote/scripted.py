"""A real HTTP server on this machine that answers chat completions as a script says: well, late, half or wrongly."""

from __future__ import annotations

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE = 60.0  # seconds that nothing here takes unless something is broken


@dataclass(frozen=True)
class Received:
    """A request, as it came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_GET(self) -> None:
        self.server.received.append(Received(self.path, dict(self.headers), {}))
        if self.server.models is None or not self.path.endswith("/models"):
            status(404, {"error": {"message": "Not Found"}})(self)
        else:
            status(200, {"object": "list", "data": [{"id": name} for name in self.server.models]})(self)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.received.append(Received(self.path, dict(self.headers), body))
            script = self.server.script
            act = script.pop(0) if len(script) > 1 else script[0]
        self.server.asked.set()
        self.body = body
        act(self)

    def reply(self, code: int, content: bytes, kind: str, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


Act = Callable[[Handler], None]


class ScriptedServer(ThreadingHTTPServer):
    """Does the acts of its script, one a question, the last for ever. `released` ends all that hangs."""

    def __init__(self, script: Sequence[Act], models: Sequence[str] | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = list(script)
        self.models = models
        self.received: list[Received] = []
        self.lock = threading.Lock()
        self.asked = threading.Event()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def questions(self) -> list[dict[str, Any]]:
        return [one.body for one in self.received if one.path.endswith("/chat/completions")]

    def handle_error(self, *_: object) -> None:
        """Whoever asked has hung up, as the tests want it."""


@contextmanager
def serving(*script: Act, models: Sequence[str] | None = ("tiny",)) -> Iterator[ScriptedServer]:
    server = ScriptedServer(script, models)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)


def unused_url() -> str:
    """Give an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


USAGE = {"prompt_tokens": 120, "completion_tokens": 30, "prompt_tokens_details": {"cached_tokens": 20}}


def completion(text: object, usage: object = None) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage}


def says(text: object, usage: object = USAGE) -> Act:
    return status(200, completion(text, usage))


def answers(reply: Callable[[dict[str, Any]], str]) -> Act:
    """Say what a function makes of the request."""
    return lambda handler: says(reply(handler.body))(handler)


def reader(word: str, alter: Callable[[str], str] = str) -> Act:
    """Score the passages of a slate as a model would that likes one word; `alter` is what becomes of its JSON."""

    def reply(body: dict[str, Any]) -> str:
        shown = body["messages"][1]["content"].partition("\n\nQuery: ")[0].removeprefix("Passages:\n")
        passages = {text[1]: text for text in re.split(r"\n\n(?=\[[A-T]\] )", shown)}
        said = {
            letter: {"offers": "it " + ("speaks" if word in text else "is silent"), "score": 95 if word in text else 5}
            for letter, text in passages.items()
        }
        return alter(json.dumps({"problem": f"about the {word}", **said}))

    return answers(reply)


def forwards(url: str, alter: Callable[[str], str] = str, then: Act | None = None) -> Act:
    """Ask the server at `url` the same, and give what it said, altered; or do something else than to give it."""

    def act(handler: Handler) -> None:
        sent = urllib.request.Request(
            f"{url}/v1/chat/completions", json.dumps(handler.body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(sent, timeout=PATIENCE) as response:
                said = json.load(response)
        except urllib.error.HTTPError as refusal:
            # Whoever asked will put it in another way; that is the question that this act is for.
            with refusal, handler.server.lock:
                handler.server.script.insert(0, act)
                handler.reply(refusal.code, refusal.read(), "application/json")
            return
        text = alter(said["choices"][0]["message"]["content"])
        (then or says(text, said["usage"]))(handler)

    return act


def status(code: int, body: object, kind: str = "application/json", **headers: str) -> Act:
    content = body if isinstance(body, str) else json.dumps(body)
    return lambda handler: handler.reply(code, content.encode(), kind, **headers)


def refuses(word: str, code: int = 400, then: Act | None = None) -> Act:
    """Refuse every request that holds the word, as servers do that do not know a field."""
    otherwise = then or says("fine")

    def act(handler: Handler) -> None:
        if word in json.dumps(handler.body):
            status(code, {"error": {"message": f"unsupported: '{word}'"}})(handler)
        else:
            otherwise(handler)

    return act


def hangs(handler: Handler) -> None:
    """Take the question and say nothing."""
    handler.server.released.wait(PATIENCE)
    handler.close_connection = True


def dies_midway(handler: Handler) -> None:
    """Close the connection after half of the body."""
    content = json.dumps(completion("what nobody will hear")).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


def drips(handler: Handler) -> None:
    """Send one byte after the other and come to no end."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while not handler.server.released.wait(0.02):
        handler.wfile.write(b" ")
        handler.wfile.flush()
