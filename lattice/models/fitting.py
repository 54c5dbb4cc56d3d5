"""A model fitted to this CPU: made once, kept in the models folder, and on record with what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lattice.errors import ModelUnusable
from lattice.models.gguf import read_gguf
from lattice.models.registry import optimized_place
from lattice.models.settings import EngineSettings
from lattice.models.shelf import models_folder
from lattice.models.trials import check_survived

if TYPE_CHECKING:
    from lattice.models.llama.optimize import Optimised, Progress


def fit_to_cpu(source: Path, environ: Mapping[str, str], progress: Progress | None = None) -> Optimised:
    """Make the fastest faithful copy of a model, anew where there is one. ModelUnusable, OSError where it cannot be."""
    from lattice.models.llama.optimize import optimize

    check_writes(source)
    check_survived(source, EngineSettings(), environ)
    place = optimized_place(source, environ)
    place.parent.mkdir(parents=True, exist_ok=True)
    made = optimize(source, place, progress)
    if made.path == source:
        place.unlink(missing_ok=True)  # another CPU's
    record = {"source": str(source), "chosen": made.chosen, "trials": [asdict(trial) for trial in made.trials]}
    _record_place(source, environ).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return made


def check_writes(path: Path) -> None:
    """Refuse a model whose speed at reading and writing cannot be measured, for it does neither: ModelUnusable."""
    kind = read_gguf(path).kind
    if kind != "generative":
        raise ModelUnusable(f"{path} is of the kind {kind}, which is used as it is: name a model that generates text.")


def forget_fitted(source: Path, environ: Mapping[str, str]) -> list[Path]:
    """Delete every copy of a model that was optimised, and its record; give the copies. OSError where it cannot be."""
    gone: list[Path] = []
    for record in sorted((models_folder(environ) / "optimized").glob("*.json")):
        if (_read(record) or {}).get("source") == str(source):
            copy = record.with_suffix(".gguf")
            gone += [copy] if copy.exists() else []
            copy.unlink(missing_ok=True)
            record.unlink()
    return gone


def fitted(source: Path, environ: Mapping[str, str]) -> dict[str, Any] | None:
    """Give the record of the last fitting of a model; None where there was none, or it cannot be read."""
    return _read(_record_place(source, environ))


def _read(place: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _record_place(source: Path, environ: Mapping[str, str]) -> Path:
    return optimized_place(source, environ).with_suffix(".json")
