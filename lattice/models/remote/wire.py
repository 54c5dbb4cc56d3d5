"""One request and its reply: tried again where that may help, never beyond the time there is."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from lattice.errors import ServerProblem
from lattice.models.remote.problems import broken, too_long, too_slow, unreachable
from lattice.models.remote.server import Server
from lattice.types import OutOfTime, Usage

if TYPE_CHECKING:
    import httpx2

_FIRST_PAUSE = 0.5  # seconds before the second try; doubled for every further one
LONGEST_PAUSE = 30.0  # what a server may ask us to wait; beyond it a person should know
_CONNECT_SECONDS = 5.0
_MOST_BYTES = 8_000_000  # of a reply: far beyond any answer, far below what would hurt
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500
# What servers answer that do not know a field of a request, or a value of it.
_REFUSALS = {400, 422, 501}
# llama-cpp-python's server answers such a request with 500, as if it had failed itself; only its words tell.
_FORMAT = re.compile("response_format|json_schema")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `wait` is what Retry-After says, in seconds from now."""

    status: int
    text: str
    content_type: str = ""
    wait: float = 0.0
    location: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the server did what it was asked to do."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Whether the request may succeed in another form."""
        return self.status in _REFUSALS or (self.status == _SERVER_ERROR and bool(_FORMAT.search(self.text)))

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.status == _TOO_MANY_REQUESTS or (self.status >= _SERVER_ERROR and not self.is_refusal)

    def json(self) -> Any:  # noqa: ANN401 - whatever a server says
        """Give what the body says; None where it is no JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: until `deadline` (of time.monotonic), and no longer than somebody waits for the answer."""

    deadline: float | None
    given_up: threading.Event

    def left(self, at_most: float) -> float:
        """Give the seconds that are left, `at_most` many; OutOfTime where there are none."""
        seconds = at_most if self.deadline is None else min(at_most, self.deadline - time.monotonic())
        if seconds <= 0.0 or self.given_up.is_set():
            raise OutOfTime(Usage())
        return seconds

    def pause(self, seconds: float) -> None:
        """Wait; OutOfTime at once where the time is over before that."""
        if self.left(seconds + 1.0) < seconds or self.given_up.wait(seconds):
            raise OutOfTime(Usage())


class Wire:
    """Sends requests to one server; may be used by many threads at once."""

    def __init__(self, server: Server) -> None:
        """Prepare; nothing is sent yet."""
        import httpx2

        self._server = server
        key = {"Authorization": f"Bearer {server.key}"} if server.key else {}
        # Redirects stay unfollowed (httpx2's default): passages and the key go to the named address alone. The
        # environment's proxies and certificates hold for what is far away, never for this machine and its network.
        self._client = httpx2.Client(
            headers={**key, "Content-Type": "application/json"},
            trust_env=not server.is_local,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=server.concurrency),
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None, patience: Patience, *, retries: int | None = None
    ) -> Reply:
        """Give the reply, whatever it says. ServerProblem where none comes, OutOfTime where patience ends before."""
        pause = _FIRST_PAUSE
        tries = (self._server.retries if retries is None else retries) + 1
        for left in reversed(range(tries)):
            try:
                reply = self._once(method, path, body, patience)
            except ServerProblem:
                if not left:
                    raise
                wait = pause
            else:
                if not left or not reply.is_temporary or reply.wait > LONGEST_PAUSE:
                    return reply
                wait = max(pause, reply.wait)
            patience.pause(wait)
            pause *= 2
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None, patience: Patience) -> Reply:
        import httpx2

        limit = patience.left(self._server.timeout)
        end = time.monotonic() + limit
        timeout = httpx2.Timeout(limit, connect=min(limit, _CONNECT_SECONDS))
        content = None if body is None else json.dumps(body).encode("ascii")
        try:
            with self._client.stream(method, self._server.url + path, content=content, timeout=timeout) as response:
                return self._received(response, end)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            patience.left(limit)
            raise unreachable(self._server, str(error)) from error
        except (httpx2.TimeoutException, TimeoutError) as error:
            patience.left(limit)
            raise too_slow(self._server) from error
        except httpx2.HTTPError as error:
            patience.left(limit)
            raise broken(self._server, str(error)) from error

    def _received(self, response: httpx2.Response, end: float) -> Reply:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > _MOST_BYTES:
                raise too_long(self._server)
            # The client's own limit is one for each piece, which a server that drips would never reach.
            if time.monotonic() > end:
                raise TimeoutError
        headers = response.headers
        return Reply(
            response.status_code,
            self._without_key(body.decode("utf-8", "replace")),
            headers.get("content-type", "").partition(";")[0].strip(),
            _seconds_of(headers.get("retry-after", "")),
            headers.get("location", ""),
        )

    def _without_key(self, text: str) -> str:
        # A server may repeat what it was sent; what comes in is shown in messages and traces.
        return text.replace(self._server.key, "…") if self._server.key else text


def _seconds_of(retry_after: str) -> float:
    """Read a Retry-After header: seconds, or a date; 0 where there is none or it cannot be read."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())
