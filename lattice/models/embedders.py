"""TF-IDF + truncated SVD: vectors without a model (latent semantic analysis).

Fitting needs scikit-learn, imported then and only then; embedding a query needs numpy alone. A fitted embedder is three
plain arrays: its terms, their inverse document frequencies and one component row a term.

The axes are left as they are: a text has its row of U Σ. Divided by Σ^p, nDCG@10 by cosine at 256 dimensions for
p = 0, .25 and .5 is .544 .550 .552 on scifact, .186 .180 .172 on tldr-nl2bash, .616 .604 .584 on doris-mae-dev.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lattice.errors import IndexCorrupt
from lattice.jobs import HERE, Workers
from lattice.tokens import STOPWORDS, stem, tokens
from lattice.types import Matrix

# A term that stands in one text alone does not say how texts hang together, but in a small corpus most terms do.
RARE_TERMS_UP_TO = 500
# Extra random directions and power iterations of the randomised SVD. More of either gained nothing on average: nDCG@10
# by cosine at 256 dimensions with these / 64 directions / 4 iterations is .544 .535 .531 on scifact, .186 .189 .184 on
# tldr-nl2bash, .616 .609 .618 on doris-mae-dev.
OVERSAMPLES = 10
POWER_ITERATIONS = 2
# Singular values below this share of the largest are rounding errors of float32, not directions of the corpus.
RANK_TOLERANCE = 1e-4
# A projection shorter than this is nothing but rounding: the text is unknown.
SHORTEST = 1e-9
# Texts whose terms are counted in one call: some tenths of a second.
TOGETHER = 500

Array = npt.NDArray[np.generic]


class _Sparse(Protocol):
    """What is needed of a scipy CSR matrix, which comes with scikit-learn and has no annotations."""

    shape: tuple[int, int]
    data: Matrix
    indices: npt.NDArray[np.int32]

    def sort_indices(self) -> None: ...

    def toarray(self) -> Matrix: ...

    def __matmul__(self, other: Matrix) -> Matrix: ...


@dataclass(frozen=True, slots=True)
class TfidfSvd:
    """A fitted embedder: v terms, their weights `idf` (v,) and `components` (v, d), float16.

    It takes v · (2 d + 4) bytes and the terms' own letters: at most 16 MB for 40,000 terms and 192 dimensions.
    """

    terms: tuple[str, ...]
    idf: npt.NDArray[np.float32]
    components: npt.NDArray[np.float16]
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {term: i for i, term in enumerate(self.terms)})

    @property
    def dimensions(self) -> int:
        """The length d of a vector; at most what was asked for, less where the corpus has fewer directions."""
        return int(self.components.shape[1])

    def embed(self, texts: list[str]) -> Matrix:
        """Give one L2-normalised float32 row a text, (n, d); a zero row where a text holds no known term.

        x = Σ_t (1 + ln tf_t) · idf_t · components_t, then x / ‖x‖.
        """
        rows = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            counts = Counter(i for i in map(self._index.get, terms_of(text)) if i is not None)
            if counts:
                ids = np.fromiter(counts.keys(), dtype=np.intp)
                frequencies = np.fromiter(counts.values(), dtype=np.float32)
                row[:] = ((1 + np.log(frequencies)) * self.idf[ids]) @ self.components[ids].astype(np.float32)
        return normalised(rows)

    def arrays(self) -> dict[str, Array]:
        """Give the fitted state as plain arrays: `terms` is UTF-8 bytes, a newline between two terms."""
        letters = np.frombuffer("\n".join(self.terms).encode(), dtype=np.uint8)
        return {"terms": letters, "idf": self.idf, "components": self.components}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> TfidfSvd:
        """Give back the embedder that `arrays` came from; raise `IndexCorrupt` when they do not fit together."""
        missing = {"terms", "idf", "components"} - arrays.keys()
        if missing:
            raise IndexCorrupt(f"the index lacks the embedder's {', '.join(sorted(missing))}; build it again")
        # Bytes that are no UTF-8 give a wrong number of terms or terms that no text holds: both are safe.
        letters = arrays["terms"].tobytes().decode(errors="replace")
        terms = tuple(letters.split("\n")) if letters else ()
        idf, components = (
            arrays["idf"].astype(np.float32, copy=False),
            arrays["components"].astype(np.float16, copy=False),
        )
        if not len(terms) == len(idf) == len(components):
            raise IndexCorrupt("the index's embedder is damaged: its arrays differ in length; build the index again")
        return cls(terms, idf, components)


@dataclass(frozen=True, slots=True)
class _Counts:
    """How often each term stands in each of some texts: text i holds the next `sizes[i]` of `ids`, so many times each.

    An id is a place in `terms`, which stand in the order in which they first came.
    """

    terms: tuple[str, ...]
    sizes: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]
    times: npt.NDArray[np.float32]


def fit_tfidf_svd(
    texts: list[str],
    dimensions: int,
    vocabulary: int,
    seed: int,
    workers: Workers = HERE,
    done: Callable[[int], object] | None = None,
) -> tuple[TfidfSvd, Matrix]:
    """Fit an embedder to `texts` and give it with their vectors, (n, d): what its `embed` would give, but faster.

    `workers` count the terms, and `done` is told of how many texts they have; the SVD is made here.

    `vocabulary` bounds the terms kept (those in the most texts first), `dimensions` the length d of a vector. The
    weights are w = (1 + ln tf) · ln((2 + n) / (1 + df)) over L2-normalised rows, and the components are the V of their
    truncated SVD U Σ Vᵀ.
    """
    found = _counted_by(workers, texts, done)
    terms, idf = _vocabulary(found, vocabulary)
    if not terms:
        return _knows_nothing(), np.zeros((len(texts), 1), dtype=np.float32)
    weights = _weights(found, terms, idf)
    components = _components(weights, dimensions, seed)
    vectors = np.asarray(weights @ components.astype(np.float32), dtype=np.float32)
    return TfidfSvd(terms, idf, components), normalised(vectors)


def terms_of(text: str) -> list[str]:
    """Give the terms of a text: the stems of its words, without stopwords."""
    return [stem(token.word) for token in tokens(text) if token.word not in STOPWORDS]


def normalised(rows: Matrix) -> Matrix:
    """Scale each row to length 1; rows of no length stay (or become) zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    known = lengths > SHORTEST
    return np.asarray(np.where(known, rows / np.where(known, lengths, 1), 0), dtype=np.float32)


