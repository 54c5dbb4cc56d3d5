"""The search of strong models, in simulation:  python benchmarks/simulate.py [--json] [--save] [--leaves 1000,10000]

Searches as published and ours in worlds of arithmetic (`lattice/evaluate/simulate.py`), paired world by world; the
judge is scripted and its faults are known. A judged slate is the unit of cost. Printed are the slates until 90% of the
relevant leaves are among the first 10 × relevant, the recall after so many slates, the same for priors of several
strengths d' with paired standard errors, ablations, the growth with the number of leaves, and what our own code costs.
A search that has not found 90% after 100 slates counts as 100. `--save` keeps all of it for the docs.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lattice.evaluate.simulate import ArithmeticTree, Regime, SimulatedJudge, World
from lattice.evaluate.summary import source_state
from lattice.evaluate.trials import Growth, Trial, Walk, difference, logarithmic, power, walked
from lattice.traversal.calibration import Calibration, Observation, fit
from lattice.traversal.evidence import CALIBRATION, DEFAULT_MODEL, Model, search_by_evidence
from lattice.traversal.paper import PaperSettings, search_as_published
from lattice.traversal.prior import Prior
from lattice.traversal.refit import Refit
from lattice.traversal.search import SearchSettings
from lattice.traversal.steps import Step
from lattice.types import Judge

RECORD = Path(__file__).parent / "results" / "simulate.json"
BUDGETS = (5, 10, 20, 40)
AT_MOST = 100  # slates
STRENGTH = 1.0  # d' of the prior, where not said otherwise
ABLATED = 10_000  # leaves
LARGE = 1_000_000
OURS = SearchSettings(budget_tokens=None, margin=None)
FIRST = 1000  # seed of the first world: what was chosen, was chosen in others
REGIMES = {
    "as elsewhere": Regime(),
    "half the noise and bias": Regime(noise=0.06, bias=0.07),
    "more noise and bias": Regime(noise=0.18, bias=0.22),
    "bias alone": Regime(noise=0.03, bias=0.25, position=0.0),
    "noise alone": Regime(noise=0.15, bias=0.0, position=0.0),
    "poor descriptions": Regime(fade=0.1, blur=0.08),
    "three relevant": Regime(relevant=3),
    "scattered": Regime(together=0.3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", default="1000,10000,100000", help="sizes of the trees")
    parser.add_argument("--worlds", type=int, default=50, help="queries of each size")
    parser.add_argument("--strengths", default="0,0.5,1,2", help="d' of the priors")
    parser.add_argument("--quick", action="store_true", help="without ablations and the tree of a million leaves")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--save", action="store_true", help=f"write {RECORD.name} beside the other records")
    options = parser.parse_args()
    sizes = [int(one) for one in options.leaves.split(",")]
    strengths = [float(one) for one in options.strengths.split(",")]
    found = measured(sizes, strengths, options.worlds, quick=options.quick)
    if options.save:
        RECORD.write_text(json.dumps(found, indent=1) + "\n")
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(lines(found)))


def paper() -> Walk:
    """The search as published, going on after its 20 rounds until enough is found."""

    def walk(world: World, judge: Judge) -> Iterator[Step]:
        return search_as_published("", world.tree, judge, PaperSettings(iterations=None))

    return walk


def ours(strength: float | None, settings: SearchSettings = OURS, model: Model = DEFAULT_MODEL) -> Walk:
    """Our search with a prior of that strength d'; None for no prior."""

    def walk(world: World, judge: Judge) -> Iterator[Step]:
        prior = Prior() if strength is None else world.prior(strength)
        return search_by_evidence("", world.tree, judge, prior, settings, model=model)

    return walk


ABLATIONS = {
    "no anchors": ours(STRENGTH, replace(OURS, anchors=0)),
    "no calibration": ours(STRENGTH, replace(OURS, calibration=replace(CALIBRATION, bias_weight=math.inf))),
    "no path": ours(STRENGTH, model=replace(DEFAULT_MODEL, path=0.0)),
    "no prior": ours(None),
    "no lift": ours(STRENGTH, model=replace(DEFAULT_MODEL, lift=0.0)),
    "no doubt": ours(STRENGTH, model=replace(DEFAULT_MODEL, blind=0.0)),
}


