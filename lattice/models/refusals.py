"""What a hub's refusals mean, and what to do about each."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from lattice.errors import DownloadFailed
from lattice.models.hub import ENDPOINT_VARIABLE, TOKEN_VARIABLE, Wanted

if TYPE_CHECKING:
    import httpx2

_LATER = "What has come is kept: run the same again, and it goes on from there."
_ONLY = (
    "This is the only command that needs a network. A file that was brought here in another way is registered by "
    "lattice models add PATH."
)


class Busy(Exception):
    """The hub says that it cannot answer now; `wait` is how many seconds it asks for, None where it does not say."""

    def __init__(self, status: int, wait: float | None) -> None:
        super().__init__(_said(status))
        self.wait = wait


def refusal(response: httpx2.Response, wanted: Wanted) -> Exception:
    """Give the error for a response that brings no file: Busy where it is worth another try, else DownloadFailed."""
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Busy(status, _retry_after(response.headers.get("retry-after")))
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return DownloadFailed(_closed(response, wanted))
    if status == HTTPStatus.NOT_FOUND:
        return DownloadFailed(_not_there(response.headers.get("x-error-code", ""), wanted))
    return DownloadFailed(f"{response.url.host} answers {_said(status)} for {wanted.url}: nothing can be downloaded.")


def unreachable(wanted: Wanted, error: Exception, had: int) -> DownloadFailed:
    """Give the error for a hub that cannot be reached, or no longer, after `had` bytes were there."""
    host = wanted.endpoint.partition("://")[2]
    if isinstance(error, Busy):
        asked = f" and asks to wait for {error.wait:,.0f} seconds" if error.wait else ""
        return DownloadFailed(f"{host} answers {error}{asked}. {_LATER}")
    reason = str(error) or type(error).__name__
    kept = f" {had:,} bytes are here. {_LATER}" if had else ""
    return DownloadFailed(f"{host} cannot be reached ({reason}).{kept} {_ONLY}")


def _closed(response: httpx2.Response, wanted: Wanted) -> str:
    has_token = (
        "authorization" in response.history[0].request.headers
        if response.history
        else ("authorization" in response.request.headers)
    )
    cure = (
        f"does {TOKEN_VARIABLE} belong to an account that has accepted its terms at {wanted.page}?"
        if has_token
        else f"accept its terms at {wanted.page}, and put an access token into {TOKEN_VARIABLE}."
    )
    return (
        f"{wanted.repo} is not open to you ({_said(response.status_code)}): it is gated, private or not there. "
        f"Check the name; if it is gated: {cure}"
    )


def _not_there(code: str, wanted: Wanted) -> str:
    """Say what is missing; the hub has a code for that, and other servers have none."""
    if code == "RepoNotFound":
        return f"There is no repository {wanted.repo} (404): look for its name at {wanted.endpoint}."
    if code == "RevisionNotFound":
        return f"{wanted.repo} has no revision {wanted.revision} (404): {wanted.page} shows its branches."
    if code == "EntryNotFound":
        return f"{wanted.repo} has no file {wanted.file} (404): its files are at {wanted.page}/tree/{wanted.revision}."
    return (
        f"There is nothing at {wanted.url} (404): check the repository, the file and the revision at {wanted.page}, "
        f"and {ENDPOINT_VARIABLE} if you have set it."
    )


def _retry_after(value: str | None) -> float | None:
    """Give the seconds that a hub asks to wait: it says a number, or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _said(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
