"""The vectors of a build by a GGUF embedding model: only passages that are new to the index are embedded.

What an interrupted build has embedded stands in a file beside the index until a build is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lattice.errors import IndexLocked, IndexProblem, IndexTooNew, ModelNotFound, UsageError
from lattice.index_builder.build import embedded_text
from lattice.models.registry import is_path
from lattice.store.store import Store
from lattice.types import TFIDF, BuildSettings, Matrix

if TYPE_CHECKING:
    from lattice.models.embedders import Array
    from lattice.models.gguf_embedder import EmbeddingModel, GgufEmbedder

Progress = Callable[[str, int, int], None]
TRIMMED_ARRAY = "trimmed"  # among an index's arrays: a byte a passage, 1 where its end was cut
_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Embedded:
    """What making the vectors took: the model, passages embedded, vectors kept from before, passages that were cut."""

    model: str
    new: int
    reused: int
    trimmed: int


@dataclass(frozen=True, slots=True)
class _Known:
    """The vector of a passage that was embedded before, and whether its end was cut."""

    vector: Matrix
    was_cut: bool


class PassageVectors:
    """Makes the vectors of one build; `told` says afterwards what it took."""

    def __init__(self, model: EmbeddingModel, known: Mapping[bytes, _Known], begun: Path) -> None:
        """Take the model, the vectors that it has made, by the hash of the text, and the file of what was begun."""
        self._model, self._known, self._begun = model, known, begun
        self._new = 0
        self.told: Embedded | None = None

    def __call__(self, texts: list[str], report: Progress) -> tuple[dict[str, Array], Matrix]:
        """Give what the index is to record of the model, and one L2-normalised float32 row a text."""
        import numpy as np

        keys = [key_of(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        model, made = self._embedded(missing, report)
        found = [made.get(key) or self._known[key] for key in keys]
        vectors = np.zeros((len(found), model.dimensions), dtype=np.float32)
        for row, one in zip(vectors, found, strict=True):
            row[:] = one.vector
        cut = np.array([one.was_cut for one in found], dtype=np.uint8)
        reused = len(set(keys)) - self._new
        self.told = Embedded(model.name, self._new, reused, int(cut.sum()))
        return {**model.arrays(), TRIMMED_ARRAY: cut}, vectors

    def _embedded(self, missing: Mapping[bytes, str], report: Progress) -> tuple[EmbeddingModel, dict[bytes, _Known]]:
        if not missing and self._model.dimensions:
            return self._model, {}
        from lattice.models.gguf_embedder import GgufEmbedder

        embedder = GgufEmbedder.load(self._model, os.environ)
        try:
            model = replace(self._model, dimensions=embedder.dimensions)
            return model, self._each(embedder, _Begun(self._begun, model), missing, report)
        finally:
            embedder.close()

    def _each(
        self, embedder: GgufEmbedder, begun: _Begun, missing: Mapping[bytes, str], report: Progress
    ) -> dict[bytes, _Known]:
        made = begun.read()
        left = [(key, text) for key, text in missing.items() if key not in made]
        with begun.path.open("ab") as file:
            for done, (key, text) in enumerate(left, len(missing) - len(left) + 1):
                made[key] = _Known(*embedder.embed_passage(text))
                file.write(begun.record(key, made[key]))
                self._new += 1
                report("vectors", done, len(missing))
        return made


class _Begun:
    """What was embedded for a build that is not complete: a line that names the model, then records of one size."""

    def __init__(self, path: Path, model: EmbeddingModel) -> None:
        self.path = path
        self._head = json.dumps([model.sha256, model.passage_prefix, model.dimensions]).encode() + b"\n"
        self._size = _KEY_BYTES + 1 + 4 * model.dimensions

    def read(self) -> dict[bytes, _Known]:
        """Give the vectors by the hash of the text, and make ready to append; another model's are dropped."""
        import numpy as np

        content = self.path.read_bytes() if self.path.exists() else b""
        records = content.removeprefix(self._head) if content.startswith(self._head) else b""
        # A build that was killed may have left half a record.
        whole = len(records) // self._size * self._size
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(self._head + records[:whole])
        found = {}
        for start in range(0, whole, self._size):
            vector = np.frombuffer(records, "<f4", offset=start + _KEY_BYTES + 1, count=(self._size - _KEY_BYTES) // 4)
            found[records[start : start + _KEY_BYTES]] = _Known(vector, records[start + _KEY_BYTES] == 1)
        return found

    def record(self, key: bytes, known: _Known) -> bytes:
        """Give what is appended for one passage."""
        return key + bytes([known.was_cut]) + known.vector.astype("<f4").tobytes()


def settled(settings: BuildSettings) -> BuildSettings:
    """Give the settings as they are kept: the path of an embedder in full. UsageError for what contradicts itself."""
    if settings.embedder == TFIDF:
        if settings.query_prefix or settings.passage_prefix:
            raise UsageError("Prefixes are for an embedding model: name one by --embedder, or leave --prefixes out.")
        return settings
    if not settings.embedder:
        raise UsageError(f"The embedder is empty: give {TFIDF}, or an embedding model's name or GGUF file.")
    if is_path(settings.embedder):
        return replace(settings, embedder=os.path.abspath(Path(settings.embedder).expanduser()))
    return settings


def passage_vectors(settings: BuildSettings, index: Path, progress: Progress | None = None) -> PassageVectors | None:
    """Give what makes the vectors as `settings` say, knowing those of the index that is there; None for TF-IDF.

    ModelNotFound, ModelUnusable: told from the model's header, before any work.
    """
    if settings.embedder == TFIDF:
        return None
    from lattice.models.gguf_embedder import find_embedding_model

    old = _model_of(index)
    prefixes = (settings.query_prefix, settings.passage_prefix)
    model, _ = find_embedding_model(settings.embedder, prefixes, os.environ, old, progress)
    known = _vectors_of(index, model) if old is not None and old.makes_the_same(model) else {}
    return PassageVectors(model, known, _begun_beside(index))


def forget_begun(index: Path) -> None:
    """Delete what was kept for a build that was interrupted: one is complete."""
    _begun_beside(index).unlink(missing_ok=True)


def _begun_beside(index: Path) -> Path:
    return index.with_name(f".{index.name}-vectors")


def has_same_model(settings: BuildSettings, index: Path, *, needed: bool = False) -> bool:
    """Whether what `settings` name is the model that made the index; ModelUnusable.

    A model that is not here has not changed either, unless it is `needed`: then ModelNotFound.
    """
    if settings.embedder == TFIDF:
        return True
    from lattice.models.gguf_embedder import find_embedding_model

    old = _model_of(index)
    try:
        found, _ = find_embedding_model(settings.embedder, ("", ""), os.environ, old)
    except ModelNotFound:
        if needed:
            raise
        return True  # a search says so, and goes on; there is nothing that a build could do
    return old is not None and old.sha256 == found.sha256


def key_of(text: str) -> bytes:
    """Give the hash that a passage's text is known by."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()


def _model_of(index: Path) -> EmbeddingModel | None:
    """Give the model that made the vectors of an index; None where none did, or there is none that can be read."""
    from lattice.models.gguf_embedder import EmbeddingModel

    try:
        with Store.open(index) as store:
            return EmbeddingModel.from_arrays(store.embedder()) if store.settings().embedder != TFIDF else None
    except (IndexTooNew, IndexLocked):
        raise
    except IndexProblem:
        return None


def _vectors_of(index: Path, model: EmbeddingModel) -> dict[bytes, _Known]:
    """Give the vectors of an index that a model made, by the hash of the text; none where its parts do not fit."""
    with Store.open(index) as store:
        ids, vectors = store.vectors()
        cut = store.embedder().get(TRIMMED_ARRAY)
        if cut is None or len(cut) != len(ids) or vectors.shape[1] != model.dimensions:
            return {}
        passages = store.passages(ids.tolist()).values()
    return {
        key_of(embedded_text(passage)): _Known(vector, bool(was_cut))
        for passage, vector, was_cut in zip(passages, vectors, cut.tolist(), strict=True)
    }
