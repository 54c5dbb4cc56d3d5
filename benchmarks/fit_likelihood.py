"""Fit what the default search makes of the likelihood judge's readings:  python benchmarks/fit_likelihood.py [--save]

For 50 queries of each tuning collection the prior's best 24 passages are read (recorded in .bench, so that a second run
is free) and ranked by (score + λ·expected) / (1 + λ), as a search does it. nDCG@10 decides three things:

1. how the log-probabilities of a query's tokens are put together, and how much of a passage is read;
2. the judge's scale and the prior's worth λ, on all collections together, and on all but one for the one left out;
3. whether λ should depend on the kind of query: which λ is best where;
4. what reading more passages is worth.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from bench import RESULTS, TUNING, WORK, bf16_copy, unpacked
from tqdm import tqdm

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.recorded import RecordedReader
from lattice.evaluate.summary import source_state
from lattice.lattice import Lattice
from lattice.models.llama.engine import LlamaEngine
from lattice.models.prompts import LIKELIHOOD
from lattice.models.registry import sha256_of
from lattice.models.settings import EngineSettings
from lattice.traversal.judges.likelihood import LEAF_SCALE, WINDOW_WORDS
from lattice.traversal.judges.reading import QUERY_WORDS, shortened, shown_text
from lattice.traversal.search import DEFAULT_CALIBRATION
from lattice.traversal.windows import query_stems
from lattice.types import Filters

Vector = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]

WINDOWS = (30, 60)
SHALLOW = 20  # passages read in every window, of every second query: reading is what this costs
COMBINATIONS: dict[str, Callable[[Rows, Rows], Vector]] = {
    # Of log P of each token after each text, shape (texts, tokens), and after no text, shape (tokens,).
    "mean": lambda read, alone: (read - alone).mean(axis=1),
    "root of surprise": lambda read, alone: _weighted(read - alone, np.sqrt(-alone)),
    "surprise": lambda read, alone: _weighted(read - alone, -alone),
    "losses cut at 1 nat": lambda read, alone: np.maximum(read - alone, -1.0).mean(axis=1),
}
DEPTHS = (4, 8, 12, 16, 24)
OFFSETS, WIDTHS, PRIOR_WEIGHTS = (0.2, 0.5, 0.8, 1.1, 1.5), (0.2, 0.35, 0.5, 0.8, 1.2), (0.5, 1.0, 2.0, 3.0, 5.0)


def _weighted(gains: Rows, weights: Rows) -> Vector:
    return np.asarray(gains @ weights / weights.sum(), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Parameters:
    """One point of the grid."""

    offset: float
    width: float
    prior_weight: float


@dataclass(frozen=True, slots=True)
class Pool:
    """What a query's hits are: documents, what the prior expects, readings by window, and the qrels."""

    documents: tuple[str, ...]
    expected: Vector
    read: Mapping[int, Rows]
    alone: Rows
    costs: Mapping[int, float]
    grades: dict[str, int]


