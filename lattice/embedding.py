"""The vectors of a build by a model, which embeds or is asked (PromptReps): only what is new to the index is embedded.

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
from lattice.models.registry import EMBEDDED_CURE, MODEL_VARIABLE, embedded_model, is_path
from lattice.models.shelf import EMBEDDED_NAME
from lattice.store.store import Store
from lattice.types import PROMPTREPS, TFIDF, BuildSettings, Matrix

if TYPE_CHECKING:
    from lattice.models.embedders import Array
    from lattice.models.gguf_embedder import EmbeddingModel, GgufEmbedder, Made
    from lattice.models.promptreps import PromptReps

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


class PassageVectors:
    """Makes the vectors of one build; `told` says afterwards what it took."""

    def __init__(self, model: EmbeddingModel, known: Mapping[bytes, Made], begun: Path) -> None:
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
        self.told = Embedded(model.shown, self._new, reused, int(cut.sum()))
        return {**model.arrays(), TRIMMED_ARRAY: cut, **_sparse(model, found)}, vectors

    def _embedded(self, missing: Mapping[bytes, str], report: Progress) -> tuple[EmbeddingModel, dict[bytes, Made]]:
        if not missing and self._model.dimensions:
            return self._model, {}
        from lattice.models.promptreps import load_embedder

        embedder = load_embedder(self._model, os.environ)
        try:
            model = replace(self._model, dimensions=embedder.dimensions)
            return model, self._each(embedder, _Begun(self._begun, model), missing, report)
        finally:
            embedder.close()

    def _each(
        self, embedder: GgufEmbedder | PromptReps, begun: _Begun, missing: Mapping[bytes, str], report: Progress
    ) -> dict[bytes, Made]:
        made = begun.read()
        left = [(key, text) for key, text in missing.items() if key not in made]
        with begun.path.open("ab") as file:
            for done, (key, text) in enumerate(left, len(missing) - len(left) + 1):
                made[key] = embedder.embed_passage(text)
                file.write(begun.record(key, made[key]))
                self._new += 1
                report("vectors", done, len(missing))
        return made


class _Begun:
    """What was embedded for a build that is not complete: a line that names the model, then records of one size.

    A record holds the hash, whether the end was cut, the vector and, of PromptReps, the sparse one, filled up with
    weights of 0.
    """

    def __init__(self, path: Path, model: EmbeddingModel) -> None:
        import numpy as np

        from lattice.models.promptreps import MOST_TERMS

        self.path = path
        about = [model.sha256, model.passage_prefix, model.dimensions, model.prompt]
        self._head = json.dumps(about).encode() + b"\n"
        terms = MOST_TERMS if model.prompt else 0
        parts = [("key", f"V{_KEY_BYTES}"), ("cut", "u1"), ("vector", "<f4", (model.dimensions,))]
        self._record = np.dtype([*parts, ("ids", "<u4", (terms,)), ("weights", "<u2", (terms,))])

    def read(self) -> dict[bytes, Made]:
        """Give what was made by the hash of the text, and make ready to append; another model's is dropped."""
        import numpy as np

        from lattice.models.gguf_embedder import Made
        from lattice.models.sparse import Terms

        content = self.path.read_bytes() if self.path.exists() else b""
        records = content.removeprefix(self._head) if content.startswith(self._head) else b""
        # A build that was killed may have left half a record.
        whole = len(records) // self._record.itemsize
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(self._head + records[: whole * self._record.itemsize])
        found = {}
        for one in np.frombuffer(records, self._record, count=whole):
            real = one["weights"] > 0
            terms = Terms(one["ids"][real], one["weights"][real])
            found[one["key"].tobytes()] = Made(one["vector"], bool(one["cut"] == 1), terms)
        return found

    def record(self, key: bytes, made: Made) -> bytes:
        """Give what is appended for one passage."""
        import numpy as np

        one = np.zeros((), dtype=self._record)
        one["key"], one["cut"], one["vector"] = np.void(key), made.was_cut, made.vector
        terms = len(made.terms.ids)
        one["ids"][:terms], one["weights"][:terms] = made.terms.ids, made.terms.weights
        return one.tobytes()


def _sparse(model: EmbeddingModel, found: list[Made]) -> Mapping[str, Array]:
    """Give what an index keeps of the sparse vectors; nothing where the model makes none."""
    from lattice.models.sparse import SparseRows

    return SparseRows.of([one.terms for one in found]).arrays() if model.prompt else {}


def settled(settings: BuildSettings) -> BuildSettings:
    """Give the settings as they are kept: the path of an embedder in full. UsageError for what contradicts itself."""
    if settings.embedder == TFIDF:
        if settings.query_prefix or settings.passage_prefix:
            raise UsageError("Prefixes are for an embedding model: name one by --embedder, or leave --prefixes out.")
        return settings
    if not settings.embedder:
        raise UsageError(f"The embedder is empty: give {TFIDF}, or an embedding model's name or GGUF file.")
    from lattice.models.gguf_embedder import asks

    if asks(settings.embedder):
        if settings.query_prefix or settings.passage_prefix:
            raise UsageError(
                "Prefixes are for an embedding model; promptreps asks in words of its own. Leave them out."
            )
        return replace(settings, embedder=_settled_promptreps(settings.embedder))
    if is_path(settings.embedder):
        return replace(settings, embedder=os.path.abspath(Path(settings.embedder).expanduser()))
    return settings


def _settled_promptreps(embedder: str) -> str:
    """Say which model is asked, so that a refreshed index stays with it, wherever LATTICE_MODEL points by then."""
    named = embedder.removeprefix(PROMPTREPS).removeprefix(":") or os.environ.get(MODEL_VARIABLE)
    if not named:
        if embedded_model() is None:
            raise ModelNotFound(f"--embedder promptreps asks a model that writes, and there is none: {EMBEDDED_CURE}.")
        named = EMBEDDED_NAME
    return f"{PROMPTREPS}:{os.path.abspath(Path(named).expanduser()) if is_path(named) else named}"


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
    return old is not None and (old.sha256, old.prompt) == (found.sha256, found.prompt)


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


def _vectors_of(index: Path, model: EmbeddingModel) -> dict[bytes, Made]:
    """Give the vectors of an index that a model made, by the hash of the text; none where its parts do not fit."""
    from lattice.models.gguf_embedder import Made
    from lattice.models.sparse import NO_TERMS, SparseRows

    with Store.open(index) as store:
        ids, vectors = store.vectors()
        arrays = store.embedder()
        cut = arrays.get(TRIMMED_ARRAY)
        if cut is None or len(cut) != len(ids) or vectors.shape[1] != model.dimensions:
            return {}
        sparse = SparseRows.from_arrays(arrays, len(ids)) if model.prompt else None
        passages = store.passages(ids.tolist()).values()
    return {
        key_of(embedded_text(passage)): Made(vectors[i], bool(cut[i]), NO_TERMS if sparse is None else sparse.row(i))
        for i, passage in enumerate(passages)
    }
