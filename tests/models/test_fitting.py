from __future__ import annotations

import json
from pathlib import Path

import pytest

from lattice.errors import ModelUnusable
from lattice.models.fitting import check_writes, forget_fitted
from lattice.models.registry import optimized_place
from tests.models.gguf_files import write_model


def _fitted(source: Path, environ: dict[str, str], *, copied: bool = True) -> Path:
    """Leave what a fitting leaves."""
    place = optimized_place(source, environ)
    place.parent.mkdir(parents=True, exist_ok=True)
    if copied:
        place.touch()
    place.with_suffix(".json").write_text(json.dumps({"source": str(source)}))
    return place


def test_every_copy_of_a_model_is_forgotten_and_no_other(tmp_path: Path) -> None:
    environ = {"LATTICE_HOME": str(tmp_path / "home")}
    model, other = write_model(tmp_path / "a.gguf"), write_model(tmp_path / "b.gguf")
    first = _fitted(model, environ)
    model.write_bytes(model.read_bytes() + b"changed")
    second, others = _fitted(model, environ, copied=False), _fitted(other, environ)
    assert first != second
    (first.parent / "broken.json").write_text("{")
    model.unlink()  # what is gone can be forgotten all the same
    assert forget_fitted(model, environ) == [first]
    left = {path.name for path in first.parent.iterdir()}
    assert left == {others.name, others.with_suffix(".json").name, "broken.json"}
    assert forget_fitted(model, environ) == []


def test_only_what_writes_is_measured(tmp_path: Path) -> None:
    check_writes(write_model(tmp_path / "a.gguf"))
    with pytest.raises(ModelUnusable, match="of the kind embedding"):
        check_writes(write_model(tmp_path / "b.gguf", architecture="nomic-bert"))
    with pytest.raises(ModelUnusable, match="of the kind reranker"):
        check_writes(write_model(tmp_path / "c.gguf", {"qwen3.pooling_type": 4}, architecture="qwen3"))
