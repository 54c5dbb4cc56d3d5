"""What every test needs of the process it runs in."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lattice import Lattice

# A job in the background of a script is started with Ctrl-C ignored, and so would be all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tiny models are not tried in a process of their own first, except where a test asks for it by taking this away.
os.environ["LATTICE_TRIAL"] = "never"

# Gives a module of benchmarks/, which is no package.
Load = Callable[[str], ModuleType]

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="session")
def observatory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the example folder, alone in its folder; nobody writes there."""
    path = tmp_path_factory.mktemp("observatory") / "observatory.lattice"
    Lattice.index(EXAMPLES / "observatory", path=path, model=None).close()
    return path


@pytest.fixture(name="load", scope="module")
def fixture_load() -> Iterator[Load]:
    benchmarks = str(Path(__file__).parents[1] / "benchmarks")
    sys.path.insert(0, benchmarks)
    yield importlib.import_module
    sys.path.remove(benchmarks)
