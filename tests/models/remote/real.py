"""llama-cpp-python's own server with the embedded model, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lattice.models.registry import embedded_model
from tests.models.remote.scripted import PATIENCE, unused_url


@dataclass(frozen=True)
class RealServer:
    """Where it listens, and its process."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def real_server() -> Iterator[RealServer]:
    model, url = embedded_model(), unused_url()
    assert model is not None
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--n_ctx", "2048", "--n_threads", "2"]
    command += ["--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    # To a file: nobody empties a pipe, and the server would stop at the end of it.
    # Waiting threads that spin would take the machine from the test that runs beside them.
    environ = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log, env=environ) as process:
        try:
            _wait_for(url, process)
            yield RealServer(url, process)
        finally:
            process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 2 * PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"{url}/v1/models", timeout=PATIENCE):
                return
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "the server ended before it answered"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)
