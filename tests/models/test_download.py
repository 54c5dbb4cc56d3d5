from __future__ import annotations

import hashlib
import json
import shutil
import socket
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple

import pytest

from lattice.errors import DownloadFailed
from lattice.models.download import TRIES, Came, download
from lattice.models.hub import Wanted, wanted_files
from lattice.models.locks import locked
from lattice.models.shelf import Progress
from tests.models.conftest import FILE
from tests.models.gguf_files import model_bytes
from tests.models.hub_server import Hub

REPO = "owner/name"
Environ = dict[str, str]


def _nothing(_stage: str, _done: int, _total: int) -> None:
    """Take no note of the progress."""


class Pull(NamedTuple):
    """A download of the hub's one file, its waiting on record instead of waited for."""

    hub: Hub
    environ: Environ
    wanted: Wanted
    slept: list[float]

    def __call__(self, progress: Progress = _nothing) -> Came:
        return download(self.wanted, self.environ, progress, self.slept.append)

    @property
    def content(self) -> bytes:
        return self.hub.files[FILE]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def arrived(self) -> bool:
        """Whether the file is in its place, as it should be, and nothing is left beside it."""
        leftovers = [path.name for path in self.wanted.target.parent.iterdir() if ".part" in path.name]
        return self.wanted.target.read_bytes() == self.content and leftovers == []

    def ranges(self) -> list[str | None]:
        return [headers.get("range") for headers in self.hub.asked_of("store")]


@pytest.fixture
def pull(hub: Hub, tmp_path: Path) -> Pull:
    environ = {"LATTICE_HOME": str(tmp_path), "HF_ENDPOINT": hub.endpoint}
    (wanted,) = wanted_files(REPO, FILE, environ)
    return Pull(hub, environ, wanted, [])


def test_a_file_comes_whole_and_checked(pull: Pull) -> None:
    seen: list[tuple[str, int, int]] = []
    assert pull(lambda *told: seen.append(told)) == Came(pull.sha256, pull.sha256)
    assert pull.arrived()
    size = len(pull.content)
    assert ("downloading small.gguf", size, size) in seen
    assert seen[-1] == ("checking small.gguf", size, size)
    assert pull.hub.asked[0][1] == f"/{REPO}/resolve/main/{FILE}"


def test_a_file_that_is_here_does_not_come_again(pull: Pull) -> None:
    pull()
    pull.wanted.part.write_bytes(b"of another time")
    assert pull().was_here
    assert pull.arrived()
    pull.wanted.target.write_bytes(bytes(len(pull.content)))  # as large, and another
    assert not pull().was_here
    assert pull.arrived()


def test_a_connection_that_breaks_is_taken_up_where_it_broke(pull: Pull) -> None:
    pull.hub.cuts = [150_000, 100_000]
    pull()
    assert pull.arrived()
    assert pull.ranges() == [None, "bytes=150000-", "bytes=250000-"]
    assert [headers.get("if-range") for headers in pull.hub.asked_of("store")] == [None, '"first"', '"first"']


def test_an_interruption_keeps_what_came_and_the_next_try_goes_on(pull: Pull) -> None:
    def interrupt(_stage: str, done: int, _total: int) -> None:
        if done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(interrupt)
    kept = pull.wanted.part.stat().st_size
    assert 0 < kept < len(pull.content)
    seen: list[int] = []
    pull(lambda _stage, done, _total: seen.append(done))
    assert pull.arrived()
    assert pull.ranges() == [None, f"bytes={kept}-"]
    assert seen[0] > kept


def _stopped(pull: Pull, after: int = 150_000) -> None:
    """Leave a part of `after` bytes, as a network that went away does."""
    pull.hub.cuts = [after, *[0] * TRIES]
    with pytest.raises(DownloadFailed, match=f"{after:,} bytes are here. What has come is kept"):
        pull()
    assert pull.wanted.part.stat().st_size == after
    pull.hub.cuts.clear()
    pull.hub.asked.clear()
    pull.slept.clear()


def test_a_server_without_ranges_sends_all_of_it_again(pull: Pull) -> None:
    _stopped(pull)
    pull.hub.takes_ranges = False
    pull()
    assert pull.arrived()
    assert pull.ranges() == ["bytes=150000-"]


