"""Write the committed records into the docs:  python benchmarks/report.py [--check]

Every block `<!-- NAME -->` … `<!-- /NAME -->` of README.md, docs/benchmarks.md and docs/guide.md is replaced by its
table, and docs/plots/ by the curves. `--check` writes nothing and fails where a page is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import model_tables
import search_tables
import tree_tables
from bench import RESULTS, TUNING

from lattice.evaluate import tables
from lattice.evaluate.evaluation import CURVE_MEASURES
from lattice.evaluate.intervals import Paired, paired
from lattice.evaluate.losses import CAUSES
from lattice.evaluate.tables import Table, interval, markdown, number, p_value, signed

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "guide.md")
PLOTS = ROOT / "docs" / "plots"
PAIRS = (("prior", "bm25"), ("lattice", "bm25"), ("lattice", "prior"), ("lattice", "rerank"), ("oracle", "lattice"))
_BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)

Record = Mapping[str, Any]


def main() -> int:
    """Bring the pages and plots up to date, or say which are not."""
    check = "--check" in sys.argv
    records = [json.loads((RESULTS / f"{name}.json").read_text()) for name in TUNING]
    stale = [page for page in PAGES if _fill(page, records, write=not check)]
    for page in stale:
        print(f"{page.name} {'is out of date: python benchmarks/report.py' if check else 'was brought up to date'}")
    if not check:
        _plot(records)
    return int(bool(stale) and check)


def _fill(page: Path, records: list[Record], *, write: bool) -> bool:
    before = page.read_text()
    after = _BLOCK.sub(lambda found: found[1] + BLOCKS[found[2]](records) + found[3], before)
    if after != before and write:
        page.write_text(after)
    return after != before


def glance(records: list[Record]) -> str:
    """Show nDCG@10 of every method on every collection, and what lattice reads for it."""
    methods = [one["method"] for one in records[0]["methods"]]
    rows = [
        (
            record["collection"]["name"],
            str(record["collection"]["queries"]),
            *(number(_method(record, name)["nDCG@10"]) for name in methods),
            f"{_method(record, 'lattice')['evaluated']:,.0f}",
        )
        for record in records
    ]
    return _block(Table(("nDCG@10", "queries", *methods, "tokens"), tuple(rows)))


def quality(records: list[Record]) -> str:
    """Show every measure of every method with its interval, what a query costs, and the command that measures it."""
    parts = []
    for record in records:
        collection = record["collection"]
        of = f"{collection['queries']} of {collection['of']} queries, {collection['documents']:,} documents"
        source = f"`python benchmarks/bench.py {collection['name']}`, at {_state(record)}"
        parts += [f"**{collection['name']}** ({of}): {source}", ""]
        parts += [*markdown(_quality_and_costs(record)), ""]
    return "\n".join(parts)


def _quality_and_costs(record: Record) -> Table:
    shown, spent = tables.quality(record), tables.costs(record)
    columns = (*shown.columns, "tokens", "calls", "seconds (p95)")
    rows = [
        (*first, second[1], second[4], f"{second[5]} ({second[6]})")
        for first, second in zip(shown.rows, spent.rows, strict=True)
    ]
    return Table(columns, tuple(rows))


def differences(records: list[Record]) -> str:
    """Show the paired differences of nDCG@10 that matter."""
    rows = []
    for record in records:
        for name, baseline in PAIRS:
            found = paired(_values(record, name), _values(record, baseline))
            shown = f"{signed(found.difference)} {interval(_bounds(found), signed)}"
            counts = f"{found.wins}/{found.ties}/{found.losses}"
            rows.append((record["collection"]["name"], f"{name} − {baseline}", shown, counts, p_value(found.p_value)))
    return _block(Table(("collection", "difference", "nDCG@10 [95%]", "better/same/worse", "p"), tuple(rows)))


def losses(records: list[Record]) -> str:
    """Show by cause where lattice loses nDCG@10, in documents and queries too."""
    causes = [cause for cause in CAUSES if any(cause in _losses(record) for record in records)]
    rows = [
        (record["collection"]["name"], *(_loss(_losses(record).get(cause)) for cause in causes)) for record in records
    ]
    return _block(Table(("nDCG@10 lost (documents)", *causes), tuple(rows)))


def causes(records: list[Record]) -> str:
    """Say what the causes mean."""
    del records
    return "".join(f"- **{cause}**: {meaning}\n" for cause, meaning in CAUSES.items())


def _of_its_own(show: Callable[[], str]) -> Callable[[list[Record]], str]:
    """Make a block of a table that has a record of its own."""
    return lambda _: show()


BLOCKS: dict[str, Callable[[list[Record]], str]] = {
    "glance": glance,
    "quality": quality,
    "differences": differences,
    "losses": losses,
    "causes": causes,
    **{
        name: _of_its_own(show)
        for room in (model_tables, search_tables, tree_tables)
        for name, show in room.BLOCKS.items()
    },
}


def _block(table: Table) -> str:
    return "\n".join(markdown(table)) + "\n"


def _method(record: Record, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(one for one in record["methods"] if one["method"] == name)
    return found


def _values(record: Record, name: str) -> dict[str, float]:
    return {query: one["nDCG@10"] for query, one in _method(record, name)["queries"].items()}


def _losses(record: Record) -> dict[str, Mapping[str, Any]]:
    return {one["cause"]: one for one in _method(record, "lattice")["losses"]}


def _loss(cause: Mapping[str, Any] | None) -> str:
    return "-" if cause is None else f"{number(cause['loss'])} ({cause['documents']})"


def _bounds(found: Paired) -> tuple[float, float]:
    return found.interval.low, found.interval.high


def _state(record: Record) -> str:
    source = record["lattice"]
    return f"`{source['commit'][:12]}`" + (", with uncommitted changes" if source["changed"] else "")


def _plot(records: list[Record]) -> None:
    from lattice.evaluate.plots import curve_panels

    PLOTS.mkdir(exist_ok=True)
    for measure in CURVE_MEASURES:
        panels = {record["collection"]["name"]: _panel(record, measure) for record in records}
        curve_panels(PLOTS / f"{measure.replace('@', '-')}.svg", panels, measure)


def _panel(record: Record, measure: str) -> tuple[dict[str, list[tuple[float, float]]], dict[str, float]]:
    lines = {
        one["method"]: [(point["evaluated"], point[measure]) for point in one["curve"]]
        for one in record["methods"]
        if "curve" in one
    }
    return lines, {one["method"]: one[measure] for one in record["methods"] if "curve" not in one}


if __name__ == "__main__":
    sys.exit(main())
