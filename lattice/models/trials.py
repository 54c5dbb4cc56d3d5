"""Whether llama.cpp survives a model: tried once, in a process of its own, before the model is loaded in this one.

What a header says can be checked (`plausible`), but not all of what llama.cpp takes for granted in a hundred
architectures: a file that breaks it ends the process (GGML_ASSERT). So a file that is new here is read with elsewhere
first. That it went well is remembered by its path, size and time of change.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lattice.errors import ModelNotFound, ModelUnusable
from lattice.models.apart import run_apart
from lattice.models.gguf import part_files
from lattice.models.registry import embedded_model
from lattice.models.settings import EngineSettings
from lattice.models.shelf import models_folder

if TYPE_CHECKING:
    from lattice.models.llama.engine import LlamaEngine

VARIABLE = "LATTICE_TRIAL"  # "never": no model is tried
SECONDS = 60.0  # for a small model; reading one of them takes less than two
SLOWEST = 20_000_000  # bytes a second that a large one is read with, from a slow disk
_MODULE = "lattice.models.llama.trial"
_REFUSED = 3  # `llama.trial.REFUSED`, which cannot be imported without llama.cpp
# Of the settings, those that change what llama.cpp computes.
_MATTER = frozenset({"sequences", "sequence_tokens", "prompt_tokens", "batch_tokens", "gpu_layers"})
_CURE = "Download it again, or use another model."


def check_survived(path: Path, settings: EngineSettings, environ: Mapping[str, str]) -> None:
    """Refuse a model that llama.cpp dies of, hangs on or refuses: ModelUnusable. Tried once a file and way to run it.

    The embedded model and the copies that were optimised here need no trial, and with LATTICE_TRIAL=never none does.
    """
    if environ.get(VARIABLE) == "never" or _is_ours(path, environ):
        return
    asked = {name: value for name, value in asdict(settings).items() if name in _MATTER}
    place = models_folder(environ) / "tried" / _name(path, asked)
    if place.exists():
        return
    _try(path, asked)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{path}\n", encoding="utf-8", errors="replace")
    except OSError:
        pass  # where nothing can be kept, it is tried again


def opened(path: Path, settings: EngineSettings, environ: Mapping[str, str]) -> LlamaEngine:
    """Load a model that llama.cpp survives; ModelNotFound, ModelUnusable, with the reason, where that cannot be."""
    check_survived(path, settings, environ)
    from lattice.models.llama.engine import LlamaEngine

    return LlamaEngine(path, settings)


def _is_ours(path: Path, environ: Mapping[str, str]) -> bool:
    return path == embedded_model() or path.parent == models_folder(environ) / "optimized"


def _name(path: Path, asked: Mapping[str, object]) -> str:
    """Name a model as it is now, with all its parts, and the way in which it is run."""
    try:
        stats = [path.with_name(part).stat() for part in part_files(path.name)]
    except OSError as error:
        raise ModelNotFound(f"The model file {path} cannot be read: {error.strerror}.") from error
    about = [str(path), [(one.st_size, one.st_mtime_ns) for one in stats], sorted(asked.items())]
    version = importlib.metadata.version("llama-cpp-python")
    return hashlib.sha256(json.dumps([*about, version]).encode()).hexdigest()[:32]


def _try(path: Path, asked: Mapping[str, object]) -> None:
    seconds = SECONDS + sum(path.with_name(part).stat().st_size for part in part_files(path.name)) / SLOWEST
    try:
        done = run_apart(_MODULE, [os.fspath(path)], given=json.dumps(asked).encode(), seconds=seconds)
    except subprocess.TimeoutExpired:
        raise ModelUnusable(f"llama.cpp was not done with {path} after {seconds:.0f} s. {_CURE}") from None
    if done.returncode == _REFUSED:
        raise ModelUnusable(done.stdout.decode("utf-8", errors="replace"))
    if done.returncode != 0:
        raise ModelUnusable(f"llama.cpp died of {path} ({_how(done.returncode)}). {_CURE}")


def _how(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    if code == -getattr(signal, "SIGKILL", 9):
        return "it was killed: there may be too little memory"
    known = {-one.value: one.name for one in signal.Signals}
    return f"signal {known.get(code, -code)}"