@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize("vouches", [True, False])
def test_a_file_that_changed_meanwhile_comes_anew(pull: Pull, heeds_if_range: bool, vouches: bool) -> None:
    pull.hub.vouches = vouches
    _stopped(pull)
    pull.hub.files[FILE] = model_bytes(100_000, seed=1)
    pull.hub.etag, pull.hub.heeds_if_range = '"second"', heeds_if_range
    assert pull().sha256 == pull.sha256
    assert pull.arrived()
    assert pull.ranges() == (["bytes=150000-"] if heeds_if_range else ["bytes=150000-", None])


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_etag_the_hubs_hash_says_that_it_is_the_same(pull: Pull, etag: str | None) -> None:
    pull.hub.etag = etag
    _stopped(pull)
    pull()
    assert pull.arrived()
    assert pull.ranges() == ["bytes=150000-"]
    assert "if-range" not in pull.hub.asked_of("store")[0]


def test_where_nothing_says_that_it_is_the_same_it_comes_anew(pull: Pull) -> None:
    pull.hub.etag, pull.hub.vouches, pull.hub.cuts = None, False, [150_000]
    pull()
    assert pull.arrived()
    assert pull.ranges() == [None, None]


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": 1}', '{"url": "x", "etag": null, "size": 1, "sha256": null}'])
def test_a_part_without_a_note_that_fits_is_nobodys(pull: Pull, note: str) -> None:
    _stopped(pull)
    pull.wanted.note.write_text(note)
    pull()
    assert pull.arrived()
    assert pull.ranges() == [None]


def test_a_part_that_is_longer_than_the_file_comes_anew(pull: Pull) -> None:
    _stopped(pull)
    with pull.wanted.part.open("ab") as file:
        file.write(bytes(len(pull.content)))
    pull()
    assert pull.arrived()
    assert pull.ranges() == [f"bytes={150_000 + len(pull.content)}-", None]


def test_a_whole_part_is_only_checked(pull: Pull) -> None:
    _stopped(pull)
    pull.wanted.part.write_bytes(pull.content)
    pull()
    assert pull.arrived()
    assert pull.hub.asked == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_again_after_a_while(pull: Pull, status: int) -> None:
    later = {"Retry-After": formatdate(usegmt=True)}  # a date, and past
    pull.hub.refusals = [(status, {}), (status, {}), (status, {"Retry-After": "7"}), (status, later)]
    pull()
    assert pull.arrived()
    assert pull.slept == [1.0, 2.0, 7.0, 0.0]


def test_a_hub_that_stays_busy_is_given_up(pull: Pull) -> None:
    pull.hub.refusals = [(503, {"Retry-After": "when we like"})] * TRIES
    with pytest.raises(DownloadFailed, match=r"answers 503 Service Unavailable\. What has come is kept"):
        pull()
    assert pull.slept == [1.0, 2.0, 4.0, 8.0]


def test_a_hub_that_asks_for_a_long_wait_is_left_to_the_user(pull: Pull) -> None:
    pull.hub.refusals = [(429, {"Retry-After": "3600"})]
    with pytest.raises(DownloadFailed, match=r"asks to wait for 3,600 seconds"):
        pull()
    assert pull.slept == []


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (401, {}, "gated, private or not there.*put an access token into HF_TOKEN"),
        (403, {}, "accept its terms at http://127"),
        (404, {"X-Error-Code": "RepoNotFound"}, "no repository owner/name"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "no revision main"),
        (404, {"X-Error-Code": "EntryNotFound"}, r"no file q8/small\.gguf"),
        (404, {}, "nothing at http://127.*HF_ENDPOINT"),
        (410, {}, "410 Gone"),
        (499, {}, "answers 499 for"),
        (206, {}, "answers 206"),
    ],
)
def test_a_refusal_is_told_with_its_cure(pull: Pull, status: int, headers: Environ, reason: str) -> None:
    pull.hub.refusals = [(status, headers)]
    with pytest.raises(DownloadFailed, match=reason):
        pull()
    assert pull.slept == []
    assert not pull.wanted.target.exists()


