"""TF-IDF + SVD: what it finds alike, what it survives, what it loads."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.errors import IndexCorrupt
from lattice.models.embedders import Array, TfidfSvd, fit_tfidf_svd, normalised, terms_of

CATS = ["the cat sat on a mat", "cats and kittens purr", "a kitten chased the cat", "kittens sleep on the mat"]
SHIPS = ["the ship sailed the sea", "sailors love ships", "a sea of sailing ships", "harbour and ship and sea"]


def fit(texts: list[str], dimensions: int = 8) -> TfidfSvd:
    return fit_tfidf_svd(texts, dimensions, 1000, seed=0)[0]


def random_texts(count: int, words: int, vocabulary: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    letters = "abcdefghijklmnopqrst"
    names = ["z" + "".join(letters[int(digit)] for digit in str(number)) for number in range(vocabulary)]
    return [" ".join(names[i] for i in rng.zipf(1.4, words) % vocabulary) for _ in range(count)]


def test_texts_of_one_subject_lie_closer_than_texts_of_two() -> None:
    vectors = fit(CATS + SHIPS, 2).embed(CATS + SHIPS)
    similarities = vectors @ vectors.T
    assert similarities[:4, :4].min() > similarities[:4, 4:].max()


def test_a_text_is_found_by_words_it_does_not_hold() -> None:
    embedder = fit(CATS + SHIPS, 2)
    query, cat, ship = embedder.embed(["purr", "a cat on a mat", "a ship at sea"])
    assert query @ cat > 0.9
    assert abs(query @ ship) < 0.1


def test_the_fit_gives_the_vectors_that_embedding_gives() -> None:
    texts = random_texts(700, 60, 900)
    embedder, vectors = fit_tfidf_svd(texts, 64, 500, seed=0)
    assert vectors.shape == (700, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, embedder.embed(texts), atol=2e-6)


def test_rows_are_of_length_one_and_unknown_texts_are_zero() -> None:
    vectors = fit(CATS + SHIPS).embed(["a cat", "zyzzyva quux", "", "the of and"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0, 0], atol=1e-6)


def test_no_texts_give_no_rows() -> None:
    assert fit(CATS).embed([]).shape == (0, fit(CATS).dimensions)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["one lonely text"],
        ["one text", "another text"],
        ["", "", ""],
        ["the of and", "???"],
        ["same words here"] * 40,
        ["word"] * 3,
        ["same words here"] * 900,
        ["", "", "a single known text", ""],
        [f"unique{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(600)],
    ],
)
def test_degenerate_corpora_give_finite_vectors(texts: list[str]) -> None:
    embedder, vectors = fit_tfidf_svd(texts, 192, 40_000, seed=0)
    assert vectors.shape == (len(texts), embedder.dimensions)
    assert embedder.dimensions >= 1
    assert np.isfinite(vectors).all()
    np.testing.assert_allclose(vectors, embedder.embed(texts), atol=2e-6)


def test_identical_texts_get_identical_vectors() -> None:
    _, vectors = fit_tfidf_svd(["same words here"] * 40, 192, 1000, seed=0)
    np.testing.assert_allclose(vectors @ vectors.T, 1, atol=1e-5)


def test_there_are_no_more_dimensions_than_the_corpus_has() -> None:
    assert fit(CATS, 192).dimensions <= 4
    assert fit(CATS + SHIPS, 3).dimensions == 3


def test_the_vocabulary_is_capped_to_the_terms_of_most_texts() -> None:
    embedder, _ = fit_tfidf_svd(["cat dog", "cat dog", "cat bird", "cat fish"], 4, 2, seed=0)
    assert embedder.terms == ("cat", "dog")


def test_terms_of_one_text_alone_are_dropped_from_large_corpora() -> None:
    texts = [f"common shared words {'rarest' if i == 7 else ''}" for i in range(501)]
    assert "rarest" not in fit(texts).terms
    assert "rarest" in fit(texts[:500]).terms


def test_terms_are_stems_without_stopwords() -> None:
    assert terms_of("The running of the Kittens") == ["run", "kitten"]


def test_a_repeated_term_counts_less_than_in_proportion() -> None:
    embedder = fit(["cat", "dog"], 2)
    once, often = embedder.embed(["cat dog", "cat cat cat cat cat cat cat cat dog"])
    # By hand: tf 8 weighs 1 + ln 8 = 3.08, so the cosine with (1, 1) is 4.08 / (√2 · √(3.08² + 1)) = 0.891.
    assert once @ often == pytest.approx(0.891, abs=0.002)


def test_fitting_again_gives_the_same_bytes() -> None:
    texts = random_texts(600, 40, 700)
    first, second = (fit_tfidf_svd(texts, 32, 500, seed=3) for _ in range(2))
    assert first[1].tobytes() == second[1].tobytes()
    assert first[0].components.tobytes() == second[0].components.tobytes()


def test_a_stored_embedder_gives_identical_vectors() -> None:
    embedder = fit([*CATS, *SHIPS, "C++ と 日本語", "naïve café"])
    loaded = TfidfSvd.from_arrays(embedder.arrays())
    texts = [*CATS, "C++", "日本", "cafe"]
    assert loaded.embed(texts).tobytes() == embedder.embed(texts).tobytes()


def test_an_embedder_that_knows_nothing_is_stored_too() -> None:
    loaded = TfidfSvd.from_arrays(fit([]).arrays())
    assert loaded.embed(["anything"]).tolist() == [[0.0]]


def test_damaged_arrays_are_refused_with_the_cure() -> None:
    arrays = fit(CATS).arrays()
    with pytest.raises(IndexCorrupt, match="build it again"):
        TfidfSvd.from_arrays({"terms": arrays["terms"]})
    with pytest.raises(IndexCorrupt, match="build the index again"):
        TfidfSvd.from_arrays({**arrays, "idf": arrays["idf"][1:]})
    with pytest.raises(IndexCorrupt, match="build the index again"):
        TfidfSvd.from_arrays({**arrays, "terms": np.array([255, 254], dtype=np.uint8)})


def test_a_full_vocabulary_loads_and_stays_below_its_cap() -> None:
    terms = [f"term{number}" for number in range(40_000)]
    arrays: dict[str, Array] = {
        "terms": np.frombuffer("\n".join(terms).encode(), dtype=np.uint8),
        "idf": np.ones(40_000, dtype=np.float32),
        "components": np.zeros((40_000, 192), dtype=np.float16),
    }
    assert sum(array.nbytes for array in arrays.values()) < 16_000_000
    assert TfidfSvd.from_arrays(arrays).embed(["term39999"]).shape == (1, 192)


def test_embedding_a_query_imports_neither_sklearn_nor_scipy() -> None:
    program = (
        "import sys, numpy as np\n"
        "from lattice.models.embedders import TfidfSvd\n"
        "e = TfidfSvd(('cat',), np.ones(1, np.float32), np.ones((1, 2), np.float16))\n"
        "assert e.embed(['cats']).any()\n"
        "assert not {'sklearn', 'scipy'} & set(sys.modules), 'heavy'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_normalising_leaves_zero_rows() -> None:
    rows = normalised(np.array([[3, 4], [0, 0]], dtype=np.float32))
    np.testing.assert_allclose(rows, np.array([[0.6, 0.8], [0, 0]]), rtol=1e-6)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.text(max_size=30), max_size=12), st.integers(1, 20))
def test_any_texts_give_unit_or_zero_rows(texts: list[str], dimensions: int) -> None:
    embedder, vectors = fit_tfidf_svd(texts, dimensions, 50, seed=0)
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))
    assert embedder.dimensions <= dimensions
    np.testing.assert_allclose(vectors, TfidfSvd.from_arrays(embedder.arrays()).embed(texts), atol=1e-5)
