from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lattice.models.shelf import pulled_folder
from tests.cli.conftest import Invoke
from tests.cli.folder import environment
from tests.models.gguf_files import model_bytes, write_split
from tests.models.hub_server import Hub, hub_of

PULL = ("models", "pull", "owner/name", "small.gguf")


@pytest.fixture
def hub(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on the loopback with one model, which HF_ENDPOINT names."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with hub_of({"small.gguf": model_bytes(100_000)}) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running


@pytest.fixture
def folder(empty_home: Path) -> Path:
    """Where the files of owner/name are kept."""
    return pulled_folder({"LATTICE_HOME": str(empty_home)}) / "owner" / "name"


def test_a_model_is_pulled_registered_used_and_removed(invoke: Invoke, hub: Hub, folder: Path) -> None:
    result = invoke(*PULL, "--name", "mine")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("mine: generative, 100 thousand parameters, F32, 400 KB; ")
    assert invoke("models", "path", "mine").stdout == f"{folder / 'small.gguf'}\n"
    assert invoke("models", "verify").stdout == "ok      mine\n"
    again = invoke(*PULL)
    assert again.stdout.startswith("was here already: mine: ")
    assert len(hub.asked_of("store")) == 2
    invoke("models", "remove", "mine")
    assert not folder.exists()


def test_what_came_is_data_for_a_program(invoke: Invoke, hub: Hub) -> None:
    shown = json.loads(invoke(*PULL, "--json").stdout)
    assert shown["checked"]
    assert shown["entry"]["sha256"] == hashlib.sha256(hub.files["small.gguf"]).hexdigest()


def test_what_nobody_vouches_for_is_said_so(invoke: Invoke, hub: Hub) -> None:
    hub.vouches = False
    result = invoke(*PULL)
    assert result.exit_code == 0
    digest = hashlib.sha256(hub.files["small.gguf"]).hexdigest()
    assert "nothing but its size vouches for it" in result.stderr
    assert digest in result.stderr
    vouched = invoke(*PULL, "--sha256", digest)
    assert vouched.stderr == ""


def test_all_parts_of_a_model_come(invoke: Invoke, hub: Hub, tmp_path: Path, folder: Path) -> None:
    parts = write_split(tmp_path, "big", 3)
    hub.files |= {part.name: part.read_bytes() for part in parts}
    result = invoke("models", "pull", "owner/name", parts[1].name)
    assert result.exit_code == 0, result.output
    assert invoke("models", "path", "big").stdout == f"{folder / parts[0].name}\n"
    assert invoke("models", "verify", "big").exit_code == 0
    invoke("models", "remove", "big")
    assert not folder.exists()


def test_a_name_that_is_taken_is_told_before_anything_comes(invoke: Invoke, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "mine.gguf").write_bytes(model_bytes(10))
    invoke("models", "add", "mine.gguf", "--name", "small")
    result = invoke(*PULL)
    assert result.exit_code == 2
    assert "by --name" in result.stderr
    assert hub.asked == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("owner/name", "../small.gguf"), "FILE is"),
        (("name", "small.gguf"), "OWNER/NAME"),
        (("owner/name", "small.gguf", "--sha256", "1"), "64 hexadecimal digits"),
        (("owner/name", "small.gguf", "--revision", ""), "--revision"),
    ],
)
def test_what_names_nothing_is_wrong_usage(invoke: Invoke, hub: Hub, arguments: tuple[str, ...], reason: str) -> None:
    result = invoke("models", "pull", *arguments)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert hub.asked == []


def test_a_refusal_is_one_message(invoke: Invoke, hub: Hub) -> None:
    result = invoke("models", "pull", "owner/name", "gone.gguf")
    assert result.exit_code == 3
    assert result.stderr == (
        f"error: owner/name has no file gone.gguf (404): its files are at {hub.endpoint}/owner/name/tree/main.\n"
    )


def test_ctrl_c_keeps_what_came_and_says_how_to_go_on(invoke: Invoke, hub: Hub, empty_home: Path, folder: Path) -> None:
    hub.cuts, hub.stalls = [200_000], threading.Event()
    running = subprocess.Popen(
        [sys.executable, "-m", "lattice", *PULL, "--name", "my model"],
        env=environment(empty_home, HF_ENDPOINT=hub.endpoint),
        stderr=subprocess.PIPE,
        text=True,
    )
    part = folder / "small.gguf.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size > 100_000:
            break
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    told = running.communicate(timeout=60)[1]
    hub.stalls.set()
    assert running.returncode == 130
    assert "this goes on from there: lattice models pull owner/name small.gguf --name 'my model'" in told
    kept = part.stat().st_size
    assert invoke(*PULL).exit_code == 0
    assert hub.asked_of("store")[-1]["range"] == f"bytes={kept}-"
    assert (folder / "small.gguf").read_bytes() == hub.files["small.gguf"]
