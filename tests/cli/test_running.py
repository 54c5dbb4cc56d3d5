"""How a model is run: --engine and --kv-cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lattice.models.llama.state_files import StateFiles
from tests.cli.conftest import Invoke, Place


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--kv-cache", "much", "sizes are written like 500MB"),
        ("--kv-cache", "-5MB", "sizes are written like 500MB"),
        ("--engine", "speed=9", "Settings are written NAME=NUMBER: threads"),
        ("--engine", "threads", "Settings are written NAME=NUMBER"),
        ("--engine", "threads=many", "'many' is not a number"),
        ("--engine", "threads=-2", "threads is -2; it must be at least 0"),
        ("--engine", "sequences=100,n_batch=50", "is below sequences"),
    ],
)
def test_what_is_no_setting_is_refused_with_the_cure(invoke: Invoke, option: str, value: str, told: str) -> None:
    result = invoke("search", "dome", option, value)
    assert result.exit_code == 2
    assert told in result.stderr


def test_the_environment_sets_the_engine_and_its_mistakes_are_told(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATTICE_ENGINE", "threads=x")
    assert invoke("search", "dome", "--no-model").exit_code == 2


@pytest.mark.model
def test_what_was_read_of_descriptions_serves_a_later_search(invoke: Invoke, place: Place, tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    shutil.copy(place.index, index)
    # Words that are in no passage: the search begins at the tree, whose descriptions are kept.
    asked = (
        "search",
        "zebra crossings",
        "--index",
        str(index),
        "--kv-cache",
        "50MB",
        "--json",
        "--engine",
        "threads=2",
    )
    first, second = (json.loads(invoke(*asked).stdout) for _ in range(2))
    assert any(path.suffix == ".kv" for path in (tmp_path / "notes.lattice.kv").iterdir())
    assert second["usage"]["reused"] > first["usage"]["reused"]
    assert second["usage"]["evaluated"] < first["usage"]["evaluated"]
    assert second["hits"] == first["hits"]


@pytest.mark.model
def test_a_cache_that_cannot_be_written_is_told_and_the_search_goes_on(
    invoke: Invoke, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = tmp_path / "notes.lattice"
    shutil.copy(place.index, index)
    monkeypatch.setattr(StateFiles, "save", _full)
    result = invoke("search", "zebra crossings", "--index", str(index), "--kv-cache", "50MB")
    assert result.exit_code == 0
    assert "the disk is full" in result.stderr


def _full(self: StateFiles, _material: bytes, _blob: object) -> None:
    self.problem = "KV states cannot be kept: the disk is full"


@pytest.mark.model
def test_a_folder_for_the_cache_that_cannot_be_made_is_an_error(invoke: Invoke, place: Place, tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    shutil.copy(place.index, index)
    (tmp_path / "notes.lattice.kv").write_text("in the way")
    result = invoke("search", "zebra", "--index", str(index), "--kv-cache", "50MB")
    assert result.exit_code == 3
    assert "notes.lattice.kv" in result.stderr
