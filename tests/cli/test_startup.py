from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lattice
from tests.cli.conftest import Place
from tests.cli.folder import environment, run

HEAVY = (
    *("numpy", "scipy", "sklearn", "llama_cpp", "sqlite_utils", "networkx", "hnswlib", "pypdfium2"),
    *("httpx2", "json_repair"),
)


def heavy_after(code: str, home: Path, *, cwd: Path) -> set[str]:
    """Give the heavy libraries that a fresh Python has loaded after `code`."""
    probe = f"{code}\nimport sys\nprint('\\n'.join(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], env=environment(home), cwd=cwd, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"], ["doctor", "--help"], ["--version"]])
def test_help_loads_no_heavy_library(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import contextlib, io\nfrom lattice.cli import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main({arguments!r})"
    )
    assert heavy_after(code, tmp_path, cwd=tmp_path) == set()


def test_the_first_hits_wait_for_neither_sklearn_nor_the_model(place: Place) -> None:
    code = (
        "from lattice import Lattice\n"
        f"opened = Lattice.open({str(place.index)!r})\n"
        "answers = opened.iter_search('actor memory')\n"
        "assert next(answers).hits\nanswers.close()\nopened.close()"
    )
    assert heavy_after(code, place.home, cwd=place.folder) <= {"numpy"}


def test_a_search_without_a_model_loads_neither_sklearn_nor_llama(place: Place) -> None:
    code = (
        "from lattice.cli import main\nimport contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['search', 'actor memory', '--no-model'])"
    )
    assert not heavy_after(code, place.home, cwd=place.folder) & {"sklearn", "scipy", "llama_cpp", "sqlite_utils"}


def test_the_module_and_the_command_are_one(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert done.returncode == 0
    assert done.stdout == f"lattice, version {lattice.__version__}\n"


@pytest.mark.parametrize("name", lattice.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(lattice, name) is not None
    assert name in dir(lattice)


def test_the_names_are_imported_on_first_use(tmp_path: Path) -> None:
    assert heavy_after("import lattice; lattice.LatticeError", tmp_path, cwd=tmp_path) == set()
    with pytest.raises(AttributeError, match="nonsense"):
        lattice.nonsense  # noqa: B018
