"""One evaluation from a loaded collection to its results: index, judge, judgement cache, methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from lattice.describing import DescribingModel
from lattice.errors import ModelNotFound
from lattice.evaluate.collection import Collection
from lattice.evaluate.evaluation import MethodResult, check_methods, evaluate
from lattice.evaluate.indexes import DEFAULTS, indexed
from lattice.evaluate.judging import Judging, Source
from lattice.evaluate.methods import METHODS, Bench, PricedJudge
from lattice.evaluate.metrics import check_installed
from lattice.evaluate.summary import Setup, index_json
from lattice.lattice import Lattice
from lattice.models.registry import EMBEDDED_CURE
from lattice.models.remote.server import Server
from lattice.traversal.judges.choice import JudgeName
from lattice.traversal.search import SearchSettings
from lattice.types import BuildSettings

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure and where to keep what it takes.

    `judge`, `relevance` and `server` say how is read, as for `Lattice.open`.
    `work` holds the index, which `build` is built with, by `writer` where a model has a part in that; `judgements` is
    the file that readings are appended to (below `work` by default), `replayed` further files of readings, which are
    only read. `command` is how a user asks for the same again. `keep_bytes` bounds the KV states that the engine keeps:
    tokens count as if there were none, but seconds are no longer those of cold readings.
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
    build: BuildSettings = DEFAULTS
    judge: JudgeName = "auto"
    relevance: str | None = None
    server: Server | None = None
    writer: DescribingModel | None = None

    @property
    def source(self) -> Source | None:
        """What reads, as which judge; None where no method reads. ModelNotFound where one does and has no model."""
        reading = [name for name in self.methods if METHODS[name].reads]
        if not reading:
            return None
        if self.model is None and self.server is None:
            raise ModelNotFound(f"These methods need a model: {', '.join(reading)}. {EMBEDDED_CURE}.")
        return Source(self.model, self.judge, self.relevance, self.server, self.keep_bytes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a plan. `read` and `replayed` count the texts that the model has read and those it had before.

    `notes` tell a person what went wrong while the index was built.
    """

    setup: Setup
    results: Sequence[MethodResult]
    index: Path
    read: int = 0
    replayed: int = 0
    notes: Sequence[str] = ()


def run(collection: Collection, plan: Plan, progress: Progress | None = None) -> Outcome:
    """Carry out a plan. Interrupted, it keeps every judgement, so that the same plan goes on where it was.

    Raises UsageError for unknown methods, MissingExtra, and ModelNotFound where a method needs a model and has none.
    """
    check_methods(plan.methods, plan.baseline)
    check_installed()
    source = plan.source
    judging = (
        None if source is None else Judging(source, plan.judgements or plan.work / "judgements.jsonl", plan.replayed)
    )
    plan.work.mkdir(parents=True, exist_ok=True)
    built = indexed(collection, plan.work, progress, rebuild=plan.rebuild, settings=plan.build, model=plan.writer)
    with judging or nullcontext(), Lattice.open(built.path, model=None) as lattice, lattice.store.reading():
        bench = Bench(collection, lattice, _judge_of(judging, lattice), plan.settings)
        elapsed = (lambda: 0.0) if judging is None else (lambda: judging.record.elapsed)
        results = evaluate(bench, plan.methods, read_seconds=elapsed, progress=progress)
        setup = _setup(collection, plan, judging, lattice)
    counts = (0, 0) if judging is None else (judging.record.read, judging.record.replayed)
    return Outcome(setup, results, built.path, *counts, built.notes)


def _setup(collection: Collection, plan: Plan, judging: Judging | None, lattice: Lattice) -> Setup:
    settings, model = plan.settings, None
    if judging is not None:
        settings = replace(settings, calibration=settings.calibration or judging.calibration)
        model = judging.model_json()
    return Setup(collection, index_json(lattice.store), settings, model, plan.command)


def _judge_of(judging: Judging | None, lattice: Lattice) -> Callable[[], PricedJudge]:
    def judge() -> PricedJudge:
        assert judging is not None, "only a method that reads asks for a judge"
        return judging.judge(lattice.store.rarities)

    return judge
