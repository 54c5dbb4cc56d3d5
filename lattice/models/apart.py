"""Runs what may die, hang or eat the memory in a Python of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def run_apart(
    module: str, arguments: Sequence[str] = (), *, given: bytes = b"", seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Run a module of this package; after `seconds` the process is ended: subprocess.TimeoutExpired.

    `-P` keeps the working directory out of its path: a folder that is searched may hold a `json.py` of a stranger.
    """
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", module, *arguments]
    # llama.cpp would start a debugger to tell what it died of, where there is one.
    environ = {**os.environ, "PYTHONPATH": path, "GGML_NO_BACKTRACE": "1"}
    return subprocess.run(  # noqa: S603 - a module of our own
        command, input=given, capture_output=True, timeout=seconds, check=False, env=environ
    )
