"""What every test needs of the process it runs in."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from lattice import Lattice

# A job in the background of a script is started with Ctrl-C ignored, and so would be all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tiny models are not tried in a process of their own first, except where a test asks for it by taking this away.
os.environ["LATTICE_TRIAL"] = "never"

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="session")
def observatory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the example folder, alone in its folder; nobody writes there."""
    path = tmp_path_factory.mktemp("observatory") / "observatory.lattice"
    Lattice.index(EXAMPLES / "observatory", path=path, model=None).close()
    return path
