"""Nearest neighbours: exact against a plain sort, approximate against exact."""

import subprocess
import sys

import numpy as np
import pytest

from lattice.index_builder.neighbours import TIE, neighbours
from lattice.models.embedders import normalised
from lattice.types import Matrix
from tests.index_builder.corpora import random_vectors


def clouds(count: int, seed: int = 0) -> Matrix:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, 24))
    return normalised((centres[np.arange(count) % 20] + 0.6 * rng.standard_normal((count, 24))).astype(np.float32))


def test_three_vectors_worked_by_hand() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)
    indices, similarities = neighbours(vectors, 2, seed=0)
    assert indices.tolist() == [[1, 2], [2, 0], [1, 0]]
    np.testing.assert_allclose(similarities, [[0.6, 0], [0.8, 0.6], [0.8, 0]], atol=1e-6)


def test_exact_search_equals_a_plain_sort() -> None:
    vectors = clouds(1300)
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -2)
    indices, found = neighbours(vectors, 7, seed=0)
    np.testing.assert_allclose(found, -np.sort(-similarities, axis=1)[:, :7], atol=2e-6)
    np.testing.assert_allclose(found, np.take_along_axis(similarities, indices, axis=1), atol=2e-6)


def test_ties_go_to_the_lower_index() -> None:
    indices, similarities = neighbours(np.tile(np.array([[0, 1]], dtype=np.float32), (30, 1)), 3, seed=0)
    assert indices[0].tolist() == [1, 2, 3]
    assert indices[2].tolist() == [0, 1, 3]
    assert indices[29].tolist() == [0, 1, 2]
    np.testing.assert_allclose(similarities, 1)


def test_better_ones_come_before_ties() -> None:
    vectors = np.array([[1, 0], [0, 1], [0, 1], [0, 1], [0.8, 0.6]], dtype=np.float32)
    assert neighbours(vectors, 2, seed=0)[0][0].tolist() == [4, 1]


@pytest.mark.parametrize("exact_up_to", [10_000, 0])
def test_a_row_is_never_its_own_neighbour(exact_up_to: int) -> None:
    vectors = random_vectors(150, seed=1)
    indices, _ = neighbours(vectors, 9, seed=0, exact_up_to=exact_up_to)
    assert indices.shape == (150, 9)
    assert not np.any(indices == np.arange(150)[:, None])
    assert all(len(set(row)) == 9 for row in indices.tolist())


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_rows_have_few_neighbours(count: int) -> None:
    indices, similarities = neighbours(random_vectors(count, seed=0), 10, seed=0)
    assert indices.shape == similarities.shape == (count, max(0, count - 1))


def test_the_graph_finds_nearly_all_of_the_exact_neighbours() -> None:
    vectors = clouds(3000)
    exact, _ = neighbours(vectors, 10, seed=0)
    approximate, similarities = neighbours(vectors, 10, seed=0, exact_up_to=100)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact.tolist(), approximate.tolist(), strict=True)])
    assert recall > 0.97
    assert np.all(np.diff(similarities, axis=1) <= 1e-6)


def test_the_graph_gives_the_same_answer_each_time() -> None:
    vectors = clouds(1500)
    first, second = (neighbours(vectors, 10, seed=5, exact_up_to=0) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[1].tobytes() == second[1].tobytes()


def test_exact_search_does_not_import_hnswlib() -> None:
    program = (
        "import sys, numpy as np\n"
        "from lattice.index_builder.neighbours import neighbours\n"
        "neighbours(np.eye(3, dtype=np.float32), 1, 0)\n"
        "assert 'hnswlib' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_similarity_at_the_rounded_edge_of_a_tie_is_not_lost() -> None:
    last = np.float32(0.5)
    edge = last + np.float32(TIE)
    # Added, the edge rounds to itself; subtracted, it is further away than a tie: it must count as one of the two.
    assert not edge > last + np.float32(TIE)
    assert edge - last > np.float32(TIE)
    vectors = np.array([[1, 0], [edge, 0], [last, 0], [last, 0], [last, 0]], dtype=np.float32)
    assert neighbours(vectors, 2, seed=0)[0][0].tolist() == [1, 2]