def _knows_nothing() -> TfidfSvd:
    return TfidfSvd((), np.zeros(0, dtype=np.float32), np.zeros((0, 1), dtype=np.float16))


def _counted_by(workers: Workers, texts: list[str], done: Callable[[int], object] | None) -> _Counts:
    counted = 0

    def told(part: list[str]) -> None:
        nonlocal counted
        counted += len(part)
        if done is not None:
            done(counted)

    return _united(workers.each(_counts, (texts[i : i + TOGETHER] for i in range(0, len(texts), TOGETHER)), told))


def _counts(texts: list[str]) -> _Counts:
    index: dict[str, int] = {}
    sizes, ids, times = list[int](), list[int](), list[int]()
    for text in texts:
        found = Counter(terms_of(text))
        sizes.append(len(found))
        ids += [index.setdefault(term, len(index)) for term in found]
        times += found.values()
    return _Counts(
        tuple(index), np.array(sizes, dtype=np.int64), np.array(ids, dtype=np.int32), np.array(times, dtype=np.float32)
    )


def _united(parts: Sequence[_Counts]) -> _Counts:
    index: dict[str, int] = {}
    ids = [np.zeros(0, dtype=np.int32)]
    for part in parts:
        numbers = np.array([index.setdefault(term, len(index)) for term in part.terms], dtype=np.int32)
        ids.append(numbers[part.ids])
    sizes = np.concatenate([np.zeros(0, dtype=np.int64), *(part.sizes for part in parts)])
    times = np.concatenate([np.zeros(0, dtype=np.float32), *(part.times for part in parts)])
    return _Counts(tuple(index), sizes, np.concatenate(ids), times)


def _vocabulary(found: _Counts, limit: int) -> tuple[tuple[str, ...], npt.NDArray[np.float32]]:
    count = len(found.sizes)
    held = dict(zip(found.terms, np.bincount(found.ids, minlength=len(found.terms)).tolist(), strict=True))
    fewest = 1 if count <= RARE_TERMS_UP_TO else 2
    ranked = sorted((term for term, count in held.items() if count >= fewest), key=lambda term: (-held[term], term))
    terms = tuple(sorted(ranked[:limit]))
    counts = np.array([held[term] for term in terms], dtype=np.float64)
    # As if there were one text more: a term that stands in all of them still counts, and one text has no others.
    idf = np.log((2 + count) / (1 + counts))
    return terms, idf.astype(np.float32)


def _weights(found: _Counts, terms: tuple[str, ...], idf: npt.NDArray[np.float32]) -> _Sparse:
    from scipy.sparse import csr_matrix
    from sklearn.preprocessing import normalize

    index = {term: i for i, term in enumerate(terms)}
    columns = np.array([index.get(term, -1) for term in found.terms], dtype=np.int32)[found.ids]
    kept = columns >= 0
    before = np.concatenate([[0], np.cumsum(kept)])
    bounds = before[np.concatenate([[0], np.cumsum(found.sizes)])]
    shape = (len(found.sizes), len(terms))
    weights: _Sparse = csr_matrix((found.times[kept], columns[kept], bounds), shape=shape)
    weights.sort_indices()
    weights.data = (1 + np.log(weights.data)) * idf[weights.indices]
    normalize(weights, copy=False)
    return weights


def _components(weights: _Sparse, dimensions: int, seed: int) -> npt.NDArray[np.float16]:
    if min(weights.shape) <= dimensions + OVERSAMPLES:
        _, singular, axes = np.linalg.svd(weights.toarray(), full_matrices=False)
    else:
        from sklearn.utils.extmath import randomized_svd

        _, singular, axes = randomized_svd(
            weights, dimensions, n_oversamples=OVERSAMPLES, n_iter=POWER_ITERATIONS, random_state=seed
        )
    rank = max(1, int(np.sum(singular[:dimensions] > RANK_TOLERANCE * singular[0])))
    axes = axes[:rank] * _signs(axes[:rank])
    # Vectors are normalised, so a common factor is free: it keeps the small numbers above float16's smallest.
    return np.asarray(axes.T / np.abs(axes).max(), dtype=np.float16)


def _signs(axes: Matrix) -> Matrix:
    largest = np.abs(axes).argmax(axis=1)
    return np.asarray(np.sign(axes[np.arange(len(axes)), largest])[:, None], dtype=np.float32)
