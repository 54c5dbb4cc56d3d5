from __future__ import annotations

from pathlib import Path

import pytest

from lattice.errors import ModelNotFound
from lattice.models import registry


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


def test_without_the_package_there_is_no_embedded_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "EMBEDDED_PACKAGE", "no_such_package_here")
    assert registry.find_model(None, {}) is None


@pytest.mark.model
def test_the_embedded_model_is_found_without_importing_its_package() -> None:
    import sys

    found = registry.find_model(None, {})
    assert found is not None
    assert found.suffix == ".gguf"
    assert registry.EMBEDDED_PACKAGE not in sys.modules
