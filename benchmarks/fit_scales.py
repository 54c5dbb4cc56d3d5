"""Fit what a judge's readings are worth:  python benchmarks/fit_scales.py [--judge likelihood] [--queries 12] [--save]

σ((x − offset) / width) is fitted by maximum likelihood, for leaves and for inner nodes apart, to what a search shows a
judge: of some queries of each tuning collection the prior's best passages (relevant or not), and the slates on the way
from the root to a relevant passage (which children have one below them?). x is a reading, or the scent by which the
likelihood judge knows a node, less the mean of its query's, for a search gives every query a bias of its own. Every
collection weighs the same; log-losses are of the fit on the others (leave one out). What is above chance is told by the
area under the ROC curve, also within queries.

A leaf's scale in the code is the one that ranks best together with the prior (fit_likelihood.py). A node gets the score
that a leaf of the same fitted probability has, so that both compare where they compete for the next call: "as a leaf".
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from lattice.models.registry import sha256_of
from lattice.traversal.judges.choice import JudgeName, judge_of
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.listwise import ListwiseJudge
from lattice.traversal.judges.pointwise import PointwiseJudge
from lattice.traversal.judges.reading import Scale
from lattice.traversal.judges.scent import Rarities, evenly
from lattice.types import Slate

Vector = npt.NDArray[np.float64]
Measured = LikelihoodJudge | PointwiseJudge | ListwiseJudge
Maker = Callable[[Rarities], Measured]
SIZE = 12  # of a slate
PATHS = 2  # relevant documents of a query whose way from the root is read
NARROWEST = 0.05  # of x; a steeper curve would rest on a handful of readings


@dataclass(frozen=True, slots=True)
class Sample:
    """Readings, each less the mean of its query's, whether it was relevant, and what was taken off on average."""

    gains: Vector
    relevant: Vector
    mean: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=TUNING)
    parser.add_argument("--judge", default="likelihood", choices=("likelihood", "pointwise", "listwise"))
    parser.add_argument("--queries", type=int, default=12)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/scales-JUDGE.json")
    options = parser.parse_args()
    path = options.model or bf16_copy()
    with RecordedReader(WORK / "scales.jsonl", sha256_of(path), lambda: LlamaEngine(path)) as recorded:
        record = measured(_maker(options.judge, recorded, path), path, options)
    if options.save:
        (RESULTS / f"scales-{options.judge}.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


def _maker(name: JudgeName, recorded: RecordedReader, path: Path) -> Maker:
    """Give what makes the judge for a collection: the likelihood judge must know how rare its words are."""
    if name == "likelihood":
        return lambda rarities: LikelihoodJudge(recorded, rarities)
    judge = judge_of(LlamaEngine(path), name)
    assert isinstance(judge, PointwiseJudge | ListwiseJudge)
    return lambda _: judge


def measured(make: Maker, path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Read the slates of every collection and fit the scales."""
    samples = {name: _read(make, name, options.queries, options.seed) for name in options.collections}
    rows = {kind: _fitted(kind, {name: of[kind] for name, of in samples.items()}) for kind in ("leaf", "node")}
    judge = make(evenly)
    scale = judge.leaf_scale if isinstance(judge, LikelihoodJudge) else judge.scale
    rows["node"]["as a leaf"] = _as_a_leaf(rows["leaf"], rows["node"], scale)
    return {"lattice": source_state(), "model": path.name, "judge": options.judge, "queries": options.queries, **rows}


def _read(make: Maker, name: str, queries: int, seed: int) -> dict[str, Sample]:
    collection = load(unpacked(name)).sample(queries, seed)
    found: dict[str, list[tuple[int, float, bool]]] = {"leaf": [], "node": []}
    with Lattice.open(index_of(collection, WORK / name), model=None) as lattice, lattice.store.reading():
        judge = make(lattice.store.rarities)
        for number, query in enumerate(tqdm(collection.queries, desc=name, disable=None)):
            relevant = _relevant(lattice, collection, query)
            for slate in _slates(lattice, collection, query):
                kind = "leaf" if slate.candidates[0].is_leaf else "node"
                gains = _gains(judge, collection.queries[query], slate)
                verdicts = (one.node in relevant for one in slate.candidates)
                found[kind] += [(number, gain, is_so) for gain, is_so in zip(gains, verdicts, strict=True)]
    return {kind: _centred(of) for kind, of in found.items()}


def _centred(read: Sequence[tuple[int, float, bool]]) -> Sample:
    numbers, gains, relevant = (np.array(column, dtype=np.float64) for column in zip(*read, strict=True))
    means = {number: float(gains[numbers == number].mean()) for number in np.unique(numbers)}
    taken_off = np.array([means[number] for number in numbers])
    return Sample(gains - taken_off, relevant, float(np.mean(list(means.values()))))


def _gains(judge: Measured, query: str, slate: Slate) -> Sequence[float]:
    if isinstance(judge, ListwiseJudge):
        return judge.gains(query, slate.candidates)[0]
    return judge.gains(query, slate)[0]


def _relevant(lattice: Lattice, collection: Collection, query: str) -> set[int]:
    """Give every node at or above a relevant passage."""
    store, found = lattice.store, set[int]()
    for name in (name for name, grade in collection.qrels[query].items() if grade > 0):
        for leaf in store.leaves(store.passages_of(name)).values():
            found |= {leaf.id, *(node.id for node in store.ancestors(leaf.id))}
    return found


def _slates(lattice: Lattice, collection: Collection, query: str) -> Iterator[Slate]:
    store = lattice.store
    best = tuple(hit.leaf for hit in lattice.prior(collection.queries[query]).hits[:SIZE])
    if best:
        yield Slate(None, store.candidates(best))
    opened: set[int] = set()
    names = sorted(name for name, grade in collection.qrels[query].items() if grade > 0)[:PATHS]
    for name in names:
        for leaf in list(store.leaves(store.passages_of(name)).values())[:1]:
            for node in store.ancestors(leaf.id):
                inner = tuple(child.id for child in store.children(node.id) if not child.is_leaf)
                if node.id not in opened and len(inner) > 1:
                    opened.add(node.id)
                    yield Slate(node.id, store.candidates(inner))


def _fitted(kind: str, samples: dict[str, Sample]) -> dict[str, Any]:
    every = _fit(list(samples.values()))
    others = {name: _fit([of for other, of in samples.items() if other != name]) for name in samples}
    return {
        "kind": kind,
        "readings": {name: len(of.gains) for name, of in samples.items()},
        "relevant": {name: round(float(of.relevant.mean()), 3) for name, of in samples.items()},
        "mean": round(float(np.mean([of.mean for of in samples.values()])), 3),
        "offset": round(every.offset, 3),
        "width": round(every.width, 3),
        "area": {name: round(_area(of), 3) for name, of in samples.items()},
        "log-loss": {name: round(_loss([of], others[name]), 3) for name, of in samples.items()},
        "log-loss of the base rate": {name: round(_entropy(of), 3) for name, of in samples.items()},
    }


def _fit(samples: Sequence[Sample]) -> Scale:
    """Newton's method on the two parameters of a logistic curve, every sample weighing the same."""
    x = np.concatenate([of.gains for of in samples])
    y = np.concatenate([of.relevant for of in samples])
    weights = np.concatenate([np.full(len(of.gains), 1.0 / len(of.gains)) for of in samples])
    design = np.stack([np.ones_like(x), x], axis=1)
    beta = np.zeros(2)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(design @ beta, -30, 30)))
        gradient = design.T @ (weights * (y - p))
        curvature = (design * (weights * p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        beta += np.clip(np.linalg.solve(curvature, gradient), -1.0, 1.0)
    slope = min(max(beta[1], 1e-3), 1.0 / NARROWEST)
    return Scale(offset=float(-beta[0] / slope), width=float(1.0 / slope))


def _loss(samples: Sequence[Sample], scale: Scale) -> float:
    losses = []
    for of in samples:
        p = np.array([scale.score(float(gain)) for gain in of.gains])
        losses.append(-np.mean(of.relevant * np.log(p) + (1 - of.relevant) * np.log(1 - p)))
    return float(np.mean(losses))


def _entropy(sample: Sample) -> float:
    p = min(max(float(sample.relevant.mean()), 1e-6), 1 - 1e-6)
    return float(-p * np.log(p) - (1 - p) * np.log(1 - p))


def _area(sample: Sample) -> float:
    """Give the chance that a relevant one has a higher reading than another (ties count half)."""
    ups, downs = sample.gains[sample.relevant > 0], sample.gains[sample.relevant == 0]
    if not len(ups) or not len(downs):
        return float("nan")
    return float(((ups[:, None] > downs).mean() + (ups[:, None] >= downs).mean()) / 2)


def _as_a_leaf(leaf: dict[str, Any], node: dict[str, Any], scale: Scale) -> dict[str, float]:
    """Give the scale by which a node gets the score that `scale` gives to a leaf of the same fitted probability."""
    ratio = node["width"] / leaf["width"]
    offset = node["mean"] + node["offset"] - (leaf["mean"] + leaf["offset"] - scale.offset) * ratio
    return {"offset": round(offset, 3), "width": round(scale.width * ratio, 3)}


if __name__ == "__main__":
    main()
