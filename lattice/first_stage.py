"""The first stage of every search: words and vectors, of passages and of whole documents, before anyone reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lattice.errors import ModelNotFound, ModelProblem
from lattice.store.lexical import Unit
from lattice.store.store import Store
from lattice.traversal.admitted import Admission
from lattice.traversal.prior import VOCABULARY_SHARE, Found, Prior, added, fuse, prior_of
from lattice.types import MODEL_ARRAY, Embedder, Matrix

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from lattice.models.embedders import Array
    from lattice.models.gguf_embedder import GgufEmbedder

# How many passages a search begins with. Long documents fill the first hundred places with few documents.
PRIOR_DEPTH = 300
# How many passages and documents words and vectors bring each; more than are kept, for what one of them has low
# another may have high.
_FOUND = 1000


@dataclass(frozen=True, slots=True)
class _Vectors:
    """The vectors of a build. A document's is the sum of its passages', so its cosine follows from theirs.

    `starts` holds the row of each document's first passage, `lengths` the norm of its vector, `row_of` its place in
    these two by its number.
    """

    matrix: Matrix
    starts: npt.NDArray[np.intp]
    lengths: npt.NDArray[np.float32]
    row_of: npt.NDArray[np.intp]


_Words = tuple[list[tuple[int, float]], list[tuple[int, float]]]  # passages and documents, with their BM25 scores


@dataclass(frozen=True, slots=True)
class _Sought:
    """What was found by words, and for what."""

    query: str
    build: str
    admission: Admission | None
    found: _Words


class FirstStage:
    """Lexical and vector search over one store; the vectors and what embeds a query are loaded on first use and held.

    Where the embedding model that made the vectors is not here, words alone are searched, and `problem` says so.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._vectors: _Vectors | None = None
        self._embedder: Embedder | None = None
        self._model: GgufEmbedder | None = None  # the same as `_embedder`, where that is one
        self.problem: str | None = None
        self._build: str | None = None
        self._last: _Sought | None = None

    def close(self) -> None:
        """Free the embedding model, where one was loaded."""
        if self._model is not None:
            self._model.close()
        self._model = self._embedder = self._vectors = None

    def at_once(self, query: str, admission: Admission | None = None) -> Prior:
        """Give what words alone expect: fast, for neither numpy nor vectors have to be loaded."""
        words, documents = self._words(query, admission)
        document_of = self._store.documents_of(passage for passage, _ in words)
        return self._prior(fuse(Found(words), Found(documents), document_of, PRIOR_DEPTH))

    def prior(self, query: str, admission: Admission | None = None, vocabulary: Sequence[str] = ()) -> Prior:
        """Give what words and vectors expect, of what is admitted; `vocabulary` is sought beside the query's words."""
        return self._prior(fuse(*self.found(query, admission, vocabulary), PRIOR_DEPTH))

    def found(
        self,
        query: str,
        admission: Admission | None = None,
        vocabulary: Sequence[str] = (),
        share: float = VOCABULARY_SHARE,
    ) -> tuple[Found, Found, dict[int, int]]:
        """Give what is to be fused: passages and documents found, and the document of each of those passages.

        `share` is what the best match of the vocabulary is worth, that of the query being 1.
        """
        words, documents = self._words(query, admission)
        also = " ".join(vocabulary)
        if vocabulary:
            more, of_documents = self._words(also, admission)
            words, documents = added(words, more, share), added(documents, of_documents, share)
        if self._unembedded():
            return Found(words), Found(documents), self._store.documents_of(passage for passage, _ in words)
        cosines = self._cosines(query, admission)
        if vocabulary:
            # Both are unit vectors, so the sum is Rocchio's: each cosine counts as it would alone.
            cosines = cosines + share * self._cosines(also, admission)
        if self._model is not None:
            cosines = _above_usual(cosines)
        vectors = _nearest(cosines, _FOUND)
        document_of = self._store.documents_of({passage for passage, _ in (*words, *vectors)})
        whole = Found(documents, self._of_documents(cosines, set(document_of.values())))
        return Found(words, vectors), whole, document_of

    def similar(self, query: str, limit: int, admission: Admission | None = None) -> list[tuple[int, float]]:
        """Give the passages nearest to the query by cosine similarity, exactly, ties by id, of those admitted.

        ModelNotFound where the embedding model is not here.
        """
        return _nearest(self._cosines(query, admission), limit)

    def _words(self, query: str, admission: Admission | None) -> _Words:
        """Search by words; what was asked for last is held, for a search wants it twice: at once, and fused."""
        build, last = self._store.status().build, self._last
        if last is None or (last.query, last.build) != (query, build) or last.admission is not admission:
            passages, documents = (admission.passages, admission.documents) if admission else (None, None)
            self._last = last = _Sought(
                query,
                build,
                admission,
                (
                    self._store.lexical(query, _FOUND, passages),
                    self._store.lexical(query, _FOUND, documents, Unit.DOCUMENTS),
                ),
            )
        return last.found

    def _cosines(self, query: str, admission: Admission | None) -> npt.NDArray[np.float32]:
        """Give the cosine of every passage; 0 where it is not admitted."""
        import numpy as np

        held = self._loaded()
        if self._embedder is None:
            raise ModelNotFound(str(self.problem))
        cosines: npt.NDArray[np.float32] = held.matrix @ self._embedder.embed([query])[0]
        if admission is None:
            return cosines
        return np.where(np.frombuffer(admission.passages, dtype=np.bool_), cosines, np.float32(0.0))

    def _of_documents(self, cosines: npt.NDArray[np.float32], documents: set[int]) -> list[tuple[int, float]]:
        import numpy as np

        held = self._loaded()
        if not documents:
            return []
        numbers = sorted(documents)
        rows = held.row_of[numbers]
        sums = np.add.reduceat(cosines, held.starts)[rows]
        found = np.divide(sums, held.lengths[rows], out=np.zeros_like(sums), where=held.lengths[rows] > 0.0)
        return list(zip(numbers, found.tolist(), strict=True))

    def _prior(self, fused: list[tuple[int, float]]) -> Prior:
        leaves = self._store.leaves([passage for passage, _ in fused])
        return prior_of(fused, {passage: leaf.id for passage, leaf in leaves.items()})

    def _loaded(self) -> _Vectors:
        build = self._store.status().build
        if self._vectors is None or self._build != build:
            self.close()
            self._vectors, self._build = _load(self._store), build
            self._load_embedder(self._store.embedder())
        return self._vectors

    def _unembedded(self) -> bool:
        """Whether there is nothing here that could embed a query."""
        self._loaded()
        return self._embedder is None

    def _load_embedder(self, arrays: dict[str, Array]) -> None:
        from lattice.models.embedders import TfidfSvd

        self.problem = None
        if MODEL_ARRAY not in arrays:
            self._embedder = TfidfSvd.from_arrays(arrays)
            return
        from lattice.models.gguf_embedder import EmbeddingModel, GgufEmbedder

        model = EmbeddingModel.from_arrays(arrays)
        assert model is not None
        try:
            self._embedder = self._model = GgufEmbedder.load(model, os.environ)
        except ModelProblem as problem:
            self.problem = f"Vectors had no part in this search, words alone did. {problem}"


