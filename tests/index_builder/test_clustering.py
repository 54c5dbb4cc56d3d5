"""Every clusterer: what all of them promise, whatever they are given."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.errors import UsageError
from lattice.index_builder.clustering import CLUSTERERS, clusters
from lattice.index_builder.duplicates import near_duplicates
from lattice.index_builder.fill import Groups
from lattice.models.embedders import normalised
from lattice.types import Matrix
from tests.index_builder.corpora import clouds, random_vectors

DEGENERATE: dict[str, Callable[[int], Matrix]] = {
    "equal": lambda count: np.tile(np.array([[0.6, 0.8]], dtype=np.float32), (count, 1)),
    "zero": lambda count: np.zeros((count, 3), dtype=np.float32),
    "opposite": lambda count: np.array([[1, 0], [-1, 0]], dtype=np.float32)[np.arange(count) % 2],
    "apart": lambda count: np.eye(count, dtype=np.float32),
    "two equal sets": lambda count: np.eye(2, dtype=np.float32)[(np.arange(count) > count // 3).astype(int)],
    "one-dimensional": lambda count: np.ones((count, 1), dtype=np.float32),
}


def check(groups: Groups, count: int, limit: int) -> None:
    assert sorted(row for group in groups for row in group) == list(range(count))
    assert all(1 <= len(group) <= limit for group in groups)
    assert groups == sorted(sorted(group) for group in groups)
    sizes = sorted(map(len, groups))
    assert sizes[0] >= 2 or sizes[1:] == [limit] * (len(sizes) - 1)


def together(groups: Groups, rows: list[int]) -> bool:
    return any(set(rows) <= set(group) for group in groups)


@pytest.mark.parametrize("clusterer", CLUSTERERS)
@settings(deadline=None, derandomize=True, max_examples=40)
@given(count=st.integers(2, 160), limit=st.integers(2, 12), seed=st.integers(0, 1000))
def test_any_rows_are_parted_within_the_limit(clusterer: str, count: int, limit: int, seed: int) -> None:
    vectors = random_vectors(count, seed)
    groups = clusters(vectors, limit, 0, clusterer)
    check(groups, count, limit)
    assert len(groups) < count
    assert groups == clusters(vectors.copy(), limit, 0, clusterer)


@pytest.mark.parametrize("clusterer", CLUSTERERS)
@pytest.mark.parametrize("kind", DEGENERATE)
@pytest.mark.parametrize(("count", "limit"), [(2, 2), (3, 2), (5, 5), (6, 5), (13, 12), (100, 2), (350, 12)])
def test_degenerate_rows_are_parted_within_the_limit(clusterer: str, kind: str, count: int, limit: int) -> None:
    groups = clusters(DEGENERATE[kind](count), limit, 0, clusterer)
    check(groups, count, limit)
    assert count / len(groups) >= limit / 2


@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_clouds_are_hardly_mixed_and_groups_mostly_full(clusterer: str) -> None:
    groups = clusters(clouds(centres=30, each=10), 12, 0, clusterer)
    pure = sum(len(group) for group in groups if len({row % 30 for row in group}) == 1)
    assert pure >= 0.7 * 300
    assert 0.6 <= np.mean([len(group) for group in groups]) / 12 <= 1


@pytest.mark.parametrize("clusterer", CLUSTERERS)
@settings(deadline=None, derandomize=True, max_examples=15)
@given(seed=st.integers(0, 1000), copies=st.integers(2, 6))
def test_near_duplicates_share_a_group(clusterer: str, seed: int, copies: int) -> None:
    rng = np.random.default_rng(seed)
    originals = rng.standard_normal((40, 12))
    rows = np.repeat(originals, copies, axis=0) + 0.01 * rng.standard_normal((40 * copies, 12))
    vectors = normalised(rows[rng.permutation(len(rows))].astype(np.float32))
    alike = near_duplicates(vectors)
    assert len(alike) == 40
    groups = clusters(vectors, 6, 0, clusterer)
    check(groups, len(vectors), 6)
    assert all(together(groups, rows) for rows in alike)


_TREES = """
from lattice.index_builder.clustering import CLUSTERERS, clusters
from tests.index_builder.corpora import clouds
print([clusters(clouds(100, 8, noise=1.0), 12, 0, name) for name in CLUSTERERS])
"""


def test_the_number_of_workers_changes_nothing() -> None:
    found = set()
    for workers in ("1", "2"):
        limits = {f"{library}_NUM_THREADS": workers for library in ("OMP", "OPENBLAS", "MKL")}
        environment = {**os.environ, **limits, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-c", _TREES], check=True, capture_output=True, text=True, env=environment
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_another_seed_may_part_otherwise_and_the_same_never_does() -> None:
    vectors = clouds(40, 10, noise=2.0)
    assert clusters(vectors, 12, 1, "kmeans") == clusters(vectors, 12, 1, "kmeans")
    assert clusters(vectors, 12, 1, "kmeans") != clusters(vectors, 12, 2, "kmeans")


def test_an_unknown_clusterer_is_named_with_the_ones_there_are() -> None:
    with pytest.raises(UsageError, match="no clusterer 'ward'; choose one of agglomerative, spectral, kmeans"):
        clusters(np.zeros((3, 2), dtype=np.float32), 2, 0, "ward")
