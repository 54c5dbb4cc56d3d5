"""The judges of an evaluation: whichever was asked for, with what it has read kept and replayed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

from lattice.errors import UsageError
from lattice.evaluate.judgements import Judgements, RecordedJudge, RecordedSlatesJudge, identity
from lattice.evaluate.recorded import RecordedReader
from lattice.models.gguf import read_gguf
from lattice.models.prompts import RELEVANCE, VERSION
from lattice.models.registry import sha256_of
from lattice.models.remote.model import RemoteModel
from lattice.models.remote.server import Server
from lattice.models.settings import EngineSettings
from lattice.models.trials import opened
from lattice.traversal.calibration import Calibration
from lattice.traversal.judges.choice import Engine, JudgeName, ModelJudge, check_judge, judge_of
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.remote import RemoteJudge
from lattice.traversal.judges.reranker import RerankerJudge
from lattice.traversal.judges.scent import Rarities
from lattice.traversal.search import DEFAULT_CALIBRATION

# A judge that reads the same slate twice finds the state of the first time there; tokens count as if it did not.
_KEEP_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Source:
    """What reads, and how: a model file or a server, as which judge, told what of relevance.

    `keep_bytes` bounds the KV states that the engine of a likelihood judge keeps.
    """

    model: Path | None
    judge: JudgeName = "auto"
    relevance: str | None = None
    server: Server | None = None
    keep_bytes: int = 0

    def judge_name(self) -> str:
        """Give the name of the judge that reads; UsageError and ModelUnusable as for `Judging`. Loads no model."""
        return name_of(self.made(None if self.model is None else LateEngine(self.model, 0)))

    def made(self, engine: LateEngine | None, remote: RemoteModel | None = None) -> ModelJudge:
        """Give a judge on the engine, or on the model of the server."""
        check_judge(self.judge, self.relevance)
        if self.server is None:
            return cast(ModelJudge, judge_of(cast(Engine, engine), self.judge, self.relevance))
        if self.judge not in {"auto", "remote"}:
            raise UsageError("A server is read by the remote judge. Leave out the server or the judge.")
        return RemoteJudge(remote or _remote(self.server), self.relevance or RELEVANCE)


class Judging:
    """Makes judges, one a query and method, over one record of what was read. A context manager.

    The model is loaded when something unknown is to be read. Raises UsageError and ModelUnusable at once for a judge
    that the model cannot be, and UsageError for a server without the name of its model: under that it is kept.
    """

    def __init__(self, source: Source, path: Path, seeds: Sequence[Path] = ()) -> None:
        """Find out which judge it is, and read the record in `path` and the read-only files `seeds`."""
        self._source = source
        self._remote = None if source.server is None else _remote(source.server)
        self._engine = None if source.model is None or self._remote else LateEngine(source.model, source.keep_bytes)
        sample = self._made()
        self.name = name_of(sample)
        self.slate_dependent = sample.slate_dependent
        self._model = sha256_of(source.model) if self._engine and source.model else ""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.record: RecordedReader | Judgements
        if isinstance(sample, LikelihoodJudge):
            self.record = RecordedReader(path, self._model, lambda: cast(Engine, self._engine), seeds)
        else:
            if self._engine is not None:
                self._engine.cache_bytes = max(source.keep_bytes, _KEEP_BYTES)
            served = f"{source.server.url} {source.server.model}" if source.server else self._model
            self.record = Judgements(path, identity(sample, served), seeds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as last:
            if self._remote is not None:
                last.callback(self._remote.close)
            self.record.close()

    @property
    def calibration(self) -> Calibration:
        """How the default search weighs the scores of this judge."""
        from lattice.traversal.evidence import CALIBRATION

        return CALIBRATION if self.slate_dependent else DEFAULT_CALIBRATION

    def judge(self, rarities: Rarities) -> LikelihoodJudge | RecordedJudge:
        """Give a judge for one query; `rarities` tells how rare words are in the corpus."""
        if isinstance(self.record, RecordedReader):
            return LikelihoodJudge(self.record, rarities)
        made = self._made()
        return (RecordedSlatesJudge if isinstance(made, RemoteJudge) else RecordedJudge)(made, self.record)

    def model_json(self) -> dict[str, Any]:
        """Name what reads: the model by its file and what is in it, or the server and its model; and the judge."""
        source = self._source
        said: dict[str, Any] = {"judge": self.name, "prompts": VERSION}
        if source.relevance is not None:
            said["relevance"] = source.relevance
        if source.server is not None:
            return {"name": source.server.model, "server": source.server.url, **said}
        assert source.model is not None
        return {"name": source.model.name, "sha256": self._model, **said}

    def _made(self) -> ModelJudge:
        return self._source.made(self._engine, self._remote)


class LateEngine:
    """A model of which only the file's header is read until one of its verbs is used; a stand-in for the engine."""

    def __init__(self, path: Path, cache_bytes: int) -> None:
        """Read the header; ModelUnusable, ModelNotFound. `cache_bytes` bounds the KV states that are kept."""
        header = read_gguf(path)
        self.kind, self.parameters = header.kind, header.parameters
        self.cache_bytes = cache_bytes
        self._path = path
        self._engine: Engine | None = None

    def __getattr__(self, verb: str) -> Any:  # noqa: ANN401 - whatever the engine has
        if verb.startswith("_"):
            raise AttributeError(verb)
        if self._engine is None:
            self._engine = opened(self._path, EngineSettings(cache_bytes=self.cache_bytes), os.environ)
        return getattr(self._engine, verb)


def name_of(judge: ModelJudge) -> str:
    """Give the name of a judge as a user writes it; a reranker's own way has a name of its own."""
    return "reranker" if isinstance(judge, RerankerJudge) else type(judge).__name__.removesuffix("Judge").lower()


def _remote(server: Server) -> RemoteModel:
    if server.model is None:
        raise UsageError(
            "What a server's model says is kept under the model's name. Name it: --llm-model, or Server(model=…)."
        )
    return RemoteModel(server)
