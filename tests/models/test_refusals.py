from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path

import httpx2
import pytest

from lattice.errors import DownloadFailed
from lattice.models.hub import Wanted
from lattice.models.refusals import Busy, refusal, unreachable

WANTED = Wanted("https://hub.example", "owner/name", "main", "m.gguf", Path("m.gguf"))


def _response(
    status: int, headers: dict[str, str] | None = None, sent: dict[str, str] | None = None
) -> httpx2.Response:
    return httpx2.Response(status, headers=headers, request=httpx2.Request("GET", WANTED.url, headers=sent))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_worth_another_try(status: int) -> None:
    assert isinstance(refusal(_response(status), WANTED), Busy)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_what_will_not_pass_is_not(status: int) -> None:
    told = refusal(_response(status), WANTED)
    assert isinstance(told, DownloadFailed)
    assert str(status) in str(told)


@pytest.mark.parametrize(
    ("value", "wait"), [("7", 7.0), (" 0 ", 0.0), ("-1", None), ("soon", None), ("", None), (formatdate(0), 0.0)]
)
def test_how_long_a_hub_asks_to_wait(value: str, wait: float | None) -> None:
    told = refusal(_response(503, {"Retry-After": value}), WANTED)
    assert isinstance(told, Busy)
    assert told.wait == wait


def test_a_date_to_come_is_so_many_seconds_from_now() -> None:
    told = refusal(_response(503, {"Retry-After": formatdate(time.time() + 100_000, usegmt=True)}), WANTED)
    assert isinstance(told, Busy)
    assert told.wait == pytest.approx(100_000, abs=1000)


def test_a_closed_repository_asks_for_the_token_or_for_the_right_one() -> None:
    assert "put an access token into HF_TOKEN" in str(refusal(_response(401), WANTED))
    answered = _response(403, sent={"Authorization": "Bearer hf_secret"})
    told = str(refusal(answered, WANTED))
    assert "accepted its terms at https://hub.example/owner/name" in told
    assert "hf_secret" not in told
    hop = _response(403)  # the store refuses, to which the token did not go
    hop.history = [answered]
    assert "does HF_TOKEN belong" in str(refusal(hop, WANTED))


def test_what_cannot_be_reached_tells_what_is_kept_and_the_other_way() -> None:
    nothing = str(unreachable(WANTED, httpx2.ConnectError("no such host"), 0))
    assert nothing.startswith("hub.example cannot be reached (no such host). This is the only command")
    some = str(unreachable(WANTED, httpx2.ReadTimeout(""), 1234))
    assert "(ReadTimeout). 1,234 bytes are here. What has come is kept" in some
    busy = str(unreachable(WANTED, Busy(429, 90.0), 0))
    assert busy.startswith("hub.example answers 429 Too Many Requests and asks to wait for 90 seconds.")
