"""Check the trees of the tuning collections: what `lattice tree --check` says of them.

    python benchmarks/lint.py                    all five, as a table
    python benchmarks/lint.py --save             and written to benchmarks/results/lint.json

Indexes are those of `lattice eval`, built where there is none.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from bench import RESULTS, TUNING, WORK, unpacked

from lattice.cli.check_view import report_json
from lattice.evaluate.collection import load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.summary import source_state
from lattice.lint.check import check
from lattice.store.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=TUNING)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/lint.json")
    options = parser.parse_args()
    rows = [checked(name) for name in options.collections]
    for row in rows:
        print(" | ".join(cells(row)))
    if options.save:
        record = {"lattice": source_state(), "rows": rows}
        (RESULTS / "lint.json").write_text(json.dumps(record, indent=1) + "\n")


def checked(name: str) -> dict[str, Any]:
    """Check one collection's tree; findings are counted by kind, not listed."""
    collection = load(unpacked(name))
    with Store.open(index_of(collection, WORK / name)) as store:
        report = check(store)
        shown = report_json(report)
    kinds = [finding["kind"] for finding in shown.pop("findings")]
    del shown["retrieval"]["usage"]
    return {"collection": name, **shown, "findings": {kind: kinds.count(kind) for kind in sorted(set(kinds))}}


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """Give the row of the table in docs/guide.md."""
    found = row["retrieval"]
    shares = (f"{found[part] / found['asked']:.2f}" for part in ("found", "parents", "kept"))
    first = found["levels"][0]
    root = f"{first['chosen'] / first['asked']:.2f}"
    size = f"{row['shape']['leaves']:,}"
    verdict = "pass" if row["ok"] else "fail"
    return (row["collection"], size, *shares, root, f"{row['covered']:.2f}", f"{row['alike']:.3f}", verdict)


if __name__ == "__main__":
    main()
