"""A model from a hub, on demand: the only thing here that needs a network. It resumes, and it checks what came.

The hub answers a request for a large file with a redirect to a store of files, and says on that redirect which SHA-256
and size the file has. What has come lies in FILE.part, beside a note of what it is a part of; the store's own etag
says, at the next try, whether it still has the same.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lattice.errors import DownloadFailed, ModelUnusable
from lattice.models.gguf import check_file
from lattice.models.hub import TOKEN_VARIABLE, Wanted
from lattice.models.locks import locked
from lattice.models.refusals import Busy, refusal, unreachable
from lattice.models.shelf import Progress, digest

if TYPE_CHECKING:
    import httpx2

TRIES = 5  # without a byte more
LONGEST_WAIT = 60.0  # seconds; a hub that asks for more is asked again by the user
_FIRST_WAIT = 1.0  # seconds; doubled from try to try
_TIMEOUT = 30.0  # seconds without a sign of life
_FULL = {errno.ENOSPC, errno.EDQUOT}
_LFS = re.compile(r'(?:W/)?"?([0-9a-fA-F]{64})"?')
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a hub says of a file, as far as it says it: the store's etag, its size in bytes, and its SHA-256."""

    url: str
    etag: str | None
    size: int | None
    sha256: str | None

    def continues(self, before: Offer) -> bool:
        """Whether the file is the one that a part was made of; where nothing tells, it is not."""
        if self.url != before.url:
            return False
        if self.sha256 is not None and before.sha256 is not None:
            return self.sha256 == before.sha256
        return self.etag is not None and self.etag == before.etag


@dataclass(frozen=True, slots=True)
class Came:
    """What was downloaded: the hash that it has and was to have (None: nobody said), and whether it was here before."""

    sha256: str
    expected: str | None
    was_here: bool = False


def download(
    wanted: Wanted, environ: Mapping[str, str], progress: Progress | None = None, sleep: Sleep = time.sleep
) -> Came:
    """Bring a file to its place, whole and checked, from where an earlier try left off.

    Raises DownloadFailed, with the reason and the cure; what came is kept unless it is wrong. An interruption keeps it
    as well. OSError where the disk refuses.
    """
    with _alone(wanted), _client(environ) as client:
        offer = _persevere(client, wanted, progress or (lambda _stage, _done, _total: None), sleep)
        expected = wanted.sha256 or offer.sha256
        if not wanted.part.exists():
            return Came(expected or "", expected, was_here=True)
        came = Came(_checked(wanted, offer, expected, progress), expected)
        wanted.part.replace(wanted.target)
        wanted.note.unlink(missing_ok=True)
    return came


@contextmanager
def _alone(wanted: Wanted) -> Iterator[None]:
    try:
        with locked(wanted.lock, wait=False):
            yield
    except BlockingIOError:
        raise DownloadFailed(f"Another process is downloading {wanted.target}: wait until it is done.") from None
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DownloadFailed(
            f"The disk of {wanted.target.parent} is full. What has come is kept: make room, and run the same again."
        ) from error


def _client(environ: Mapping[str, str]) -> httpx2.Client:
    import httpx2

    headers = {"User-Agent": "lattice-search", "Accept-Encoding": "identity"}
    if token := environ.get(TOKEN_VARIABLE, "").strip():
        # httpx takes it off where a redirect leads to another host.
        headers["Authorization"] = f"Bearer {token}"
    return httpx2.Client(headers=headers, timeout=_TIMEOUT, follow_redirects=True)


def _persevere(client: httpx2.Client, wanted: Wanted, progress: Progress, sleep: Sleep) -> Offer:
    """Ask until all of the file is there; give up after TRIES that brought nothing."""
    import httpx2

    tries, had, has_met = 0, _length(wanted), False
    while True:
        try:
            return _attempt(client, wanted, progress)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.TooManyRedirects) as error:
            raise DownloadFailed(
                f"{wanted.url} leads nowhere ({error}): is HF_ENDPOINT the address of a hub?"
            ) from error
        except (httpx2.TransportError, Busy) as error:
            tries, had = (tries + 1 if _length(wanted) <= had else 1), _length(wanted)
            asked = error.wait if isinstance(error, Busy) else None
            # Who cannot be reached at all has no network, or has the name wrong: waiting changes neither.
            is_hopeless = isinstance(error, httpx2.ConnectError) and not has_met
            has_met = True
            if tries >= TRIES or is_hopeless or (asked or 0.0) > LONGEST_WAIT:
                raise unreachable(wanted, error, had) from error
            sleep(asked if asked is not None else min(LONGEST_WAIT, _FIRST_WAIT * 2 ** (tries - 1)))


def _attempt(client: httpx2.Client, wanted: Wanted, progress: Progress) -> Offer:
    """Ask once for what is missing, and write what comes; anew where the part is none of the file that there is now."""
    before = _noted(wanted)
    start = _length(wanted) if before is not None else 0
    if before is not None and start == before.size:
        return before
    with client.stream("GET", wanted.url, headers=_asking_from(start, before)) as response:
        offer = _offered(response, wanted)
        if response.status_code == 200:
            if _is_here(wanted, offer):
                _forget_part(wanted)
                return offer
            _write(response, wanted, offer, 0, progress)
            return offer
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        fits = found is not None and int(found[1]) == start and before is not None and offer.continues(before)
        if response.status_code == 206 and fits:
            _write(response, wanted, offer, start, progress)
            return offer
        if response.status_code not in {206, 416} or start == 0:
            raise refusal(response, wanted)
    _forget_part(wanted)
    return _attempt(client, wanted, progress)


