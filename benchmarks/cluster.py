"""Compare a build on a Dask cluster with one of one process:  python benchmarks/cluster.py [--passages N] [--save]

The corpus is that of scale.py. It is built by this process alone, by a local cluster of two workers of one thread each,
and by such a cluster of which one worker is killed while the tree grows. Each build runs in a process of its own and is
written; told are the SHA-256 of all rows of all tables, seconds by stage, and the peak memory of the coordinator and of
the largest worker. --whole and --part lower the limits from which the tree is parted, for a quick look.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from bench import RESULTS
from scale import corpus, peak_bytes, shape

from lattice.evaluate.summary import source_state
from lattice.index_builder import grafting
from lattice.index_builder.build import build
from lattice.jobs import HERE, Jobs
from lattice.store.write import write
from lattice.types import BuildSettings

HOW = ("one process", "cluster", "cluster, a worker killed")
WORKERS = 2
BUILT_AT = "2026-01-01T00:00:00+00:00"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--structure", default=BuildSettings().structure)
    parser.add_argument("--whole", type=int, default=grafting.WHOLE_UP_TO)
    parser.add_argument("--part", type=int, default=grafting.PART_UP_TO)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/cluster.json")
    parser.add_argument("--child", choices=HOW, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measured(options)))
        return
    rows = []
    for how in HOW:
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--child", how], check=True, stdout=subprocess.PIPE, text=True
        )
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(json.dumps(rows[-1]), flush=True)
    same = len({row["sha256"] for row in rows}) == 1
    print("the same index, to the byte" if same else "DIFFERENT INDEXES")
    if options.save:
        found = {"lattice": source_state(), "workers": WORKERS, "same": same, "rows": rows}
        (RESULTS / "cluster.json").write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(not same)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Build in the way of `options.child`, write, and give the content's hash, the seconds and the memory."""
    grafting.WHOLE_UP_TO, grafting.PART_UP_TO = options.whole, options.part
    documents, passages = corpus(options.passages)
    seconds: dict[str, float] = {}
    entered, stage, killed = time.perf_counter(), "starting", 0
    with ExitStack() as until_the_end:
        cluster: Any = None
        workers = HERE
        if options.child != HOW[0]:
            cluster = until_the_end.enter_context(_cluster())
            workers = until_the_end.enter_context(Jobs(dask=cluster.scheduler_address).workers())

        def progress(name: str, done: int, _total: int) -> None:
            nonlocal entered, stage, killed
            now = time.perf_counter()
            seconds[stage] = seconds.get(stage, 0.0) + now - entered
            entered, stage = now, name
            if options.child == HOW[2] and name == "tree" and done and not killed:
                killed = next(iter(cluster.workers.values())).pid
                os.kill(killed, signal.SIGKILL)

        settings = BuildSettings(structure=options.structure)
        snapshot = build("scale", documents, passages, (), settings, progress, workers=workers)
        progress("writing", 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scale.lattice"
        write(path, snapshot, BUILT_AT)
        progress("done", 0, 0)
        sha256, size = content(path), path.stat().st_size
    return {
        "how": options.child,
        "passages": len(passages),
        "structure": options.structure,
        "parted_above": options.whole,
        "killed": bool(killed),
        "sha256": sha256,
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "peak_bytes": peak_bytes(),
        "peak_bytes_of_a_worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
        "index_bytes": size,
        **shape(snapshot),
    }


def _cluster() -> Any:  # noqa: ANN401 - Dask has no annotations
    from distributed import LocalCluster

    return LocalCluster(n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=None)


def content(path: Path) -> str:
    """Give the SHA-256 of all rows of all tables, those of the word index among them."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                digest.update(repr(row).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
