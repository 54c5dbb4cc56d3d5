"""How far α lets a walk go astray:  python benchmarks/walks.py [scifact …] [--queries 70] [--json] [--save]

Walks from the root down, without a prior, at 10,000 tokens: inner nodes are judged by their real scents, leaves by a
scripted judge at real prices, whose readings are drawn around one value for relevant passages and another for the rest.
So what is left to compare is the path: for every α, the mean share of the relevant documents of which a passage was
read. The queries are other ones than benchmarks/builder.py measures, where there are enough.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from bench import RESULTS, WORK, bf16_copy, unpacked
from tqdm import tqdm

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.losses import documents_of
from lattice.evaluate.methods import Bench, PricedJudge, tree_of, truth_of
from lattice.evaluate.recorded import RecordedReader
from lattice.evaluate.summary import source_state
from lattice.lattice import Lattice
from lattice.models.llama.engine import LlamaEngine
from lattice.models.registry import sha256_of
from lattice.traversal.judges.likelihood import LEAF_SCALE, LikelihoodJudge
from lattice.traversal.prior import Prior
from lattice.traversal.search import SearchSettings, search
from lattice.types import Candidate, Judgement, Slate, Usage

COLLECTIONS = ("scifact", "birco-doris-mae-dev", "tldr-nl2bash", "pony-docs-rebuilt")
ALPHAS = (0.0, 0.1, 0.25, 0.5, 0.75)
WALK = SearchSettings(budget_tokens=10_000, margin=None)
SEED = 99
# Nats: about what SmolLM2 reads of relevant passages of scifact and of others (benchmarks/fit_scales.py).
RELEVANT, OTHER, SPREAD = 1.8, 0.8, 0.5


@dataclass(slots=True)
class HalfScripted:
    """Judges nodes as the real judge does, and leaves by the script: `relevant` ones mostly score higher."""

    real: LikelihoodJudge
    relevant: frozenset[int]
    slate_dependent: bool = False
    _is_asked: bool = False

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate; the same query and leaf always get the same."""
        usage = Usage(evaluated=sum(self.costs(query, slate.candidates)), calls=1)
        self._is_asked = True
        scores = [self._drawn(query, one.node) for one in slate.candidates]
        nodes = tuple(one for one in slate.candidates if not one.is_leaf)
        if nodes:
            told = dict(zip(nodes, self.real.score(query, Slate(slate.origin, nodes)).scores, strict=True))
            scores = [told.get(one, score) for one, score in zip(slate.candidates, scores, strict=True)]
        return Judgement(tuple(scores), usage)

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give what the real judge would evaluate."""
        return (self.real.prices if self._is_asked else self.real.costs)(query, candidates)

    def _drawn(self, query: str, leaf: int) -> float:
        seed = int.from_bytes(hashlib.blake2b(f"{query} {leaf}".encode(), digest_size=8).digest(), "big")
        gain = np.random.default_rng(seed).normal(RELEVANT if leaf in self.relevant else OTHER, SPREAD)
        return LEAF_SCALE.score(float(gain))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=COLLECTIONS)
    parser.add_argument("--queries", type=int, default=70)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/walks.json")
    options = parser.parse_args()
    rows = [measured(load(unpacked(name)).sample(options.queries, SEED)) for name in options.collections]
    record = {"lattice": source_state(), "rows": rows}
    if options.save:
        (RESULTS / "walks.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1) if options.json else table(rows))


def measured(collection: Collection) -> dict[str, Any]:
    """Walk for every query of a collection, once for each α."""
    with _opened(collection) as (bench, reader):
        shares: dict[float, list[float]] = {alpha: [] for alpha in ALPHAS}
        for query in tqdm(collection.queries, desc=collection.name, disable=None):
            for alpha in ALPHAS:
                judge = LikelihoodJudge(reader, bench.lattice.store.rarities)
                shares[alpha].append(_share_read(bench, query, judge, alpha))
    found = {str(alpha): round(sum(of) / len(of), 4) for alpha, of in shares.items()}
    return {"collection": collection.name, "queries": len(collection.queries), "read": found}


@contextmanager
def _opened(collection: Collection) -> Iterator[tuple[Bench, RecordedReader]]:
    model = bf16_copy()
    record = RecordedReader(WORK / collection.name / "walks.jsonl", sha256_of(model), lambda: LlamaEngine(model))
    index = index_of(collection, WORK / collection.name)
    with record as reader, Lattice.open(index, model=None) as lattice, lattice.store.reading():
        yield Bench(collection, lattice, _nobody, WALK), reader


def _nobody() -> PricedJudge:
    raise AssertionError("every walk has a judge of its own")


def _share_read(bench: Bench, query: str, judge: LikelihoodJudge, alpha: float) -> float:
    store, text = bench.lattice.store, bench.collection.queries[query]
    wanted = {name for name, grade in bench.collection.qrels[query].items() if grade > 0}
    scripted = HalfScripted(judge, frozenset(truth_of(bench, query)))
    how = replace(WALK, alpha=alpha)
    *_, last = search(text, tree_of(bench, query), scripted, Prior(), how, scripted.costs)
    read = documents_of(store, [one.node for one in last.ranking if one.judged])
    return len(wanted & set(read.values())) / len(wanted)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Show a row a collection, a column an α."""
    head = f"{'collection':22}" + "".join(f"{'α ' + str(alpha):>8}" for alpha in ALPHAS)
    lines = [f"{row['collection']:22}" + "".join(f"{row['read'][str(alpha)]:8.3f}" for alpha in ALPHAS) for row in rows]
    return "\n".join([head, *lines])


if __name__ == "__main__":
    main()
