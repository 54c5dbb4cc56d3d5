"""Which model writes the descriptions of a build: named at once, loaded when it is first wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lattice.errors import ModelNotFound
from lattice.index_builder.authors import Author, Call, LocalAuthor, RemoteAuthor, Said, Writing, Written
from lattice.index_builder.organising import Organised, Organising
from lattice.models.gguf import read_gguf
from lattice.models.prompts import DESCRIBE_VERSION, ORGANISE_VERSION
from lattice.models.registry import EMBEDDED_CURE, sha256_of
from lattice.models.settings import EngineSettings
from lattice.store.cache import ResultCache, cache_of
from lattice.types import BuildSettings

if TYPE_CHECKING:
    from lattice.models.llama.engine import LlamaEngine
    from lattice.models.remote.model import RemoteModel
    from lattice.models.remote.server import Server

# Below it a model does not do what is asked when a corpus is to be sorted (`benchmarks/organising.py`).
LEAST_WEIGHTS = 2_000_000_000
_DIGITS = 16  # of a SHA-256, in an index's settings: enough to tell any two models apart


@dataclass(frozen=True, slots=True)
class DescribingModel:
    """The model that is to write: a GGUF file, or a server's."""

    model: Path | None = None
    server: Server | None = None
    engine: EngineSettings | None = None

    def identity(self) -> str:
        """Say what model it is, wherever it lies; ModelNotFound where there is none.

        A file goes by its content. A server goes by its address and the model's name: what lies behind them is its own.
        """
        if self.server is not None:
            return f"server {self.server.url} {self.server.model or ''}".rstrip()
        if self.model is None:
            raise ModelNotFound(
                f"No model is there to write descriptions: {EMBEDDED_CURE}, and --descriptions extractive needs none."
            )
        return f"sha256:{sha256_of(self.model)}"


def described_by(identity: str) -> str:
    """Give what an index keeps of who wrote its descriptions: the model and the version of the prompt."""
    return _asked_by(identity, DESCRIBE_VERSION)


def _asked_by(identity: str, version: int) -> str:
    shown = identity[: len("sha256:") + _DIGITS] if identity.startswith("sha256:") else identity
    return f"{shown}, prompt {version}"


def organised_by(chosen: DescribingModel) -> str:
    """Give what an index keeps of who organised it top-down; empty where vectors do."""
    if reason_against(chosen):
        return ""
    return _asked_by(chosen.identity(), ORGANISE_VERSION)


def reason_against(chosen: DescribingModel) -> str:
    """Say why a model is not asked to organise; empty where it is.

    Below some 2 billion weights models do not sort summaries into topics; a server's are tried.
    """
    if chosen.server is not None:
        return ""
    if chosen.model is None:
        return f"no model is there ({EMBEDDED_CURE})"
    weights = read_gguf(chosen.model).parameters
    if weights >= LEAST_WEIGHTS:
        return ""
    return f"{chosen.model.name} is too small for it ({weights / 1e6:,.0f} million weights; it takes some 2 billion)"


@dataclass(frozen=True, slots=True)
class Writers:
    """What a model does for one build: it describes, organises, both or neither."""

    describing: Writing | None
    organising: Organising | None

    def finish(self) -> tuple[Written | None, Organised | None, tuple[str, ...]]:
        """Forget the results that the finished build had no use for; give the counts, and what to tell."""
        used = self.describing or (self.organising.writing if self.organising else None)
        return (
            self.describing.written() if self.describing else None,
            self.organising.organised() if self.organising else None,
            used.finish() if used else (),
        )


@contextmanager
def writers_for(index: Path, chosen: DescribingModel, settings: BuildSettings) -> Iterator[Writers]:
    """Give what a model is to do for the build of `index` in this block, as `settings` say."""
    describes, organises = settings.descriptions == "llm", settings.strategy == "top-down"
    reason = reason_against(chosen) if organises else ""
    with writing_for(index, chosen) if describes or (organises and not reason) else nullcontext() as writing:
        organising = None
        if organises:
            organising = Organising(None if reason or writing is None else writing.apart(), reason)
        yield Writers(writing if describes else None, organising)


@contextmanager
def writing_for(index: Path, chosen: DescribingModel) -> Iterator[Writing]:
    """Write the descriptions of a build of `index` in this block; its results are kept beside it (`store.cache`)."""
    identity = chosen.identity()
    author = LazyAuthor(chosen)
    try:
        with ResultCache(cache_of(index)) as results:
            yield Writing(author, identity, results)
    finally:
        author.close()


class LazyAuthor:
    """Loads its model with the first call: where all results are kept, none is."""

    def __init__(self, chosen: DescribingModel) -> None:
        """Take the choice."""
        self._chosen = chosen
        self._author: Author | None = None
        self._loaded: LlamaEngine | RemoteModel | None = None

    def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Said]]:
        """Yield the index of each call and what the model says, as they come; ModelProblem where the model cannot."""
        if self._author is None:
            self._author = self._open()
        return self._author.answers(calls)

    def close(self) -> None:
        """Free the model, or end the connections."""
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = self._author = None

    def _open(self) -> Author:
        if self._chosen.server is not None:
            from lattice.models.remote.model import RemoteModel

            self._loaded = remote = RemoteModel(self._chosen.server)
            return RemoteAuthor(remote)
        from lattice.models.trials import opened

        assert self._chosen.model is not None  # `identity` has seen to it
        engine = opened(self._chosen.model, self._chosen.engine or EngineSettings(), os.environ)
        self._loaded = engine
        return LocalAuthor(engine)
