"""A hub on this machine: it redirects to a store on another port, and both misbehave in the ways that they are told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast


@dataclass(slots=True)
class Hub:
    """What the hub has, how it behaves, and what it was asked."""

    files: dict[str, bytes]  # by the path after resolve/main/
    etag: str | None = '"first"'
    vouches: bool = True  # names the SHA-256 and size of a file
    linked: str | None = None  # the SHA-256 that it names, where it is a wrong one
    takes_ranges: bool = True
    heeds_if_range: bool = True
    page: bool = False  # the store answers with a web page
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # of the hub's next answers
    cuts: list[int] = field(default_factory=list)  # bytes after which the store hangs up, of its next answers
    stalls: threading.Event | None = None  # the store waits for it before it hangs up
    endpoint: str = ""
    store: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # "hub" or "store", path, headers

    def asked_of(self, role: str) -> list[dict[str, str]]:
        """Give the headers of the requests to the hub or to the store, names in lower case."""
        return [headers for who, _, headers in self.asked if who == role]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: Hub
    role: str


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        server = cast(_Server, self.server)
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.hub.asked.append((server.role, self.path, headers))
        if server.role == "hub":
            self._as_hub(server.hub)
        else:
            self._as_store(server.hub)

    def _as_hub(self, hub: Hub) -> None:
        if hub.refusals:
            status, headers = hub.refusals.pop(0)
            self._answer(status, headers)
            return
        name = self.path.partition("/resolve/main/")[2]
        if name not in hub.files:
            self._answer(404, {"X-Error-Code": "EntryNotFound"})
            return
        content = hub.files[name]
        linked = {
            "X-Linked-Etag": f'"{hub.linked or hashlib.sha256(content).hexdigest()}"',
            "X-Linked-Size": str(len(content)),
        }
        self._answer(302, {"Location": f"{hub.store}/blobs/{name}", **(linked if hub.vouches else {})})

    def _as_store(self, hub: Hub) -> None:
        content = hub.files[self.path.removeprefix("/blobs/")]
        if hub.page:
            self._answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<!DOCTYPE html><p>Sign in")
            return
        told = {} if hub.etag is None else {"ETag": hub.etag}
        start = self._start(hub)
        if start >= len(content) > 0:
            self._answer(416, {"Content-Range": f"bytes */{len(content)}"})
        elif start:
            told["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(206, told, content[start:])
        else:
            self._answer(200, told, content)

    def _start(self, hub: Hub) -> int:
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if asked is None or not hub.takes_ranges or (hub.heeds_if_range and condition not in {None, hub.etag}):
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        server = cast(_Server, self.server)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.role == "store" and body and server.hub.cuts:
            body = body[: server.hub.cuts.pop(0)]
            self.close_connection = True
            self.wfile.write(body)
            if server.hub.stalls is not None:
                server.hub.stalls.wait(60)
            return
        self.wfile.write(body)


@contextmanager
def hub_of(files: dict[str, bytes]) -> Iterator[Hub]:
    """Run a hub that has these files, and its store, on the loopback until the context ends."""
    hub = Hub(files)
    servers: list[_Server] = []
    for role in ("hub", "store"):
        server = _Server(("127.0.0.1", 0), _Handler)
        server.hub, server.role = hub, role
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
    hub.endpoint, hub.store = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