def test_a_token_is_for_the_hub_alone(pull: Pull) -> None:
    pull.environ["HF_TOKEN"] = " hf_secret\n"
    pull()
    assert [headers["authorization"] for headers in pull.hub.asked_of("hub")] == ["Bearer hf_secret"]
    assert ["authorization" in headers for headers in pull.hub.asked_of("store")] == [False]
    assert "hf_secret" not in "".join(map(str, pull.wanted.target.parent.iterdir()))


def test_a_token_that_does_not_open_a_repository_is_told_so(pull: Pull) -> None:
    pull.environ["HF_TOKEN"] = "hf_secret"
    pull.hub.refusals = [(403, {})]
    with pytest.raises(DownloadFailed, match="does HF_TOKEN belong to an account") as told:
        pull()
    assert "hf_secret" not in str(told.value)


def test_what_does_not_have_the_hubs_hash_is_deleted(pull: Pull) -> None:
    pull.hub.linked = "0" * 64
    with pytest.raises(DownloadFailed, match=f"SHA-256 {pull.sha256} instead of 0000.*deleted"):
        pull()
    assert not pull.wanted.part.exists()
    assert not pull.wanted.target.exists()


def test_the_users_hash_is_held_against_the_hubs_before_anything_comes(pull: Pull) -> None:
    wanted = wanted_files(REPO, FILE, pull.environ, sha256="1" * 64)[0]
    with pytest.raises(DownloadFailed, match="nothing was downloaded"):
        download(wanted, pull.environ)
    pull.hub.vouches = False
    with pytest.raises(DownloadFailed, match="instead of 1111"):
        download(wanted, pull.environ)
    right = wanted_files(REPO, FILE, pull.environ, sha256=pull.sha256)[0]
    assert download(right, pull.environ).expected == pull.sha256


def test_a_hub_that_does_not_vouch_leaves_the_expected_hash_open(pull: Pull) -> None:
    pull.hub.vouches = False
    assert pull() == Came(pull.sha256, None)
    assert pull.arrived()


def test_a_web_page_is_no_model_whatever_it_is_called(pull: Pull) -> None:
    pull.hub.page = True
    with pytest.raises(DownloadFailed, match="answers with a web page"):
        pull()
    pull.hub.page = False
    pull.hub.files[FILE] = b"<!DOCTYPE html>" * 100
    with pytest.raises(DownloadFailed, match=r"is no model, and was deleted.*HTML page"):
        pull()
    assert not pull.wanted.part.exists()


def test_without_a_network_the_other_way_is_told(tmp_path: Path, hub: Hub) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        environ = {"LATTICE_HOME": str(tmp_path), "HF_ENDPOINT": f"http://127.0.0.1:{free.getsockname()[1]}"}
        slept: list[float] = []
        with pytest.raises(DownloadFailed, match=r"cannot be reached.*only command.*lattice models add PATH"):
            download(wanted_files(REPO, FILE, environ)[0], environ, None, slept.append)
    assert slept == []


def test_redirects_without_an_end_are_told(pull: Pull) -> None:
    pull.hub.refusals = [(302, {"Location": f"/{REPO}"})] * 50
    with pytest.raises(DownloadFailed, match="leads nowhere"):
        pull()


def test_a_disk_without_room_is_told_before_anything_comes(pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(pull.environ["LATTICE_HOME"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DownloadFailed, match=r"needs 400,\d{3} bytes more.*has 1,000 left"):
        pull()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the disk that is always full is Linux's")
def test_a_disk_that_fills_up_is_told(pull: Pull) -> None:
    pull.wanted.part.parent.mkdir(parents=True)
    pull.wanted.part.symlink_to("/dev/full")
    with pytest.raises(DownloadFailed, match=r"is full\. What has come is kept: make room"):
        pull()


def test_another_download_of_the_same_file_is_not_disturbed(pull: Pull) -> None:
    with locked(pull.wanted.lock), pytest.raises(DownloadFailed, match="Another process is downloading"):
        pull()
    pull()
    assert pull.arrived()


def test_the_note_says_what_the_part_is_a_part_of(pull: Pull) -> None:
    _stopped(pull)
    noted = json.loads(pull.wanted.note.read_text())
    assert noted == {"url": pull.wanted.url, "etag": '"first"', "size": len(pull.content), "sha256": pull.sha256}
