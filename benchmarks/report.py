"""Write the committed results into the docs:  python benchmarks/report.py [--check]

Replaces what stands between `<!-- retrieval -->` and `<!-- /retrieval -->` in README.md and docs/benchmarks.md by the
table of results/retrieval.json. `--check` writes nothing and fails where a table is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from retrieval import Row, table

HERE = Path(__file__).parent
PAGES = (HERE.parent / "README.md", HERE.parent / "docs" / "benchmarks.md")
_BLOCK = re.compile(r"(<!-- retrieval -->\n).*?(<!-- /retrieval -->)", re.DOTALL)


def main() -> int:
    record = json.loads((HERE / "results" / "retrieval.json").read_text())
    rows = [
        Row(**(row | {"seconds": float("nan") if row["seconds"] is None else row["seconds"]})) for row in record["rows"]
    ]
    source = f"Measured at commit `{record['commit'][:12]}` with `{record['model']}`: `{record['command']}`"
    stale = [page for page in PAGES if _fill(page, f"{table(rows)}\n\n{source}\n", write="--check" not in sys.argv)]
    for page in stale:
        print(f"{page.name} {'is out of date' if '--check' in sys.argv else 'was brought up to date'}")
    return int(bool(stale) and "--check" in sys.argv)


def _fill(page: Path, block: str, *, write: bool) -> bool:
    before = page.read_text()
    after = _BLOCK.sub(lambda found: found[1] + block + found[2], before)
    if after != before and write:
        page.write_text(after)
    return after != before


if __name__ == "__main__":
    sys.exit(main())
