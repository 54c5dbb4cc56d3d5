"""A model fitted to this CPU: made once, kept in the models folder, and on record with what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lattice.models.registry import optimized_place

if TYPE_CHECKING:
    from lattice.models.llama.optimize import Optimised, Progress


def fit_to_cpu(source: Path, environ: Mapping[str, str], progress: Progress | None = None) -> Optimised:
    """Make the fastest faithful copy of a model, anew where there is one. ModelUnusable, OSError where it cannot be."""
    from lattice.models.llama.optimize import optimize

    place = optimized_place(source, environ)
    place.parent.mkdir(parents=True, exist_ok=True)
    made = optimize(source, place, progress)
    if made.path == source:
        place.unlink(missing_ok=True)  # another CPU's
    record = {"source": str(source), "chosen": made.chosen, "trials": [asdict(trial) for trial in made.trials]}
    _record_place(source, environ).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return made


def fitted(source: Path, environ: Mapping[str, str]) -> dict[str, Any] | None:
    """Give the record of the last fitting of a model; None where there was none, or it cannot be read."""
    try:
        found = json.loads(_record_place(source, environ).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _record_place(source: Path, environ: Mapping[str, str]) -> Path:
    return optimized_place(source, environ).with_suffix(".json")