def _load(store: Store) -> _Vectors:
    import numpy as np

    matrix = store.vectors()[1]
    numbers = np.array(store.document_numbers(), dtype=np.intp)
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    row_of = np.zeros(int(numbers.max(initial=0)) + 1, dtype=np.intp)
    row_of[numbers[starts]] = np.arange(len(starts))
    sums = np.add.reduceat(matrix, starts, axis=0) if len(starts) else matrix
    lengths = np.linalg.norm(sums, axis=1)
    return _Vectors(matrix, starts, lengths, row_of)


def _above_usual(cosines: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give by how much each cosine is above their mean; those of what is not admitted stay 0.

    An embedding model's all lie close together: scaled by the best of them, every passage would look near.
    """
    import numpy as np

    admitted = cosines != 0.0
    usual = cosines[admitted].mean() if admitted.any() else np.float32(0.0)
    return np.where(admitted, cosines - usual, np.float32(0.0)).astype(np.float32)


def _nearest(cosines: npt.NDArray[np.float32], limit: int) -> list[tuple[int, float]]:
    import numpy as np

    count = min(limit, len(cosines))
    nearest = np.argpartition(-cosines, count - 1)[:count] if count else np.empty(0, dtype=np.intp)
    found = ((int(i) + 1, float(cosines[i])) for i in nearest if cosines[i] > 0.0)
    return sorted(found, key=lambda item: (-item[1], item[0]))