def measured(sizes: Sequence[int], strengths: Sequence[float], worlds: int, *, quick: bool) -> dict[str, Any]:
    """Run everything; give what `--json` prints."""
    published, by_strength = dict[int, list[Trial]](), dict[tuple[float, int], list[Trial]]()
    for size in sizes:
        here = [World(ArithmeticTree(size), Regime(), seed) for seed in range(FIRST, FIRST + worlds)]
        published[size] = trials(f"paper, {size:,} leaves", paper(), here)
        for strength in {*strengths, STRENGTH}:
            name = f"ours, d' {strength:g}, {size:,} leaves"
            by_strength[strength, size] = trials(name, ours(strength), here)
    pair = {"paper": published, "ours": {size: by_strength[STRENGTH, size] for size in sizes}}
    found: dict[str, Any] = {
        "slates_to_90": {name: {str(n): slates(some) for n, some in by.items()} for name, by in pair.items()},
        "recall": {name: {str(n): recall(some) for n, some in by.items()} for name, by in pair.items()},
        "strengths": {
            f"{strength:g}": {str(n): compared(by_strength[strength, n], published[n]) for n in sizes}
            for strength in strengths
        },
        "growth": {name: growth(sizes, [slates(by[n]) for n in sizes]) for name, by in pair.items()},
        "refit_ms": refit_ms(),
    }
    found["settled"] = {str(size): settled(size, worlds) for size in sizes}
    if not quick:
        found |= {"ablations": ablations(worlds), "regimes": regimes(worlds), "loop": loop()}
    origin = {"worlds": worlds, "at_most": AT_MOST, "strength": STRENGTH, "regime": asdict(Regime())}
    return found | {"origin": origin | {"model": asdict(DEFAULT_MODEL), "commit": source_state()["commit"]}}


def trials(name: str, walk: Walk, worlds: Sequence[World]) -> list[Trial]:
    shown = tqdm(worlds, desc=name, leave=False, disable=not sys.stderr.isatty())
    return [walked(walk, world, max(BUDGETS), AT_MOST) for world in shown]


def settled(size: int, worlds: int) -> dict[str, float]:
    """Tell after how many slates a search is settled, and what nDCG@10 it then lacks of what AT_MOST slates find."""
    stops, lost = list[float](), list[float]()
    for seed in range(FIRST, FIRST + worlds):
        world = World(ArithmeticTree(size), Regime(), seed)
        walk = ours(STRENGTH, replace(OURS, iterations=AT_MOST))
        values = [ndcg([one.node for one in step.ranking[:10]], world) for step in walk(world, SimulatedJudge(world))]
        walk = ours(STRENGTH, replace(OURS, iterations=AT_MOST, margin=SearchSettings().margin))
        *_, last = walk(world, SimulatedJudge(world))
        stops.append(last.iteration)
        lost.append(values[-1] - values[last.iteration])
    regret = difference(lost, [0.0] * len(lost))
    found = {"slates": statistics.fmean(stops), "of": AT_MOST, "regret": regret.mean, "error": regret.error}
    return {name: round(one, 4) for name, one in found.items()}


def ndcg(first: Sequence[int], world: World) -> float:
    """Give nDCG@10 of the first ten leaves, all relevant ones being worth the same."""
    gains = [1.0 / math.log2(place + 2) for place in range(10)]
    relevant = set(world.relevant)
    gained = sum(gain for node, gain in zip(first, gains, strict=False) if node in relevant)
    return gained / sum(gains[: len(relevant)])


def slates(some: Sequence[Trial]) -> float:
    return round(statistics.fmean(capped(some)), 2)


def capped(some: Sequence[Trial]) -> list[float]:
    return [AT_MOST if one.enough is None else one.enough for one in some]


def recall(some: Sequence[Trial]) -> dict[str, float]:
    return {str(budget): round(statistics.fmean(one.recall[budget] for one in some), 4) for budget in BUDGETS}


def compared(some: Sequence[Trial], published: Sequence[Trial]) -> dict[str, Any]:
    """Give ours beside the paper's at every budget, and the paired difference with its standard error."""
    rows: dict[str, Any] = {}
    for budget in BUDGETS:
        mine, theirs = ([one.recall[budget] for one in each] for each in (some, published))
        rows[str(budget)] = beside(mine, theirs)
    return {
        "recall": rows,
        "slates_to_90": beside(capped(some), capped(published)),
        "unfinished": {"ours": unfinished(some), "paper": unfinished(published)},
        "candidates": {"ours": candidates(some), "paper": candidates(published)},
    }


