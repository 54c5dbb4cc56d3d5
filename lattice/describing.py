"""Which model writes the descriptions of a build: named at once, loaded when it is first wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lattice.errors import ModelNotFound
from lattice.index_builder.authors import Author, Call, LocalAuthor, RemoteAuthor, Said, Writing
from lattice.models.prompts import DESCRIBE_VERSION
from lattice.models.registry import EMBEDDED_CURE, sha256_of
from lattice.models.settings import EngineSettings
from lattice.store.cache import ResultCache, cache_of

if TYPE_CHECKING:
    from lattice.models.llama.engine import LlamaEngine
    from lattice.models.remote.model import RemoteModel
    from lattice.models.remote.server import Server

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
    shown = identity[: len("sha256:") + _DIGITS] if identity.startswith("sha256:") else identity
    return f"{shown}, prompt {DESCRIBE_VERSION}"


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
