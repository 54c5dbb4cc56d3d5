from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from lattice.cli import main
from lattice.indexing import index_folder
from lattice.store.places import index_path_for
from tests.cli.folder import write_folder

if TYPE_CHECKING:
    from click.testing import Result

Invoke = Callable[..., "Result"]


@dataclass(frozen=True, slots=True)
class Place:
    """An indexed folder and the home of its index."""

    home: Path
    folder: Path
    index: Path


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One indexed folder for all tests; they must leave it as it is."""
    home = tmp_path_factory.mktemp("home")
    folder = write_folder(tmp_path_factory.mktemp("documents"))
    index = index_path_for(folder, {"LATTICE_HOME": str(home)})
    index_folder(folder, index)
    return Place(home, folder, index)


@pytest.fixture
def invoke(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run a command in this process, in an empty folder, with the indexed folder's index as the only one."""
    llm = ("LATTICE_LLM_URL", "LATTICE_LLM_KEY")
    for name in ("LATTICE_INDEX", "LATTICE_MODEL", "LATTICE_ENGINE", "LATTICE_DEBUG", "NO_COLOR", *llm):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LATTICE_HOME", str(place.home))
    monkeypatch.chdir(tmp_path)
    (place.home / "last-search.json").unlink(missing_ok=True)  # another test's
    return lambda *arguments: CliRunner().invoke(main, list(arguments), prog_name="lattice")


@pytest.fixture
def empty_home(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home without any index, for the commands of `invoke`."""
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