def _asking_from(start: int, before: Offer | None) -> dict[str, str]:
    if before is None or start == 0:
        return {}
    is_strong = before.etag is not None and not before.etag.startswith("W/")
    return {"Range": f"bytes={start}-", **({"If-Range": before.etag} if is_strong and before.etag else {})}


def _offered(response: httpx2.Response, wanted: Wanted) -> Offer:
    """Gather what the hub and the store say of the file, the hub first; refuse what cannot be it."""
    said: dict[str, str] = {}
    hub = urlsplit(wanted.endpoint).netloc
    for hop in (response, *reversed(response.history)):
        if urlsplit(str(hop.url)).netloc != hub:
            continue  # the store may not vouch for itself
        said |= {name: hop.headers[name] for name in ("x-linked-etag", "x-linked-size") if name in hop.headers}
    found = _LFS.fullmatch(said.get("x-linked-etag", ""))
    sha256 = found[1].lower() if found else None
    if response.is_success and response.headers.get("content-type", "").startswith("text/html"):
        raise DownloadFailed(
            f"{response.url} answers with a web page and not with {wanted.file}: look at it in a browser. It may be a "
            "sign-in, or a proxy's notice."
        )
    if sha256 is not None and wanted.sha256 is not None and sha256 != wanted.sha256:
        raise DownloadFailed(
            f"The hub has {wanted.file} with the SHA-256 {sha256}, and --sha256 asks for {wanted.sha256}: compare the "
            "two at their sources; nothing was downloaded."
        )
    return Offer(wanted.url, response.headers.get("etag"), _size(response, said.get("x-linked-size")), sha256)


def _size(response: httpx2.Response, linked: str | None) -> int | None:
    ranged = _RANGE.fullmatch(response.headers.get("content-range", ""))
    told = ranged[2] if ranged else response.headers.get("content-length") if response.status_code == 200 else linked
    told = told if told and told.isdecimal() else linked
    return int(told) if told and told.isdecimal() else None


def _is_here(wanted: Wanted, offer: Offer) -> bool:
    """Whether the file is in its place already, by size and hash; where nobody says the hash, it is fetched again."""
    expected = wanted.sha256 or offer.sha256
    if expected is None or not wanted.target.is_file() or wanted.target.stat().st_size != offer.size:
        return False
    return digest([wanted.target], "") == expected


def _write(response: httpx2.Response, wanted: Wanted, offer: Offer, start: int, progress: Progress) -> None:
    _check_room(wanted, offer, start)
    stage, done = f"downloading {wanted.target.name}", start
    with wanted.part.open("ab" if start else "wb") as file:
        # The note first: a part without one is nobody's.
        wanted.note.write_text(json.dumps(asdict(offer)), encoding="utf-8")
        for chunk in response.iter_raw():
            file.write(chunk)
            done += len(chunk)
            progress(stage, done, max(done, offer.size or 0))


def _check_room(wanted: Wanted, offer: Offer, start: int) -> None:
    missing, free = (offer.size or 0) - start, shutil.disk_usage(wanted.part.parent).free
    if missing > free:
        raise DownloadFailed(
            f"{wanted.file} needs {missing:,} bytes more, and the disk of {wanted.part.parent} has {free:,} left: make "
            "room, or name another folder by LATTICE_HOME."
        )


def _checked(wanted: Wanted, offer: Offer, expected: str | None, progress: Progress | None) -> str:
    """Hash what came; a wrong one is deleted, for no more of it would make it right."""
    if offer.size is not None and _length(wanted) != offer.size:
        length = _length(wanted)
        _forget_part(wanted)
        raise DownloadFailed(
            f"{wanted.file} came with {length:,} of {offer.size:,} bytes; deleted. Run the same again."
        )
    found = digest([wanted.part], f"checking {wanted.target.name}", progress)
    if expected is not None and found != expected:
        _forget_part(wanted)
        raise DownloadFailed(
            f"{wanted.file} came with the SHA-256 {found} instead of {expected}; deleted. Run the same again; if that "
            "does not help, the file is not what it claims to be."
        )
    try:
        check_file(wanted.part)
    except ModelUnusable as error:
        _forget_part(wanted)
        raise DownloadFailed(f"What {wanted.url} brings is no model, and was deleted: {error}") from error
    return found


def _length(wanted: Wanted) -> int:
    try:
        return wanted.part.stat().st_size
    except FileNotFoundError:
        return 0


def _noted(wanted: Wanted) -> Offer | None:
    """Give what the part is a part of; None where there is no part, or no note that would know the file again."""
    try:
        record: dict[str, Any] = json.loads(wanted.note.read_text(encoding="utf-8"))
        offer = Offer(**record)
        knows = isinstance(offer.size, int | None) and any(isinstance(one, str) for one in (offer.etag, offer.sha256))
    except (OSError, ValueError, TypeError):
        return None
    return offer if knows and os.path.isfile(wanted.part) and offer.url == wanted.url else None


def _forget_part(wanted: Wanted) -> None:
    wanted.part.unlink(missing_ok=True)
    wanted.note.unlink(missing_ok=True)
