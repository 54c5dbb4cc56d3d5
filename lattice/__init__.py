"""lattice: a local, offline search engine in which a quantized LLM navigates a semantic tree of your documents."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lattice.answering import Answer
    from lattice.errors import LatticeError
    from lattice.lattice import Lattice
    from lattice.models.remote.server import Server
    from lattice.traversal.paper import PaperSettings
    from lattice.traversal.search import SearchSettings
    from lattice.types import BuildSettings, Filters, Hit, Location, Question, TrailNode, Understanding, Usage

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "BuildSettings",
    "Filters",
    "Hit",
    "Lattice",
    "LatticeError",
    "Location",
    "PaperSettings",
    "Question",
    "SearchSettings",
    "Server",
    "TrailNode",
    "Understanding",
    "Usage",
    "__version__",
]

# Imported on first use: the command line must answer `--help` and its first hits without waiting for all of it.
_HOMES = {
    "Answer": "lattice.answering",
    "BuildSettings": "lattice.types",
    "Filters": "lattice.types",
    "Hit": "lattice.types",
    "Lattice": "lattice.lattice",
    "LatticeError": "lattice.errors",
    "Location": "lattice.types",
    "PaperSettings": "lattice.traversal.paper",
    "Question": "lattice.types",
    "SearchSettings": "lattice.traversal.search",
    "Server": "lattice.models.remote.server",
    "TrailNode": "lattice.types",
    "Understanding": "lattice.types",
    "Usage": "lattice.types",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
