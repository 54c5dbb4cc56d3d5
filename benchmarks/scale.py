"""Measure how a build grows:  python benchmarks/scale.py [--passages 100000] [--json] [--save]

The corpus is made of all collections that LATTICE_DATASETS names, one after the other. When they are used up they begin
again, with one word in five of each text exchanged for a word of another one, so that hardly any text comes twice. It
depends on the collections, the number and the seed alone. The build runs in a process of its own, whose peak of memory
is reported, and ends with an index on disk. No model is needed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from bench import RESULTS, unpacked

from lattice.corpus.passages import split
from lattice.corpus.read import document_from_text
from lattice.errors import UnreadableFile
from lattice.evaluate.collection import Record, load
from lattice.evaluate.summary import source_state
from lattice.index_builder.build import build
from lattice.store.write import write
from lattice.types import BuildSettings, Document, Passage, Snapshot

EXCHANGED = 0.2
SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--clusterer", default=BuildSettings().clusterer)
    parser.add_argument("--structure", default=BuildSettings().structure)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="add to benchmarks/results/scale.json")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measured(options)))
        return
    found = record(options)
    if options.save:
        save(RESULTS / "scale.json", found)
    print(json.dumps(found, indent=1) if options.json else "\n".join(table(found)))


def save(path: Path, found: dict[str, Any]) -> None:
    """Add the record to those at `path`, in place of an older one of the same size, clusterer and structure."""
    old = json.loads(path.read_text())["rows"] if path.exists() else []
    same = ("passages", "clusterer", "structure")
    rows = [row for row in old if any(row[name] != found[name] for name in same)] + [found]
    path.write_text(json.dumps({"rows": sorted(rows, key=lambda row: row["passages"])}, indent=1) + "\n")


def record(options: argparse.Namespace) -> dict[str, Any]:
    """Build in a child process and give what it reports, with the state of the source."""
    about = ["--passages", str(options.passages), "--clusterer", options.clusterer, "--structure", options.structure]
    done = subprocess.run([sys.executable, __file__, "--child", *about], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return {"lattice": source_state(), **found}


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Make the corpus, build and write it; give seconds a stage, the peak of memory and what the tree is like."""
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    documents, passages = corpus(options.passages)
    before, entered, stage = peak_bytes(), time.perf_counter(), "corpus"
    seconds[stage] = entered - started

    def progress(name: str, _done: int, _total: int) -> None:
        nonlocal entered, stage
        now = time.perf_counter()
        seconds[stage] = seconds.get(stage, 0.0) + (now - entered if stage != "corpus" else 0.0)
        entered, stage = now, name

    settings = replace(BuildSettings(), clusterer=options.clusterer, structure=options.structure)
    snapshot = build("scale", documents, passages, (), settings, progress)
    progress("writing", 0, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scale.lattice"
        write(path, snapshot, "2026-01-01T00:00:00+00:00")
        progress("done", 0, 0)
        size = path.stat().st_size
    return {
        "clusterer": options.clusterer,
        "structure": options.structure,
        "documents": len(documents),
        "passages": len(passages),
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "build_seconds": round(sum(value for name, value in seconds.items() if name != "corpus"), 1),
        "peak_bytes": peak_bytes(),
        "peak_bytes_before": before,
        "index_bytes": size,
        **shape(snapshot),
    }


def shape(snapshot: Snapshot) -> dict[str, Any]:
    """Give the numbers of nodes, the depth, and how evenly nodes are filled."""
    children = Counter(node.parent for node in snapshot.nodes if node.parent is not None)
    depths = [node.depth for node in snapshot.nodes if node.is_leaf]
    return {
        "nodes": len(snapshot.nodes),
        "depth": max(depths),
        "mean_depth": round(sum(depths) / len(depths), 2),
        "mean_children": round(sum(children.values()) / len(children), 2),
        "least_children": min(children.values()),
    }


def corpus(passages: int) -> tuple[list[Document], list[Passage]]:
    """Make documents until they give `passages` passages; what the last one has too many is left out."""
    settings, documents, found = BuildSettings(), list[Document](), list[Passage]()
    for record in records():
        try:
            document = document_from_text(record.id, record.title, record.text)
        except UnreadableFile:
            continue
        parts = split(document, settings.min_passage_words, settings.max_passage_words)
        documents.append(document)
        found += parts[: passages - len(found)]
        if len(found) == passages:
            return documents, found
    raise AssertionError  # records never end


def records() -> Iterator[Record]:
    """Yield the records of all collections, then the same with words exchanged, without end."""
    originals = [replace(one, id=f"{name}/{one.id}") for name in collections() for one in load(unpacked(name)).records]
    yield from originals
    for turn in count(1):
        drawn = random.Random(SEED * turn)
        for one, other in zip(originals, drawn.sample(originals, len(originals)), strict=True):
            yield replace(one, id=f"again-{turn}/{one.id}", text=exchanged(one.text, other.text, drawn))


def collections() -> list[str]:
    """Name all collections that are there, as archives or unpacked."""
    folder = Path(os.environ.get("LATTICE_DATASETS") or "../shared/datasets")
    archives = {path.name.removesuffix(".tar.gz") for path in folder.glob("*.tar.gz")}
    return sorted(archives | {path.parent.name for path in folder.glob("*/queries.jsonl")})


def exchanged(text: str, other: str, drawn: random.Random) -> str:
    """Give `text` with some of its words exchanged for words of `other`; spaces and lines stay."""
    source = other.split() or [""]
    lines = [
        [drawn.choice(source) if word and drawn.random() < EXCHANGED else word for word in line.split(" ")]
        for line in text.split("\n")
    ]
    return "\n".join(" ".join(line) for line in lines)


def peak_bytes() -> int:
    """Give the largest resident size that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def table(found: dict[str, Any]) -> list[str]:
    """Give the seconds of each stage, and what came of them, a line each."""
    lines = [f"{name:14}{seconds:8.1f} s" for name, seconds in found["seconds"].items()]
    lines.append(f"{'all but corpus':14}{found['build_seconds']:8.1f} s")
    lines.append(f"peak memory   {found['peak_bytes'] / 1e9:8.2f} GB ({found['peak_bytes_before'] / 1e9:.2f} before)")
    lines.append(f"index         {found['index_bytes'] / 1e6:8.0f} MB")
    about = (f"{found['documents']:,} documents", f"{found['passages']:,} passages", f"{found['nodes']:,} nodes")
    depth = f"depth {found['mean_depth']} ({found['depth']} at most)"
    return [*lines, ", ".join((*about, depth, f"{found['mean_children']} children a node"))]


if __name__ == "__main__":
    main()
