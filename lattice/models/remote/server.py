"""Which server, and how it is spoken to: the settings, and the address in the one form that requests need."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lattice.errors import UsageError

URL_VARIABLE = "LATTICE_LLM_URL"
KEY_VARIABLE = "LATTICE_LLM_KEY"
_EXAMPLE = "http://127.0.0.1:8080"
_ENDPOINT = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that speaks OpenAI's chat completions. UsageError where the address or a number can mean nothing.

    `url` may be given as host and port, with /v1, or as the whole endpoint. `model` None takes the first that the
    server lists. `timeout` bounds one try in seconds; a failed one is repeated up to `retries` times, after pauses that
    double. `concurrency` bounds the requests under way at once. `key` is sent as a bearer token, and shown nowhere.
    """

    url: str
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    timeout: float = 120.0
    retries: int = 3
    concurrency: int = 4

    def __post_init__(self) -> None:
        """Bring the address into one form, and refuse what no request could be made of."""
        object.__setattr__(self, "url", _base(self.url))
        object.__setattr__(self, "key", _checked_key(self.key))
        if not self.timeout > 0 or self.retries < 0 or self.concurrency < 1:
            raise UsageError("A server's timeout is above 0 seconds, its retries 0 or more, its concurrency 1 or more.")

    @property
    def host(self) -> str:
        """The machine that what is asked goes to."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        address = _address(self.host)
        return address.is_loopback if address else re.fullmatch(r"(.+\.)?localhost", self.host) is not None

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine or in its network, where no proxy has a part."""
        address = _address(self.host)
        by_name = "." not in self.host or self.host.endswith(".local")
        return self.is_loopback or (address.is_private if address else by_name)

    @property
    def is_encrypted(self) -> bool:
        """Whether nobody on the way can read what is sent."""
        return self.url.startswith("https:")


def find_server(url: str | None, model: str | None, environ: Mapping[str, str]) -> Server:
    """Give the server that the user named: `url`, else LATTICE_LLM_URL; its key is that of LATTICE_LLM_KEY."""
    chosen = url if url is not None else environ.get(URL_VARIABLE, "")
    if not chosen.strip():
        raise UsageError(f"The remote judge needs a server. Name one: --llm {_EXAMPLE}, or {URL_VARIABLE}.")
    return Server(chosen, model or None, environ.get(KEY_VARIABLE) or None)


def _base(url: str) -> str:
    """Give the address that /chat/completions and /models are appended to."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise UsageError(f"The address of the server cannot be read. Write it like {_EXAMPLE}.") from None
    # What may hold a password is not repeated in the messages.
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            f"The address of the server may hold no user, password or ?query; a key belongs into {KEY_VARIABLE}."
        )
    if parts.scheme not in {"http", "https"} or not re.fullmatch(r"[\w.:%-]+", parts.hostname or ""):
        raise UsageError(f"{url.strip()!r} is no address of a server. Write it in full, like {_EXAMPLE}.")
    name = parts.hostname or ""
    path = parts.path.rstrip("/").removesuffix(_ENDPOINT).rstrip("/")
    host = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{path or '/v1'}"


def _checked_key(key: str | None) -> str | None:
    stripped = key.strip() if key else ""
    if not re.fullmatch(r"[!-~]*", stripped):
        raise UsageError(f"{KEY_VARIABLE} holds characters that no key has: spaces, or letters beyond ASCII.")
    return stripped or None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