def beside(mine: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    gap = difference(mine, theirs)
    values = {"ours": statistics.fmean(mine), "paper": statistics.fmean(theirs)}
    return {name: round(one, 4) for name, one in {**values, "difference": gap.mean, "error": gap.error}.items()}


def unfinished(some: Sequence[Trial]) -> int:
    return sum(one.enough is None for one in some)


def candidates(some: Sequence[Trial]) -> float:
    return round(statistics.fmean(one.candidates for one in some), 1)


def ablations(worlds: int) -> dict[str, Any]:
    """Give our search without each of its parts, as a difference to the whole."""
    here = [World(ArithmeticTree(ABLATED), Regime(), seed) for seed in range(FIRST, FIRST + worlds)]
    whole = trials("ablations: whole", ours(STRENGTH), here)
    rows: dict[str, Any] = {"whole": {"slates_to_90": slates(whole), "recall": recall(whole)}}
    for name, walk in ABLATIONS.items():
        some = trials(f"ablations: {name}", walk, here)
        worse = difference(capped(some), capped(whole))
        lost = difference([one.recall[20] for one in some], [one.recall[20] for one in whole])
        rows[name] = {
            "slates_to_90": slates(some),
            "recall": recall(some),
            "slates_more": [round(worse.mean, 2), round(worse.error, 2)],
            "recall_at_20": [round(lost.mean, 4), round(lost.error, 4)],
        }
    return {"leaves": ABLATED, "rows": rows}


def regimes(worlds: int) -> dict[str, Any]:
    """Give ours beside the paper's, with no other parameters, for judges and corpora of other kinds."""
    rows = {}
    for name, regime in REGIMES.items():
        here = [World(ArithmeticTree(ABLATED), regime, seed) for seed in range(FIRST, FIRST + worlds)]
        rows[name] = compared(trials(f"ours, {name}", ours(STRENGTH), here), trials(f"paper, {name}", paper(), here))
    return {"leaves": ABLATED, "rows": rows}


def growth(sizes: Sequence[int], cost: Sequence[float]) -> dict[str, Any]:
    """Fit both laws; the better one leaves the smaller residuals."""
    if len(sizes) < 3:
        return {}
    laws = {"logarithmic": logarithmic(sizes, cost), "power": power(sizes, cost)}
    better = min(laws, key=lambda name: laws[name].error)
    return {name: law_json(law) for name, law in laws.items()} | {"better": better}


def law_json(law: Growth) -> dict[str, Any]:
    residuals = [round(one, 3) for one in law.residuals]
    return {"a": round(law.a, 4), "b": round(law.b, 4), "error": round(law.error, 3), "residuals": residuals}


def refit_ms() -> dict[str, float]:
    """Time a refit of 80 slates of 24 nodes, half of them anchors: with standard errors, and as the loop does it."""
    rng = np.random.default_rng(0)
    slates_of = [
        [*range(12 * i, 12 * i + 12), *map(int, rng.choice(np.arange(max(12, 12 * i)), 12, replace=False))]
        for i in range(1, 81)
    ]
    calibration = Calibration(prior_weight=1.0, bias_weight=1.0)
    history = [Observation(i, node, float(rng.random())) for i, nodes in enumerate(slates_of) for node in nodes]
    expected = dict.fromkeys(range(12 * 82), 0.05)
    kept = Refit(calibration, 0.05)
    for nodes in slates_of:
        kept.add(nodes, rng.random(24).tolist())
    return {
        "fit": milliseconds(lambda: fit(history, expected, calibration)),
        "loop": milliseconds(lambda: kept.relevance(12 * 82)),
    }


def milliseconds(work: Any) -> float:  # noqa: ANN401 - whatever is called
    taken = []
    for _ in range(40):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return round(1e3 * statistics.median(taken), 2)


def loop() -> dict[str, float]:
    """Time an iteration without the judge, over 40 slates each in a tree of a million leaves."""
    tree = ArithmeticTree(LARGE)
    seconds = []
    for seed in range(6):
        world = World(tree, Regime(), seed)
        world.truth(1)
        seconds.append(walked(begun(world), world, 40, 40).seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"leaves": LARGE, "ms": round(1e3 * statistics.median(seconds), 3), "peak_mb": round(peak)}


def begun(world: World) -> Walk:
    """Our search with a prior that was made before: making it is not a part of the loop."""
    prior = world.prior(STRENGTH)
    return lambda world, judge: search_by_evidence("", world.tree, judge, prior, OURS)


def lines(found: Mapping[str, Any]) -> list[str]:
    """Give the tables for a person."""
    rows = [f"slates to 90%: {found['slates_to_90']}", f"recall: {found['recall']}"]
    for strength, by_size in found["strengths"].items():
        for size, one in by_size.items():
            gaps = (f"@{b} {row['difference']:+.3f}±{row['error']:.3f}" for b, row in one["recall"].items())
            rows.append(f"d' {strength:>3}, {size:>7} leaves: recall ours − paper {', '.join(gaps)}")
    rows += [
        f"{name}: {found[name]}" for name in ("growth", "refit_ms", "ablations", "regimes", "loop") if name in found
    ]
    return rows


if __name__ == "__main__":
    main()
