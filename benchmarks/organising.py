"""Whether a model can organise:  python benchmarks/organising.py [scifact] [--passages N] [--model GGUF] [--save]

The model is asked whatever its size (`--strategy top-down` asks none below 2 billion weights): for summaries of five
lengths of a sample of passages, twenty a call, and then to sort the summaries into topics. Counted are the texts whose
five summaries could be used, the splits whose answer could be used, and how well its topics agree with the vectors:
the mean cosine of two passages of one topic, beside that of the split that vectors make of the same passages.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from bench import RESULTS, SEED, bf16_copy, unpacked

from lattice.describing import DescribingModel, writing_for
from lattice.evaluate.collection import load
from lattice.evaluate.summary import source_state
from lattice.index_builder.bottom_up import grow
from lattice.index_builder.branches import Branch
from lattice.index_builder.organising import Organising
from lattice.index_builder.summaries import summarizer_of
from lattice.index_builder.top_down import TopDown
from lattice.index_builder.written import openings_of
from lattice.models.embedders import fit_tfidf_svd
from lattice.types import BuildSettings, Location, Matrix, Passage

SETTINGS = BuildSettings(strategy="top-down")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", nargs="?", default="scifact")
    parser.add_argument("--passages", type=int, default=300)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/organising.json")
    options = parser.parse_args()
    row = measured(options.collection, options.passages, options.model or bf16_copy())
    if options.save:
        (RESULTS / "organising.json").write_text(json.dumps(row, indent=1) + "\n")
    print(json.dumps(row, indent=1) if options.json else line(row))


def measured(name: str, count: int, model: Path) -> dict[str, Any]:
    """Organise a sample of a collection with a model, and with vectors alone."""
    passages = sampled(name, count)
    vectors = fit_tfidf_svd([f"{one.title}\n{one.text}" for one in passages], SETTINGS.dimensions, 40_000, 0)[1]
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as place,
        writing_for(Path(place) / "index", DescribingModel(model)) as writing,
    ):
        how = Organising(writing, persists=True)
        tree = grown(passages, vectors, how)
    seconds = time.perf_counter() - started
    told = asdict(how.organised())
    return {
        "collection": name,
        "passages": len(passages),
        "model": model.name,
        **source_state(),
        **told,
        "seconds": round(seconds),
        "cosine": {
            "the model's topics": together(tree, vectors),
            "vectors": together(grown(passages, vectors, Organising(None)), vectors),
            "chance": round(float((vectors @ vectors.T).mean()), 4),
        },
    }


def sampled(name: str, count: int) -> list[Passage]:
    """Give a sample of the documents of a collection, as one passage each."""
    records = load(unpacked(name)).records
    chosen = random.Random(SEED).sample(records, min(count, len(records)))
    ordered = sorted(chosen, key=lambda one: one.id)
    return [Passage(one.id, 0, one.title, (), one.text, Location("lines", 1, 1), "") for one in ordered]


def grown(passages: list[Passage], vectors: Matrix, how: Organising) -> Branch:
    """Grow the tree of passages top-down."""
    extractive = summarizer_of(passages, vectors, SETTINGS.description_words)

    def report(stage: str, done: int, total: int) -> None:
        print(f"\r{stage} {done}/{total}   ", end="", file=sys.stderr, flush=True)

    shape = (SETTINGS.branching, SETTINGS.seed, SETTINGS.clusterer)
    strategy = TopDown(how, extractive, openings_of(passages), *shape, report)
    return grow(passages, vectors, SETTINGS.branching, SETTINGS.seed, structure="flat", gather=strategy.gather)


def together(tree: Branch, vectors: Matrix) -> float:
    """Give the mean cosine of two different passages that share a child of the root."""
    found = []
    for child in tree.children:
        rows = vectors[list(child.leaves())]
        if len(rows) > 1:
            total = float((rows @ rows.T).sum()) - float((rows * rows).sum())
            found.append((total / (len(rows) * (len(rows) - 1)), len(rows)))
    cosines, weights = zip(*found, strict=True)
    return round(float(np.average(cosines, weights=weights)), 4)


def line(row: dict[str, Any]) -> str:
    """Show the row as a line of text."""
    usable = row["texts"] - row["by_rule"]
    cosines = ", ".join(f"{what} {value:.3f}" for what, value in row["cosine"].items())
    by_model = row["splits"] - row["by_vectors"]
    return (
        f"{row['collection']}, {row['model']}: usable summaries of {usable} of {row['texts']} texts; "
        f"{by_model} of {row['splits']} splits by the model; cosine within a topic: {cosines}; "
        f"{row['usage']['evaluated']:,} tokens read, {row['usage']['generated']:,} written"
    )


if __name__ == "__main__":
    main()
