"""One evaluation from a loaded collection to its results: index, judge, judgement cache, methods."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from lattice.errors import ModelNotFound
from lattice.evaluate.collection import Collection
from lattice.evaluate.evaluation import MethodResult, check_methods, evaluate
from lattice.evaluate.indexes import index_of
from lattice.evaluate.methods import METHODS, Bench
from lattice.evaluate.metrics import check_installed
from lattice.evaluate.recorded import RecordedReader
from lattice.evaluate.summary import Setup, index_json, model_json
from lattice.lattice import Lattice
from lattice.models.registry import EMBEDDED_CURE, sha256_of
from lattice.models.settings import EngineSettings
from lattice.models.trials import opened
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.reading import ProbabilityReader
from lattice.traversal.search import SearchSettings

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure and where to keep what it takes.

    `work` holds the index, `judgements` is the file that readings are appended to (below `work` by default), `replayed`
    further files of readings, which are only read. `command` is how a user asks for the same again. `keep_bytes` bounds
    the KV states that the engine keeps: tokens count as if there were none, but seconds are no longer those of cold
    readings.
    """

    methods: Sequence[str]
    baseline: str
    settings: SearchSettings
    model: Path | None
    work: Path
    judgements: Path | None = None
    replayed: Sequence[Path] = ()
    rebuild: bool = False
    command: str = ""
    keep_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a plan. `read` and `replayed` count the texts that the model has read and those it had before."""

    setup: Setup
    results: Sequence[MethodResult]
    index: Path
    read: int = 0
    replayed: int = 0


def run(collection: Collection, plan: Plan, progress: Progress | None = None) -> Outcome:
    """Carry out a plan. Interrupted, it keeps every judgement, so that the same plan goes on where it was.

    Raises UsageError for unknown methods, MissingExtra, and ModelNotFound where a method needs a model and has none.
    """
    check_methods(plan.methods, plan.baseline)
    check_installed()
    reads = any(METHODS[name].reads for name in plan.methods)
    if reads and plan.model is None:
        raise ModelNotFound(f"These methods need a model: {_reading(plan.methods)}. {EMBEDDED_CURE}.")
    plan.work.mkdir(parents=True, exist_ok=True)
    index = index_of(collection, plan.work, progress, rebuild=plan.rebuild)
    sha256 = sha256_of(plan.model) if plan.model is not None and reads else ""
    with Lattice.open(index, model=None) as lattice, lattice.store.reading():
        reader = _reader(plan, plan.model, sha256) if plan.model is not None and reads else None
        with reader or nullcontext():
            bench = Bench(collection, lattice, lambda: LikelihoodJudge(_there(reader)), plan.settings)
            elapsed = (lambda: 0.0) if reader is None else (lambda: reader.elapsed)
            results = evaluate(bench, plan.methods, read_seconds=elapsed, progress=progress)
        model = model_json(plan.model, sha256) if plan.model is not None and reads else None
        setup = Setup(collection, index_json(lattice.store), plan.settings, model, plan.command)
    counts = (0, 0) if reader is None else (reader.read, reader.replayed)
    return Outcome(setup, results, index, *counts)


def _reading(methods: Sequence[str]) -> str:
    return ", ".join(name for name in methods if METHODS[name].reads)


def _reader(plan: Plan, model: Path, sha256: str) -> RecordedReader:
    def load() -> ProbabilityReader:
        return opened(model, EngineSettings(cache_bytes=plan.keep_bytes), os.environ)

    judgements = plan.judgements or plan.work / "judgements.jsonl"
    judgements.parent.mkdir(parents=True, exist_ok=True)
    return RecordedReader(judgements, sha256, load, plan.replayed)


def _there(reader: RecordedReader | None) -> RecordedReader:
    assert reader is not None, "only a method that reads asks for a judge"
    return reader