DEFAULT = Parameters(LEAF_SCALE.offset, LEAF_SCALE.width, DEFAULT_CALIBRATION.prior_weight)
GRID = [Parameters(*point) for point in itertools.product(OFFSETS, WIDTHS, PRIOR_WEIGHTS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=TUNING)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--depth", type=int, default=24, help="passages read a query")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/fit-likelihood.json")
    options = parser.parse_args()
    with reader() as recorded:
        pools = {name: read_pools(name, recorded, options) for name in options.collections}
    shallow = {name: of[::2] for name, of in pools.items()}
    record = {
        "lattice": source_state(),
        "model": bf16_copy().name,
        "queries": options.queries,
        "depth": options.depth,
        "prior": _means(lambda pool: pool.expected, pools),
        "readings": [_compared(words, how, shallow) for words in WINDOWS for how in COMBINATIONS],
        **fitted(pools),
    }
    if options.save:
        (RESULTS / "fit-likelihood.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


def reader() -> RecordedReader:
    """Give the engine that reads, behind the record of what it has read before."""
    path = bf16_copy()
    settings = EngineSettings(cache_bytes=0)
    return RecordedReader(WORK / "fit.jsonl", sha256_of(path), lambda: LlamaEngine(path, settings))


def read_pools(name: str, recorded: RecordedReader, options: argparse.Namespace) -> list[Pool]:
    """Read the prior's best passages for a sample of a collection's queries."""
    collection = load(unpacked(name))
    sample = collection.sample(min(options.queries, len(collection.queries)), options.seed)
    with Lattice.open(index_of(collection, WORK / name), model=None) as lattice, lattice.store.reading():
        queries = tqdm(sample.queries, desc=name, disable=None)
        return [_pool(lattice, recorded, sample, query, options.depth, i % 2 == 0) for i, query in enumerate(queries)]


def _pool(
    lattice: Lattice, recorded: RecordedReader, collection: Collection, query: str, depth: int, in_both: bool
) -> Pool:
    text = collection.queries[query]
    excluded = collection.excluded.get(query)
    hits = lattice.prior(text, lattice.admission(Filters(excluded_ids=excluded)) if excluded else None).hits
    leaves = [lattice.store.node(hit.leaf) for hit in hits]
    passages = lattice.store.passages(leaf.passage or 0 for leaf in leaves)
    candidates = lattice.store.candidates(tuple(hit.leaf for hit in hits[:depth]))
    asked, stems = shortened(text, QUERY_WORDS), query_stems(text)
    read, costs = {}, {}
    for words in WINDOWS if in_both else WINDOWS[:1]:
        count = depth if words == WINDOW_WORDS else SHALLOW
        texts = [shown_text(one, stems, words) for one in candidates[:count]]
        if texts:
            read[words] = recorded.continuation_logprobs(texts, asked, frame=LIKELIHOOD, keep=False).by_token
            costs[words] = float(np.mean([recorded.cost(one, asked, LIKELIHOOD) for one in texts[:SHALLOW]]))
    alone = recorded.continuation_logprobs([""], asked, frame=LIKELIHOOD).by_token[0]
    documents = tuple(passages[leaf.passage or 0].document for leaf in leaves)
    return Pool(documents, np.array([hit.expected for hit in hits]), read, alone, costs, collection.qrels[query])


def _compared(words: int, how: str, pools: Mapping[str, Sequence[Pool]]) -> dict[str, Any]:
    """Tell what the readings of one window and combination are worth: the best scale of their own, and the tokens."""
    gains = {name: [_gains(pool, words, how, SHALLOW) for pool in of] for name, of in pools.items()}
    values = {point: _valued(point, pools, gains) for point in GRID}
    best = max(GRID, key=lambda point: _mean(values[point].values()))
    tokens = _mean(_mean(pool.costs[words] for pool in of if pool.costs) for of in pools.values())
    return {"words": words, "combination": how, "tokens": tokens, "scale": _point(best), "ndcg": values[best]}


def fitted(pools: Mapping[str, Sequence[Pool]]) -> dict[str, Any]:
    """Fit scale and λ for the readings of the default: on all, on all but one, and λ by collection."""
    gains = {name: [_gains(pool, WINDOW_WORDS, "root of surprise", None) for pool in of] for name, of in pools.items()}
    values = {point: _valued(point, pools, gains) for point in {*GRID, DEFAULT}}
    ordered = sorted(GRID, key=lambda point: -_mean(values[point].values()))
    return {
        "default": {"scale": _point(DEFAULT), "ndcg": values[DEFAULT]},
        "best": [{"scale": _point(point), "ndcg": values[point]} for point in ordered[:5]],
        "left_out": {name: _left_out(name, values) for name in pools},
        "by_depth": {
            str(depth): _valued(DEFAULT, pools, {name: [one[:depth] for one in of] for name, of in gains.items()})
            for depth in DEPTHS
        },
        "by_prior_weight": {
            str(weight): values[Parameters(DEFAULT.offset, DEFAULT.width, weight)] for weight in PRIOR_WEIGHTS
        },
    }


def _left_out(name: str, values: Mapping[Parameters, Mapping[str, float]]) -> dict[str, Any]:
    chosen = max(GRID, key=lambda point: _mean(value for other, value in values[point].items() if other != name))
    return {"scale": _point(chosen), "ndcg": values[chosen][name]}


def _gains(pool: Pool, words: int, how: str, count: int | None) -> Vector:
    if words not in pool.read:
        return np.empty(0)
    return COMBINATIONS[how](pool.read[words][:count], pool.alone)


def _valued(
    point: Parameters, pools: Mapping[str, Sequence[Pool]], gains: Mapping[str, Sequence[Vector]]
) -> dict[str, float]:
    return {
        name: _mean(_ndcg(believed(point, pool, gain), pool) for pool, gain in zip(of, gains[name], strict=True))
        for name, of in pools.items()
    }


def believed(point: Parameters, pool: Pool, gains: Vector) -> Vector:
    """Give the latent relevance of every hit: what was read with one bias a query, the rest as it was expected."""
    relevance = pool.expected.copy()
    if not len(gains):
        return relevance
    expected, weight = pool.expected[: len(gains)], point.prior_weight
    scores = 1 / (1 + np.exp((point.offset - gains) / point.width))
    pull = weight / (1 + weight)
    bias = pull * (scores - expected).sum() / (len(gains) * pull + DEFAULT_CALIBRATION.bias_weight)
    relevance[: len(gains)] = (scores - bias + weight * expected) / (1 + weight)
    return relevance


def _means(ranking: Callable[[Pool], Vector], pools: Mapping[str, Sequence[Pool]]) -> dict[str, float]:
    return {name: _mean(_ndcg(ranking(pool), pool) for pool in of) for name, of in pools.items()}


def _ndcg(relevance: Vector, pool: Pool) -> float:
    order = dict.fromkeys(pool.documents[i] for i in np.argsort(-relevance, kind="stable"))
    gain = sum(pool.grades.get(document, 0) / math.log2(i + 2) for i, document in enumerate(list(order)[:10]))
    ideal = sorted(pool.grades.values(), reverse=True)[:10]
    return gain / sum(grade / math.log2(i + 2) for i, grade in enumerate(ideal))


def _point(point: Parameters) -> dict[str, float]:
    return {"offset": point.offset, "width": point.width, "prior_weight": point.prior_weight}


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return round(sum(found) / len(found), 4)


if __name__ == "__main__":
    main()
