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
from lattice.types import MODEL_ARRAY, Matrix

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from lattice.models.embedders import Array, TfidfSvd
    from lattice.models.gguf_embedder import GgufEmbedder
    from lattice.models.promptreps import EngineAt, PromptReps
    from lattice.models.sparse import SparseRows

# How many passages a search begins with. Long documents fill the first hundred places with few documents.
PRIOR_DEPTH = 300
# How many passages and documents words and vectors bring each; more than are kept, for what one of them has low
# another may have high.
_FOUND = 1000


@dataclass(frozen=True, slots=True)
class _Vectors:
    """The vectors of a build. A document's is the sum of its passages', so its cosine follows from theirs.

    `starts` holds the row of each document's first passage, `lengths` the norm of its vector, `row_of` its place in
    these two by its number. `sparse` are the passages' sparse vectors, where a model made some.
    """

    matrix: Matrix
    starts: npt.NDArray[np.intp]
    lengths: npt.NDArray[np.float32]
    row_of: npt.NDArray[np.intp]
    sparse: SparseRows | None = None


@dataclass(frozen=True, slots=True)
class _Scores:
    """The cosine of every passage, and the dot product of its sparse vector, (n,); 0 where it is not admitted."""

    cosines: npt.NDArray[np.float32]
    terms: npt.NDArray[np.float32] | None

    def plus(self, other: _Scores, share: float) -> _Scores:
        """Add a share of other scores."""
        terms = None if self.terms is None or other.terms is None else self.terms + share * other.terms
        return _Scores(self.cosines + share * other.cosines, terms)


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

    def __init__(self, store: Store, engine_at: EngineAt | None = None) -> None:
        """Take the store, and what gives the engine of a model file that is loaded anyway, so that it is not twice."""
        self._store, self._engine_at = store, engine_at
        self._vectors: _Vectors | None = None
        self._embedder: TfidfSvd | None = None
        self._model: GgufEmbedder | PromptReps | None = None  # in the place of `_embedder`, where a model made them
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
        scores = self._scores(query, admission)
        if vocabulary:
            # Both are unit vectors, so the sum is Rocchio's: each cosine counts as it would alone.
            scores = scores.plus(self._scores(also, admission), share)
        cosines = scores.cosines if self._model is None else _above_usual(scores.cosines)
        vectors = _nearest(cosines, _FOUND)
        terms = [] if scores.terms is None else _nearest(scores.terms, _FOUND)
        document_of = self._store.documents_of({passage for passage, _ in (*words, *vectors, *terms)})
        numbers = sorted(set(document_of.values()))
        whole = Found(documents, self._of_documents(cosines, numbers), self._best_of(scores.terms, numbers))
        return Found(words, vectors, terms), whole, document_of

    def similar(self, query: str, limit: int, admission: Admission | None = None) -> list[tuple[int, float]]:
        """Give the passages nearest to the query by cosine similarity, exactly, ties by id, of those admitted.

        ModelNotFound where the embedding model is not here.
        """
        return _nearest(self._scores(query, admission).cosines, limit)

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

    def _scores(self, query: str, admission: Admission | None) -> _Scores:
        """Give how near every passage is; 0 where it is not admitted."""
        import numpy as np

        held, terms = self._loaded(), None
        if self._embedder is not None:
            vector = self._embedder.embed([query])[0]
        elif self._model is not None:
            asked = self._model.asked(query)
            vector = asked.vector
            terms = None if held.sparse is None else held.sparse.scores(asked.terms)
        else:
            raise ModelNotFound(str(self.problem))
        cosines: npt.NDArray[np.float32] = held.matrix @ vector
        if admission is None:
            return _Scores(cosines, terms)
        admitted, none = np.frombuffer(admission.passages, dtype=np.bool_), np.float32(0.0)
        return _Scores(np.where(admitted, cosines, none), None if terms is None else np.where(admitted, terms, none))

    def _of_documents(self, cosines: npt.NDArray[np.float32], numbers: list[int]) -> list[tuple[int, float]]:
        import numpy as np

        held = self._loaded()
        if not numbers:
            return []
        rows = held.row_of[numbers]
        sums = np.add.reduceat(cosines, held.starts)[rows]
        found = np.divide(sums, held.lengths[rows], out=np.zeros_like(sums), where=held.lengths[rows] > 0.0)
        return list(zip(numbers, found.tolist(), strict=True))

    def _best_of(self, terms: npt.NDArray[np.float32] | None, numbers: list[int]) -> list[tuple[int, float]]:
        """Give documents the sparse score of their best passage: the sum would be that of their length."""
        import numpy as np

        if terms is None or not numbers:
            return []
        held = self._loaded()
        best = np.maximum.reduceat(terms, held.starts)[held.row_of[numbers]]
        return list(zip(numbers, best.tolist(), strict=True))

    def _prior(self, fused: list[tuple[int, float]]) -> Prior:
        leaves = self._store.leaves([passage for passage, _ in fused])
        return prior_of(fused, {passage: leaf.id for passage, leaf in leaves.items()})

    def _loaded(self) -> _Vectors:
        build = self._store.status().build
        if self._vectors is None or self._build != build:
            self.close()
            arrays = self._store.embedder()
            self._vectors, self._build = _load(self._store, arrays), build
            self._load_embedder(arrays)
        return self._vectors

    def _unembedded(self) -> bool:
        """Whether there is nothing here that could embed a query."""
        self._loaded()
        return self._embedder is None and self._model is None

    def _load_embedder(self, arrays: dict[str, Array]) -> None:
        from lattice.models.embedders import TfidfSvd

        self.problem = None
        if MODEL_ARRAY not in arrays:
            self._embedder = TfidfSvd.from_arrays(arrays)
            return
        from lattice.models.gguf_embedder import EmbeddingModel
        from lattice.models.promptreps import load_embedder

        model = EmbeddingModel.from_arrays(arrays)
        assert model is not None
        try:
            self._model = load_embedder(model, os.environ, self._engine_at)
        except ModelProblem as problem:
            self.problem = f"Vectors had no part in this search, words alone did. {problem}"


def _load(store: Store, arrays: dict[str, Array]) -> _Vectors:
    import numpy as np

    from lattice.models.sparse import SPARSE_ARRAYS, SparseRows

    matrix = store.vectors()[1]
    sparse = SparseRows.from_arrays(arrays, len(matrix)) if SPARSE_ARRAYS[0] in arrays else None
    numbers = np.array(store.document_numbers(), dtype=np.intp)
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    row_of = np.zeros(int(numbers.max(initial=0)) + 1, dtype=np.intp)
    row_of[numbers[starts]] = np.arange(len(starts))
    sums = np.add.reduceat(matrix, starts, axis=0) if len(starts) else matrix
    lengths = np.linalg.norm(sums, axis=1)
    return _Vectors(matrix, starts, lengths, row_of, sparse)


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
