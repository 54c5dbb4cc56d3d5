"""Whether slates should compete by gain a token:  python benchmarks/gains.py [scifact …] [--worlds 50] [--json]

The walk takes the slate that promises most; here it takes the one that promises most *a token*: the relevance expected
of all its candidates together, over what they cost. Nothing else differs. First in simulated worlds, with both walks
and several prices of a passage beside a description; then on collections, whose kept readings are replayed and where
the model reads what a changed walk reads beyond them (kept in .bench/NAME/gains.jsonl).

The prices are those of judges that read descriptions. Where nodes are judged by scent, at a token each, nearly all of
them would come before the first passage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from bench import JUDGEMENTS, QUERIES, SEED, WORK, bf16_copy, unpacked

from lattice.evaluate.collection import load
from lattice.evaluate.intervals import paired
from lattice.evaluate.methods import METHODS, Answer, Bench, Method, searched, tree_of
from lattice.evaluate.session import Plan, run
from lattice.evaluate.simulate import ArithmeticTree, Regime, SimulatedJudge, World
from lattice.evaluate.simulate import found as found_in
from lattice.evaluate.trials import difference
from lattice.traversal.belief import Belief
from lattice.traversal.evidence import CALIBRATION, DEFAULT_MODEL, Evidence, search_by_evidence
from lattice.traversal.prior import Prior
from lattice.traversal.search import (
    DEFAULT_CALIBRATION,
    Costs,
    SearchSettings,
    competing_openings,
    explore,
    is_settled,
    search,
)
from lattice.traversal.steps import Opening, Step
from lattice.types import Candidate, Judge, Judgement, Slate, Tree, Usage

COLLECTIONS = ("scifact", "tldr-nl2bash")
LEAVES = 10_000
FIRST = 1000  # seed of the first world, as in simulate.py
STRENGTH = 1.0  # d' of the prior
RATIOS = (0.8, 1.25)  # price of a passage over that of a description: less and more by about a fifth
DESCRIPTION = 20  # tokens: a unit that the ratios divide
BUDGETS = (1000, 2000, 4000, 8000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=COLLECTIONS)
    parser.add_argument("--worlds", type=int, default=50, help="0: no simulation")
    parser.add_argument("--queries", type=int, default=QUERIES, help="0: no collection")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, Any] = {"simulated": simulated(options.worlds) if options.worlds else []}
    found["measured"] = [measured(name, options.queries) for name in options.collections if options.queries]
    print(json.dumps(found, indent=1) if options.json else "\n".join(lines(found)))


def by_gain(
    openings: list[Opening], gain: Callable[[Opening], float], price: Callable[[Opening], int]
) -> list[Opening]:
    """Order openings by their gain a token, the largest first."""
    return sorted(openings, key=lambda one: (-gain(one) / max(1, price(one)), one.origin or 0))


def search_by_gain(
    query: str, tree: Tree, judge: Judge, prior: Prior, settings: SearchSettings, costs: Costs
) -> Iterator[Step]:
    """The default walk of judges whose scores do not depend on the slate, ordered by gain a token."""
    weighed = settings.calibration or DEFAULT_CALIBRATION
    belief = Belief(tree, prior, weighed, settings.alpha, settings.context, slate_dependent=judge.slate_dependent)

    def ordered() -> list[Opening]:
        return by_gain(
            competing_openings(belief, settings),
            lambda one: one.promise * len(one.nodes),
            lambda one: sum(costs(query, tree.candidates(one.nodes))),
        )

    yield from explore(
        query,
        tree,
        judge,
        belief,
        ordered,
        settings,
        costs,
        lambda openings, ranking: is_settled(belief, openings, ranking, settings),
    )


def evidence_by_gain(
    query: str, tree: Tree, judge: Judge, prior: Prior, settings: SearchSettings, costs: Costs
) -> Iterator[Step]:
    """The walk of judges whose scores do, ordered by gain a token; its promises are totals, and anchors cost too."""
    belief = Evidence(tree, prior, settings.calibration or CALIBRATION, DEFAULT_MODEL)

    def price(one: Opening) -> int:
        anchors = belief.anchors(one.origin, one.nodes, settings.anchors)
        return sum(costs(query, tree.candidates(one.nodes + anchors)))

    def ordered() -> list[Opening]:
        return by_gain(belief.openings(settings.seed_slate, settings.beam), lambda one: one.promise, price)

    yield from explore(query, tree, judge, belief, ordered, settings, costs)


@dataclass(slots=True)
class PricedJudge:
    """A simulated judge at a price a candidate: `ratio` is that of a leaf over a node's."""

    judge: SimulatedJudge
    ratio: float
    slate_dependent: bool

    def score(self, query: str, slate: Slate) -> Judgement:
        """Read the slate."""
        judgement = self.judge.score(query, slate)
        return replace(judgement, usage=Usage(evaluated=sum(self.costs(query, slate.candidates)), calls=1))

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Price every candidate."""
        del query
        return [round(DESCRIPTION * (self.ratio if one.is_leaf else 1.0)) for one in candidates]


def simulated(worlds: int) -> list[dict[str, Any]]:
    """Compare both orders in the same worlds: recall (as in simulate.py) after so many tokens."""
    rows = []
    tree = ArithmeticTree(LEAVES)
    for walk, (promised, gained, regime) in WALKS.items():
        here = [World(tree, regime, seed) for seed in range(FIRST, FIRST + worlds)]
        for ratio in RATIOS:
            pairs = [[_recalls(search, world, ratio, walk) for world in here] for search in (promised, gained)]
            rows.append({"walk": walk, "ratio": ratio, "recall": {b: _beside(pairs, b) for b in BUDGETS}})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def _recalls(search: Any, world: World, ratio: float, walk: str) -> dict[int, float]:  # noqa: ANN401 - a walk
    judge = PricedJudge(SimulatedJudge(world), ratio, slate_dependent=walk == "evidence")
    settings = SearchSettings(budget_tokens=max(BUDGETS), margin=None)
    recalls = dict.fromkeys(BUDGETS, 0.0)
    for step in search("", world.tree, judge, world.prior(STRENGTH), settings, judge.costs):
        share = found_in([one.node for one in step.ranking[: 10 * len(world.relevant)]], world) / len(world.relevant)
        recalls |= {budget: share for budget in BUDGETS if step.usage.evaluated <= budget}
    return recalls


def _beside(pairs: Sequence[Sequence[dict[int, float]]], budget: int) -> dict[str, float]:
    promised, gained = ([one[budget] for one in some] for some in pairs)
    gap = difference(gained, promised)
    values = {"promise": fmean(promised), "gain": fmean(gained), "difference": gap.mean, "error": gap.error}
    return {name: round(value, 4) for name, value in values.items()}


WALKS = {
    "likelihood": (search, search_by_gain, Regime(bias=0.0, position=0.0)),
    "evidence": (search_by_evidence, evidence_by_gain, Regime()),
}


def measured(name: str, queries: int) -> dict[str, Any]:
    """Compare both orders on a collection with the likelihood judge and the default budget."""
    sample = load(unpacked(name)).sample(queries, SEED)
    METHODS["gain"] = Method(_by_gain, reads=True)
    plan = Plan(
        methods=["lattice", "gain"],
        baseline="lattice",
        settings=SearchSettings(),
        model=bf16_copy(),
        work=WORK / name,
        judgements=WORK / name / "gains.jsonl",
        replayed=[file for file in (JUDGEMENTS / f"{name}.jsonl",) if file.exists()],
    )
    outcome = run(sample, plan)
    before, after = outcome.results
    gap = paired(after.values("nDCG@10"), before.values("nDCG@10"))
    row = {
        "collection": name,
        "queries": len(before.queries),
        "ndcg": [round(fmean(one.values("nDCG@10").values()), 4) for one in (before, after)],
        "tokens": [round(fmean(q.usage.evaluated for q in one.queries.values()), 1) for one in (before, after)],
        "difference": [round(gap.difference, 4), round(gap.interval.low, 4), round(gap.interval.high, 4)],
        "counts": [gap.wins, gap.ties, gap.losses],
        "read": outcome.read,
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _by_gain(bench: Bench) -> Answer:
    return lambda query: searched(bench, query, tree_of(bench, query), bench.judge(), bench.settings, search_by_gain)


def lines(found: dict[str, Any]) -> list[str]:
    """Give the figures for a person."""
    rows = []
    for one in found["simulated"]:
        gaps = (f"{b}: {at['difference']:+.3f}±{at['error']:.3f}" for b, at in one["recall"].items())
        rows.append(f"{one['walk']:10} passage/description {one['ratio']:<4} gain − promise {'  '.join(gaps)}")
    for one in found["measured"]:
        (before, after), (tokens, now) = one["ndcg"], one["tokens"]
        low, high = one["difference"][1:]
        rows.append(
            f"{one['collection']:14} nDCG@10 {before:.3f} → {after:.3f} [{low:+.3f}, {high:+.3f}], "
            f"tokens {tokens:.0f} → {now:.0f}"
        )
    return rows


if __name__ == "__main__":
    main()
