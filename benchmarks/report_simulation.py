"""Write the record of the simulation into docs/simulation.md:  python benchmarks/report_simulation.py [--check]

Every block `<!-- NAME -->` … `<!-- /NAME -->` is replaced by its table, and docs/plots/simulation-*.svg by the curves.
`--check` writes nothing and fails where the page is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lattice.evaluate.plots import Line, line_panels
from lattice.evaluate.tables import Table, markdown

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "benchmarks" / "results" / "simulate.json"
PAGE = ROOT / "docs" / "simulation.md"
PLOTS = ROOT / "docs" / "plots"
_BLOCK = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)

Record = Mapping[str, Any]


def main() -> int:
    record = json.loads(RECORD.read_text())
    before = PAGE.read_text()
    after = _BLOCK.sub(lambda found: found[1] + BLOCKS[found[2]](record) + found[3], before)
    if "--check" in sys.argv:
        if after != before:
            print(f"{PAGE.name} is out of date: python benchmarks/report_simulation.py")
        return int(after != before)
    PAGE.write_text(after)
    plot(record)
    return 0


def plot(record: Record) -> None:
    """Draw recall over slates, in the largest tree, and slates over leaves, for every strength of the prior."""
    largest = max(next(iter(record["strengths"].values())), key=int)
    recall = {
        f"d' = {strength}": {name: _points(by_size[largest]["recall"], name) for name in ("ours", "paper")}
        for strength, by_size in record["strengths"].items()
    }
    line_panels(PLOTS / "simulation-recall.svg", recall, ("slates", f"recall, {int(largest):,} leaves"))
    growth = {
        f"d' = {strength}": {
            name: [(float(size), one["slates_to_90"][name]) for size, one in by_size.items()]
            for name in ("ours", "paper")
        }
        for strength, by_size in record["strengths"].items()
    }
    line_panels(PLOTS / "simulation-slates.svg", growth, ("leaves", "slates to 90%"))


def _points(recall: Mapping[str, Mapping[str, float]], name: str) -> Line:
    return [(float(budget), row[name]) for budget, row in recall.items()]


def origin(record: Record) -> str:
    """Say what was measured, and on what."""
    found = record["origin"]
    return (
        f"{found['worlds']} worlds of each kind, at commit `{found['commit'][:7]}`; "
        f"a search that has not found 90% after {found['at_most']} slates counts as {found['at_most']}.\n"
    )


def strengths(record: Record) -> str:
    """Show recall at every budget, ours and as a difference to the paper's, for every strength of the prior."""
    rows = []
    for strength, by_size in record["strengths"].items():
        for size, one in by_size.items():
            gaps = [difference(row) for row in one["recall"].values()]
            rows.append((strength, f"{int(size):,}", *gaps, difference(one["slates_to_90"], digits=1)))
    budgets = next(iter(record["recall"]["ours"].values()))
    columns = ("d'", "leaves", *(f"recall after {budget}" for budget in budgets), "slates to 90%")
    return table(columns, rows)


def difference(row: Mapping[str, float], digits: int = 3) -> str:
    return f"{row['ours']:.{digits}f} ({row['difference']:+.{digits}f} ± {row['error']:.{digits}f})"


def ablations(record: Record) -> str:
    """Show what the search is without each of its parts."""
    rows = []
    for name, one in record["ablations"]["rows"].items():
        more = "{:+.1f} ± {:.1f}".format(*one["slates_more"]) if "slates_more" in one else ""
        lost = "{:+.3f} ± {:.3f}".format(*one["recall_at_20"]) if "recall_at_20" in one else ""
        rows.append((name, f"{one['slates_to_90']:.1f}", more, f"{one['recall']['20']:.3f}", lost))
    return table(("ours", "slates to 90%", "difference", "recall after 20", "difference"), rows)


def regimes(record: Record) -> str:
    """Show both searches under judges and corpora of other kinds."""
    rows = [
        (
            name,
            *(difference(one["recall"][budget]) for budget in ("5", "20")),
            difference(one["slates_to_90"], digits=1),
            f"{one['unfinished']['ours']} / {one['unfinished']['paper']}",
        )
        for name, one in record["regimes"]["rows"].items()
    ]
    return table(("regime", "recall after 5", "recall after 20", "slates to 90%", "unfinished, ours / paper"), rows)


def growth(record: Record) -> str:
    """Show both laws of growth for both searches."""
    rows = []
    for name, one in record["growth"].items():
        log, power = one["logarithmic"], one["power"]
        costs = " / ".join(f"{cost:.1f}" for cost in record["slates_to_90"][name].values())
        rows.append(
            (
                name,
                costs,
                f"{log['a']:.1f} + {log['b']:.1f}·log₁₂ N (± {log['error']:.1f})",
                f"{power['a']:.2f}·N^{power['b']:.2f} (± {power['error']:.1f})",
                one["better"],
            )
        )
    sizes = " / ".join(f"{int(size):,}" for size in record["slates_to_90"]["ours"])
    return table(("search", f"slates at N = {sizes}", "logarithmic", "power", "better"), rows)


def settled(record: Record) -> str:
    """Show what the early stop saves and costs."""
    rows = [
        (f"{int(size):,}", f"{one['slates']:.1f} of {one['of']:.0f}", f"{one['regret']:+.4f} ± {one['error']:.4f}")
        for size, one in record["settled"].items()
    ]
    return table(("leaves", "slates", "nDCG@10 that more would have found"), rows)


def costs(record: Record) -> str:
    """Show what our own code costs."""
    refit, loop = record["refit_ms"], record["loop"]
    rows = [
        ("refit of 80 slates × 24 nodes, with standard errors (`calibration.fit`)", f"{refit['fit']:.2f} ms"),
        ("the same without them, as the loop has it (`Refit`)", f"{refit['loop']:.2f} ms"),
        (f"an iteration without the judge, {loop['leaves']:,} leaves, of 40", f"{loop['ms']:.2f} ms"),
        ("peak memory of the whole process", f"{loop['peak_mb']:.0f} MB"),
    ]
    return table(("", "median"), rows)


def table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join([*markdown(Table(columns, tuple(rows))), ""])


BLOCKS: Mapping[str, Callable[[Record], str]] = {
    "origin": origin,
    "strengths": strengths,
    "ablations": ablations,
    "regimes": regimes,
    "growth": growth,
    "settled": settled,
    "costs": costs,
}

if __name__ == "__main__":
    sys.exit(main())
