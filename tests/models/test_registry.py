from __future__ import annotations

from pathlib import Path

import pytest

from lattice.errors import ModelNotFound
from lattice.models import registry
from lattice.models.shelf import add
from tests.models.gguf_files import write_model

Environ = dict[str, str]


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    return {"LATTICE_HOME": str(tmp_path / "home")}


@pytest.fixture
def model(tmp_path: Path, environ: Environ) -> Path:
    """A model that is registered as qwen."""
    return add(write_model(tmp_path / "small.gguf"), environ, "qwen").path


def test_the_named_file_wins_over_the_variable(tmp_path: Path) -> None:
    named, other = tmp_path / "a.gguf", tmp_path / "b.gguf"
    named.touch()
    other.touch()
    assert registry.find_model(named, {"LATTICE_MODEL": str(other)}) == named
    assert registry.find_model(None, {"LATTICE_MODEL": str(other)}) == other


@pytest.mark.parametrize(("named", "environ"), [("gone.gguf", {}), (None, {"LATTICE_MODEL": "gone.gguf"})])
def test_a_missing_named_model_is_an_error_never_a_fallback(named: str | None, environ: dict[str, str]) -> None:
    with pytest.raises(ModelNotFound, match=r"gone\.gguf"):
        registry.find_model(Path(named) if named else None, environ)


def test_a_name_does_wherever_a_path_does(model: Path, environ: Environ) -> None:
    assert registry.find_model("qwen", environ) == model
    assert registry.find_model(Path("qwen"), environ) == model
    assert registry.find_model(None, {**environ, "LATTICE_MODEL": "qwen"}) == model


def test_an_existing_file_is_a_path_whatever_it_is_called(
    model: Path, environ: Environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "qwen").mkdir()
    assert registry.find_model("qwen", environ) == model  # a folder is no model
    (tmp_path / "qwen").rmdir()
    (tmp_path / "qwen").touch()
    assert registry.find_model("qwen", environ) == tmp_path / "qwen"


@pytest.mark.parametrize("named", ["./qwen", "models/qwen", "qwen.gguf", "QWEN.GGUF"])
def test_what_looks_like_a_path_is_never_a_name(model: Path, environ: Environ, named: str) -> None:
    with pytest.raises(ModelNotFound, match="no such file"):
        registry.find_model(named, environ)


def test_an_unknown_name_is_told_the_known_ones_and_the_cure(model: Path, environ: Environ) -> None:
    with pytest.raises(ModelNotFound, match=r"--model names quen, which is neither.*qwen\. `lattice models add PATH`"):
        registry.find_model("quen", environ)
    with pytest.raises(ModelNotFound, match="LATTICE_MODEL names quen"):
        registry.find_model(None, {**environ, "LATTICE_MODEL": "quen"})


def test_a_registered_file_that_is_gone_is_told(model: Path, environ: Environ) -> None:
    model.unlink()
    with pytest.raises(ModelNotFound, match="put it back, or forget it by lattice models remove qwen"):
        registry.find_model("qwen", environ)


def test_whatever_was_optimised_is_read_from_its_copy(model: Path, environ: Environ) -> None:
    copy = registry.optimized_place(model, environ)
    copy.parent.mkdir(parents=True)
    copy.touch()
    assert registry.find_model("qwen", environ) == registry.find_model(model, environ) == copy
    assert registry.find_source("qwen", environ) == registry.find_source(model, environ) == model
    model.write_bytes(model.read_bytes() + b"another")  # the copy is of what was there before
    assert registry.find_model("qwen", environ) == model


def test_without_the_package_there_is_no_embedded_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "EMBEDDED_PACKAGE", "no_such_package_here")
    assert registry.find_model(None, {}) is None
    with pytest.raises(ModelNotFound, match="not installed: pip install"):
        registry.find_model("smollm2", {})


@pytest.mark.model
def test_the_embedded_model_is_found_without_importing_its_package(environ: Environ) -> None:
    import sys

    found = registry.find_model(None, environ)
    assert found is not None
    assert found.suffix == ".gguf"
    assert registry.EMBEDDED_PACKAGE not in sys.modules
    assert registry.find_model("smollm2", {**environ, "LATTICE_MODEL": "another"}) == found
