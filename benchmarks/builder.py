"""Which tree a model finds its way in:  python benchmarks/builder.py [scifact …] [--trees …] [--queries N] [--save]

A tree is named CLUSTERER/STRUCTURE/DESCRIPTIONS; in the place of the clusterer, top-down stands for splits by vectors,
librarian for topics by the collection's own labels (flat, of xquad-en, tldr-nl2bash, pony-docs-rebuilt). Where the
descriptions are llm, the model that navigates writes them; what it has written stays beside the index, so that a build
goes on where it was interrupted and another one asks for nothing: --without-model builds such trees ahead. For each:

- seconds to build it, with all that its descriptions by an LLM have taken, whenever that was; how many descriptions
  were written, how many by rule since the model's could not be used, and the tokens read and written (`cost`);
- depth and balance of the tree, and the share of passages that a walk by words finds again with a sentence of their
  own (greedy, and with the best three nodes kept): `lattice tree --check`;
- ceiling: the share of relevant documents that a judge who knows the answers has seen after 20 and 40 slates, from the
  root down, without a prior: what the tree allows;
- navigation: Recall@100 and nDCG@10 of the model from the root down, without a prior, at 10,000 tokens: what the
  descriptions tell;
- nDCG@10 of the default search: what remains of it where words and vectors lead the way.

Differences are to the first tree that the record names, query by query. Readings are kept in .bench/NAME/builder.jsonl,
so a run goes on where it was interrupted, and trees share what they read of the same passages.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench import QUERIES, RESULTS, SEED, WORK, bf16_copy, unpacked
from librarian import organised
from tqdm import tqdm

from lattice.describing import DescribingModel
from lattice.evaluate.collection import Collection, load
from lattice.evaluate.evaluation import MethodResult
from lattice.evaluate.indexes import indexed
from lattice.evaluate.intervals import Paired, paired
from lattice.evaluate.losses import documents_of
from lattice.evaluate.methods import Bench, PerfectJudge, truth_of
from lattice.evaluate.session import Plan, Progress, run
from lattice.evaluate.summary import source_state
from lattice.lattice import Lattice
from lattice.lint.check import check
from lattice.store.cache import kept_usage
from lattice.traversal.prior import Prior
from lattice.traversal.search import DEFAULT_CALIBRATION, SearchSettings, search
from lattice.types import BuildSettings, Candidate, Judgement, Slate

COLLECTIONS = ("scifact", "birco-doris-mae-dev", "tldr-nl2bash", "pony-docs-rebuilt")
TREES = tuple(
    f"{clusterer}/{structure}/extractive"
    for clusterer in ("agglomerative", "spectral", "kmeans")
    for structure in ("documents", "auto")
)
# In the place of a clusterer: top-down by vectors alone, and by a strong model, which the collection's labels play.
TOP_DOWN, LIBRARIAN = "top-down", "librarian"
SLATES = (20, 40)
NAVIGATION = SearchSettings(budget_tokens=10_000, margin=None)


@dataclass(slots=True)
class FreeJudge:
    """Stands where prices are asked of a judge: everything is free."""

    slate_dependent: bool = False

    def score(self, query: str, slate: Slate) -> Judgement:
        """Refuse: only prices are asked of it."""
        raise NotImplementedError

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give 0 for each."""
        del query
        return [0] * len(candidates)

    prices = costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=COLLECTIONS)
    parser.add_argument("--trees", default=",".join(TREES))
    parser.add_argument("--queries", type=int, default=QUERIES)
    parser.add_argument("--code", default="now", help="what the record calls the code: another version's checkout, say")
    parser.add_argument("--without-model", action="store_true", help="leave out what the model would have to read")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/builder.json")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in options.collections:
        collection = load(unpacked(name)).sample(options.queries, SEED)
        for tree in options.trees.split(","):
            row = {"code": options.code, **measured(collection, tree, reads=not options.without_model)}
            rows.append(row)
            print(line(row, kept() if options.save else rows), file=sys.stderr, flush=True)
            if options.save:
                save(row)
    if options.json:
        print(json.dumps(rows, indent=1))


def measured(collection: Collection, tree: str, *, reads: bool) -> dict[str, Any]:
    """Measure one tree of a collection; `values` holds, by measure, the value of every query."""
    settings = settings_of(tree)
    work = WORK / collection.name / "trees" / tree.replace("/", "-")
    work.mkdir(parents=True, exist_ok=True)
    row: dict[str, Any] = {"collection": collection.name, "tree": tree, "queries": len(collection.queries)}
    index, told = _built(collection, tree, settings, work)
    row |= {**told, "commit": source_state()["commit"]}
    with Lattice.open(index, model=None) as lattice:
        row |= _checked(lattice)
        with lattice.store.reading():
            row["ceiling"] = ceilings(Bench(collection, lattice, FreeJudge, NAVIGATION))
    if not reads:
        return row
    values: dict[str, dict[str, float]] = {}
    for method, settings_there, measures in (
        ("navigation", NAVIGATION, ("Recall@100", "nDCG@10")),
        ("lattice", SearchSettings(), ("nDCG@10",)),
    ):
        result = _run(collection, method, settings_there, settings, index)
        for measure in measures:
            of = result.values(measure)
            values[f"{method} {measure}"] = {query: round(value, 4) for query, value in of.items()}
            row[f"{method} {measure}"] = round(sum(of.values()) / len(of), 4)
    return {**row, "values": values}


