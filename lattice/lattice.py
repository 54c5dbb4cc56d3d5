"""The façade: an index, opened, and searches in it."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lattice.answering import Answer, Answering, Settings
from lattice.asynchronous import AsyncSearch
from lattice.errors import ModelNotFound, UsageError
from lattice.filters import Admissions, resolved, rules_of
from lattice.first_stage import FirstStage
from lattice.jobs import Jobs
from lattice.models.prompts import RELEVANCE
from lattice.models.registry import EMBEDDED_CURE, find_model
from lattice.models.settings import EngineSettings
from lattice.store.store import Store
from lattice.traversal.admitted import Admission
from lattice.traversal.judges.choice import LISTWISE_PARAMETERS, JudgeName, check_judge, judge_of
from lattice.traversal.judges.remote import RemoteJudge
from lattice.traversal.prior import Prior
from lattice.traversal.search import SearchSettings
from lattice.types import PROMPTREPS, BuildSettings, Filters, Hit, Judge, Question

if TYPE_CHECKING:
    import networkx

    from lattice.indexing import Progress
    from lattice.lint.report import Limits, Report
    from lattice.models.llama.engine import LlamaEngine
    from lattice.models.remote.server import Server
    from lattice.traversal.understanding import Scribe

Model = str | Path | None
"""A GGUF file or a registered model's name; "auto" for LATTICE_MODEL, else the embedded model, else none; None to
search without a model."""


class Lattice(AsyncSearch):
    """An index that is open for search; a context manager. Use one object a thread.

    >>> with Lattice.index("notes") as notes:
    ...     for hit in notes.search("why does my actor leak memory", limit=3):
    ...         print(hit.rank, hit.path, hit.location.start, hit.snippet)
    """

    def __init__(
        self,
        store: Store,
        model: Path | None = None,
        judge: Judge | JudgeName = "auto",
        relevance: str | None = None,
        server: Server | None = None,
        engine: EngineSettings | None = None,
    ) -> None:
        """Wrap an open store; a `judge` of your own replaces what `model` would give (tests, simulations)."""
        self.store = store
        self.model = model
        self._given = judge
        self._judge_name: JudgeName = judge if isinstance(judge, str) else "auto"
        self._judge: Judge | None = None if isinstance(judge, str) else judge
        self._relevance = relevance
        self._server = server
        self._engine_settings = engine
        self.first_stage = FirstStage(store, self._engine_at)
        self._admissions = Admissions()

    @classmethod
    def index(
        cls,
        folder: str | Path,
        *,
        path: str | Path | None = None,
        settings: BuildSettings | None = None,
        model: Model = "auto",
        server: Server | None = None,
        progress: Progress | None = None,
        force: bool = False,
        jobs: int | Jobs | None = None,
    ) -> Self:
        """Build or refresh the index of `folder` (by default in the user's data folder) and open it.

        `jobs` processes do the work, -1 for one a core, or a `Jobs` says who does; None leaves it to joblib, which in a
        block of `joblib.parallel_config` hands it to the backend named there. The index is the same.

        `model`, or a `server` in its place, reads in what is opened, and writes the descriptions where
        `settings.descriptions` is "llm". A `model` makes the vectors too where `settings.embedder` is "promptreps".
        """
        from lattice.describing import DescribingModel
        from lattice.indexing import index_folder

        _check_server(server, model, "auto")
        # A wrong one is told before the work, not after it.
        writer = DescribingModel(None if server else _resolve_model(model), server)
        target = Path(path).expanduser() if path else None
        work = Jobs(jobs) if isinstance(jobs, int) else jobs
        if settings is not None and settings.embedder == PROMPTREPS and model not in {"auto", None}:
            settings = replace(settings, embedder=f"{PROMPTREPS}:{model}")
        built = index_folder(Path(folder), target, settings, progress, force=force, model=writer, jobs=work)
        return cls.open(built.path, model=model, server=server)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        model: Model = "auto",
        judge: Judge | JudgeName = "auto",
        relevance: str | None = None,
        server: Server | None = None,
        engine: EngineSettings | None = None,
        kv_cache: int = 0,
    ) -> Self:
        """Open the index file at `path`; raises IndexProblem, and ModelNotFound where a named model is missing.

        `judge` is how the model reads ("auto" goes by its size), or a judge of your own; `relevance` completes "a
        passage is relevant if …" for the judges that are told (all but "likelihood"). With a `server` the judge is
        "remote" and no model file is read: what a slate shows of passages and descriptions is sent to that server.
        `engine` is how a model file is run; up to `kv_cache` bytes of what it has read of descriptions are kept on
        disk, in a folder beside the index, for later processes.
        """
        if isinstance(judge, str):
            check_judge(judge, relevance)
        _check_server(server, model, judge)
        found = _resolve_model(model) if isinstance(judge, str) and server is None else None
        store = Store.open(Path(path).expanduser())
        if kv_cache > 0:
            beside = store.path.with_name(f"{store.path.name}.kv")
            engine = replace(engine or EngineSettings(), disk_cache=beside, disk_bytes=kv_cache)
        return cls(store, found, judge, relevance, server, engine)

    def close(self) -> None:
        """Close the index file, and free the model, or end the connections, where this object has loaded it."""
        if self._worker is not None:
            self._worker.close()
        self.store.close()
        self.first_stage.close()
        for loaded in (self._engine, self._remote):
            if loaded is not None:
                loaded.close()
                self._judge = None
        self._engine = self._remote = None

    def sibling(self) -> Lattice:
        """Open the same index once more, for the thread that calls, to be read in the same way."""
        store = Store.open(self.store.path)
        return Lattice(store, self.model, self._given, self._relevance, self._server, self._engine_settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(
        self,
        query: str | Question,
        limit: int = 10,
        *,
        settings: Settings | None = None,
        min_relevance: float = 0.0,
        filters: Filters | None = None,
    ) -> list[Hit]:
        """Give the best `limit` passages for `query`, most relevant first, of those that `filters` admit.

        A Question may follow earlier ones, and may be expanded by the model before the search.
        UsageError for an empty query, or filters that cannot be understood.
        """
        *_, last = self.iter_search(query, limit, settings=settings, min_relevance=min_relevance, filters=filters)
        return list(last.hits)

    def iter_search(
        self,
        query: str | Question,
        limit: int = 10,
        *,
        settings: Settings | None = None,
        min_relevance: float = 0.0,
        filters: Filters | None = None,
    ) -> Generator[Answer, None, None]:
        """Yield the answer as it grows: lexical hits at once, then the prior's, then one after every iteration.

        PaperSettings search as published, without a prior: nothing is known before something is read. The index is
        held at one generation until the generator ends or is closed.
        """
        question = Question(query) if isinstance(query, str) else query
        _check(question, limit, min_relevance, filters or Filters())  # here, and not at the first `next`
        return self._answers(question, limit, min_relevance, settings or SearchSettings(), filters)

    def _answers(
        self, question: Question, limit: int, min_relevance: float, settings: Settings, filters: Filters | None
    ) -> Generator[Answer, None, None]:
        with self.store.reading():
            yield from Answering(self, question, limit, min_relevance, self.admission(filters)).answers(settings)

    def tree(self) -> networkx.DiGraph:
        """Give the tree as a graph: edges lead from parent to child, passages are the leaves.

        Nodes are node ids; their attributes `name`, `description`, `kind`, `leaves`, `depth`, of leaves also `path`.
        """
        import networkx

        graph = networkx.DiGraph()
        with self.store.reading():
            waiting = [self.store.root()]
            while waiting:
                node = waiting.pop()
                about = {name: getattr(node, name) for name in ("name", "description", "kind", "leaves", "depth")}
                graph.add_node(node.id, **about)
                if node.passage is not None:
                    graph.nodes[node.id]["path"] = self.store.passage(node.passage).document
                children = self.store.children(node.id)
                graph.add_edges_from((node.id, child.id) for child in children)
                waiting += reversed(children)
        return graph

    def check(
        self,
        *,
        top: int | None = None,
        limits: Limits | None = None,
        sample: int | None = None,
        seed: int = 0,
        with_model: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Check whether the tree, or the part below the node `top`, can be searched; see `lint.check`.

        `sample` passages (by default 500) are looked for again by words, and with `with_model` that many (by default
        20) by the judge. KeyError for an unknown node, ModelNotFound where no model is there to walk.
        """
        from lattice.lint.check import MODEL_SAMPLE, SAMPLE, check

        judge = self.judge() if with_model else None
        if with_model and judge is None:
            raise ModelNotFound(f"No model is there to walk the tree. {EMBEDDED_CURE}")
        return check(
            self.store,
            top=top,
            limits=limits,
            sample=sample or SAMPLE,
            seed=seed,
            judge=judge,
            model_sample=sample or MODEL_SAMPLE,
            progress=progress,
        )

    @property
    def reads(self) -> bool:
        """Whether a judge reads for this index, loaded or not."""
        return self.model is not None or self._judge is not None or self._server is not None

    def judge(self) -> Judge | None:
        """Give the judge that reads for this index, loading the model on first use; None without a model."""
        if self._judge is None and self._server is not None:
            from lattice.models.remote.model import RemoteModel

            self._remote = RemoteModel(self._server)
            self._judge = RemoteJudge(self._remote, self._relevance or RELEVANCE)
        elif self._judge is None and self.model is not None:
            engine = self._loaded(self.model)
            self._judge = judge_of(engine, self._judge_name, self._relevance, self.store.rarities)
        return self._judge

    def _loaded(self, model: Path) -> LlamaEngine:
        from lattice.models.trials import opened

        self._engine = self._engine or opened(model, self._engine_settings or EngineSettings(), os.environ)
        return self._engine

    def _engine_at(self, path: Path) -> LlamaEngine | None:
        """Give the judge's engine where it reads with the file at `path`, so that it is not loaded twice; else None."""
        is_judges = path == self.model and self._server is None and isinstance(self._given, str)
        return self._loaded(path) if is_judges else None

    def problem(self) -> str | None:
        """Say what went wrong beside the reading: KV states that could not be kept on disk."""
        return None if self._engine is None else self._engine.problem

    def admission(self, filters: Filters | None) -> Admission | None:
        """Give what `filters` admit of the index as it stands; None where nothing is filtered. UsageError."""
        if filters is None or filters == Filters():
            return None
        return self._admissions.of(filters, self.store, self.store.status().build)

    def scribe(self) -> Scribe | None:
        """Give what writes where the judge reads: the server or the model, once it is loaded; None where none does."""
        from lattice.traversal.understanding import LocalScribe, RemoteScribe

        if self._remote is not None:
            return RemoteScribe(self._remote)
        if self._engine is not None and self._engine.kind == "generative":
            return LocalScribe(self._engine, self._engine.parameters >= LISTWISE_PARAMETERS)
        return None

    def prior(self, query: str, admission: Admission | None = None, vocabulary: Sequence[str] = ()) -> Prior:
        """Give what lexical and vector search expect for `query`, before anyone reads, of what is admitted.

        `vocabulary` holds further words that an answer may have; together they weigh less than the query's own.
        """
        return self.first_stage.prior(query, admission, vocabulary)


def _check(question: Question, limit: int, min_relevance: float, filters: Filters) -> None:
    if not question.text.strip():
        raise UsageError("The query is empty: say what you are looking for.")
    if isinstance(question.history, str):
        raise UsageError("history holds several questions: give a tuple of them, the oldest first.")
    if limit < 1:
        raise UsageError(f"limit is {limit}; ask for 1 hit or more.")
    if not 0.0 <= min_relevance <= 1.0:
        raise UsageError(f"min_relevance is {min_relevance}; relevance lies between 0 and 1.")
    rules_of(resolved(filters, date.today()))


def _check_server(server: Server | None, model: Model, judge: Judge | JudgeName) -> None:
    if server is None and judge == "remote":
        raise UsageError('The remote judge needs a server: Lattice.open(path, server=Server("http://127.0.0.1:8080")).')
    if server is not None and not (isinstance(judge, str) and judge in {"auto", "remote"}):
        raise UsageError("A server is read by the remote judge. Leave out the server or the judge.")
    if server is not None and model not in {"auto", None}:
        raise UsageError("A server and a model file contradict each other; give one of them.")


def _resolve_model(model: Model) -> Path | None:
    if model is None:
        return None
    return find_model(None if model == "auto" else model, os.environ)