def _built(collection: Collection, tree: str, settings: BuildSettings, work: Path) -> tuple[Path, dict[str, Any]]:
    """Build a tree; give its index, and what the row is to tell of the build."""
    started, earlier = time.perf_counter(), 0.0
    told: dict[str, Any] = {}
    if tree.startswith(LIBRARIAN):
        index, organising = organised(collection, work, settings)
        told["organised"] = asdict(organising.organised())
    else:
        with _bar(f"{collection.name} {work.name}") as progress:
            made = indexed(collection, work, progress, rebuild=True, settings=settings, model=_writer(settings))
        for note in made.notes:
            print(note, file=sys.stderr)
        index = made.path
        if made.written is not None:
            cost = kept_usage(index)
            earlier = cost.seconds - made.written.usage.seconds
            told["written"] = {**asdict(made.written), "cost": asdict(cost)}
    return index, {**told, "seconds": round(time.perf_counter() - started + earlier, 1)}


def _writer(settings: BuildSettings) -> DescribingModel | None:
    return the_writer() if settings.descriptions == "llm" else None


def the_writer() -> DescribingModel:
    """Give the model that writes descriptions: the one that navigates."""
    return DescribingModel(bf16_copy())


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    with tqdm(desc=what, disable=None) as bar:

        def progress(*_: object) -> None:
            bar.update()

        yield progress


def settings_of(tree: str) -> BuildSettings:
    """Give what builds the tree of that name."""
    clusterer, structure, descriptions = tree.split("/")
    if clusterer in {TOP_DOWN, LIBRARIAN}:
        return BuildSettings(structure=structure, descriptions=descriptions, strategy="top-down")
    return BuildSettings(clusterer=clusterer, structure=structure, descriptions=descriptions)


def _checked(lattice: Lattice) -> dict[str, Any]:
    report = check(lattice.store)
    depths = report.shape.depths
    leaves = sum(depths.values())
    return {
        "leaves": leaves,
        "inner": report.shape.inner,
        "depth": max(depths),
        "mean_depth": round(sum(depth * count for depth, count in depths.items()) / leaves, 2),
        "balance": None if report.shape.balance is None else round(report.shape.balance, 3),
        "found": round(report.retrieval.found / report.retrieval.asked, 3),
        "kept": round(report.retrieval.kept / report.retrieval.asked, 3),
    }


def ceilings(bench: Bench, slates: Sequence[int] = SLATES) -> dict[str, float]:
    """Give the mean share of relevant documents that a judge who knows has seen after so many slates."""
    shares: dict[int, list[float]] = {count: [] for count in slates}
    how = SearchSettings(
        budget_tokens=None,
        iterations=max(slates),
        margin=None,
        context=0.0,
        calibration=replace(DEFAULT_CALIBRATION, prior_weight=0.01),
    )
    for query, text in bench.collection.queries.items():
        judge = PerfectJudge(truth_of(bench, query), FreeJudge())
        relevant = {name for name, grade in bench.collection.qrels[query].items() if grade > 0}
        seen: dict[int, int] = {}
        for step in search(text, bench.lattice.store, judge, Prior(), how):
            read = [one.node for one in step.ranking if one.judged]
            seen[step.iteration] = len(relevant & set(documents_of(bench.lattice.store, read).values()))
        for count in slates:
            shares[count].append(seen[min(count, max(seen))] / len(relevant))
    return {str(count): round(sum(each) / len(each), 4) for count, each in shares.items()}


def _run(collection: Collection, method: str, how: SearchSettings, build: BuildSettings, index: Path) -> MethodResult:
    work = index.parent
    plan = Plan(
        methods=[method],
        baseline=method,
        settings=how,
        model=bf16_copy(),
        work=work,
        judgements=WORK / collection.name / "builder.jsonl",
        keep_bytes=2 * 2**30,
        build=build,
        judge="likelihood",
        writer=_writer(build),
    )
    with _bar(f"{collection.name} {work.name} {method}") as progress:
        return run(collection, plan, progress).results[0]


def differences(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Paired]:
    """Compare a row with the first of its collection, over the queries of both, by measure; none for that itself."""
    first = next((one for one in rows if one["collection"] == row["collection"] and "values" in one), None)
    if first is None or _key(first) == _key(row) or "values" not in row:
        return {}
    found = {}
    for measure, of in row["values"].items():
        both = of.keys() & first["values"][measure].keys()
        found[measure] = paired({one: of[one] for one in both}, {one: first["values"][measure][one] for one in both})
    return found


def kept() -> list[dict[str, Any]]:
    """Give the rows of the kept record."""
    file = RESULTS / "builder.json"
    return list(json.loads(file.read_text())["rows"]) if file.exists() else []


def save(row: Mapping[str, Any]) -> None:
    """Put the row into the kept record, in place of its like."""
    rows = kept()
    places = [place for place, one in enumerate(rows) if _key(one) == _key(row)]
    if places:
        rows[places[0]] = dict(row)
    else:
        rows.append(dict(row))
    file = RESULTS / "builder.json"
    file.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["collection"], row["code"], row["tree"]


def line(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Show one tree as a line of text."""
    told = [f"{row['collection']} {row['code']} {row['tree']}: {row['seconds']} s"]
    told += [f"depth {row['mean_depth']} ({row['depth']})"]
    told += [f"balance {row['balance']}", f"found again {row['found']} ({row['kept']} of three)"]
    told += ["ceiling " + ", ".join(f"{value:.3f} at {slates}" for slates, value in row["ceiling"].items())]
    against = differences(row, rows)
    for measure in row.get("values", {}):
        shown = f"{measure} {row[measure]:.3f}"
        if measure in against:
            one = against[measure]
            shown += f" ({one.difference:+.3f} [{one.interval.low:+.3f}, {one.interval.high:+.3f}])"
        told.append(shown)
    return "; ".join(told)


if __name__ == "__main__":
    main()
