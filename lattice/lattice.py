"""The façade: an index, opened, and searches in it."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from lattice.asynchronous import AsyncSearch
from lattice.errors import UsageError
from lattice.filters import Admissions, resolved, rules_of
from lattice.first_stage import FirstStage
from lattice.models.prompts import RELEVANCE
from lattice.models.registry import EMBEDDED_CURE, find_model
from lattice.models.settings import EngineSettings
from lattice.store.store import Store
from lattice.traversal.admitted import Admission, AdmittedTree
from lattice.traversal.judges.choice import JudgeName, ModelJudge, check_judge, judge_of
from lattice.traversal.judges.remote import RemoteJudge
from lattice.traversal.paper import PaperSettings
from lattice.traversal.prior import Prior
from lattice.traversal.search import SearchSettings
from lattice.traversal.snippets import snippet
from lattice.traversal.steps import Ranked, Step
from lattice.traversal.walks import walk
from lattice.types import BuildSettings, Filters, Hit, Judge, Node, TrailNode, Tree, Usage

if TYPE_CHECKING:
    import networkx

    from lattice.indexing import Progress
    from lattice.models.remote.server import Server

Settings = SearchSettings | PaperSettings  # as we search by default, or as was published

Model = str | Path | None
"""A GGUF file or a registered model's name; "auto" for LATTICE_MODEL, else the embedded model, else none; None to
search without a model."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A search at one moment: the hits so far, how they came about and what they cost.

    `mode` is "lattice" where a model reads, "prior" where none does; `notice` then says why, and the cure. Where one
    reads, `notice` says what was wrong with its answers. `stopped` is None while the search goes on, then "budget",
    "iterations", "seconds", "settled" (nothing unread would come near the first hits), "exhausted" or, without a model,
    "prior"; "filters" where they left nothing to search, and `notice` then says which.
    `step` holds what was read since the last answer (None for the lexical hits that come first).
    """

    query: str
    root: str
    mode: Literal["lattice", "prior"]
    stopped: str | None
    hits: tuple[Hit, ...]
    usage: Usage = Usage()  # noqa: RUF009 - frozen, so one default serves all
    notice: str | None = None
    step: Step | None = None


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
        self.first_stage = FirstStage(store)
        self._admissions = Admissions()

    @classmethod
    def index(
        cls,
        folder: str | Path,
        *,
        path: str | Path | None = None,
        settings: BuildSettings | None = None,
        model: Model = "auto",
        progress: Progress | None = None,
        force: bool = False,
    ) -> Self:
        """Build or refresh the index of `folder` (by default in the user's data folder) and open it."""
        from lattice.indexing import index_folder

        _resolve_model(model)  # a wrong one is told before the work, not after it
        target = Path(path).expanduser() if path else None
        built = index_folder(Path(folder), target, settings, progress, force=force)
        return cls.open(built.path, model=model)

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
        query: str,
        limit: int = 10,
        *,
        settings: Settings | None = None,
        min_relevance: float = 0.0,
        filters: Filters | None = None,
    ) -> list[Hit]:
        """Give the best `limit` passages for `query`, most relevant first, of those that `filters` admit.

        UsageError for an empty query, or filters that cannot be understood.
        """
        *_, last = self.iter_search(query, limit, settings=settings, min_relevance=min_relevance, filters=filters)
        return list(last.hits)

    def iter_search(
        self,
        query: str,
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
        _check(query, limit, min_relevance, filters or Filters())  # here, and not at the first `next`
        return self._answers(query, limit, min_relevance, settings or SearchSettings(), filters)

    def _answers(
        self, query: str, limit: int, min_relevance: float, settings: Settings, filters: Filters | None
    ) -> Generator[Answer, None, None]:
        with self.store.reading():
            yield from _Session(self, query, limit, min_relevance, self.admission(filters)).answers(settings)

    def tree(self) -> networkx.DiGraph:
        """Give the tree as a graph: edges lead from parent to child, passages are the leaves.

        Nodes are node ids, with the attributes `description`, `kind`, `leaves`, `depth` and, for leaves, `path`.
        """
        import networkx

        graph = networkx.DiGraph()
        with self.store.reading():
            waiting = [self.store.root()]
            while waiting:
                node = waiting.pop()
                about = {name: getattr(node, name) for name in ("description", "kind", "leaves", "depth")}
                graph.add_node(node.id, **about)
                if node.passage is not None:
                    graph.nodes[node.id]["path"] = self.store.passage(node.passage).document
                children = self.store.children(node.id)
                graph.add_edges_from((node.id, child.id) for child in children)
                waiting += reversed(children)
        return graph

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
            from lattice.models.trials import opened

            self._engine = self._engine or opened(self.model, self._engine_settings or EngineSettings(), os.environ)
            self._judge = judge_of(self._engine, self._judge_name, self._relevance)
        return self._judge

    def problem(self) -> str | None:
        """Say what went wrong beside the reading: KV states that could not be kept on disk."""
        return None if self._engine is None else self._engine.problem

    def admission(self, filters: Filters | None) -> Admission | None:
        """Give what `filters` admit of the index as it stands; None where nothing is filtered. UsageError."""
        if filters is None or filters == Filters():
            return None
        return self._admissions.of(filters, self.store, self.store.status().build)

    def prior(self, query: str, admission: Admission | None = None) -> Prior:
        """Give what lexical and vector search expect for `query`, before anyone reads, of what is admitted."""
        return self.first_stage.prior(query, admission)


class _Session:
    """One query: everything that its answers have in common."""

    def __init__(
        self, lattice: Lattice, query: str, limit: int, min_relevance: float, admission: Admission | None
    ) -> None:
        self._lattice, self._store = lattice, lattice.store
        self._query, self._limit, self._min_relevance = query, limit, min_relevance
        self._admission = admission
        self._tree: Tree = lattice.store if admission is None else AdmittedTree(lattice.store, admission)
        self._root = lattice.store.status().root

    def answers(self, settings: Settings) -> Generator[Answer, None, None]:
        started = time.monotonic()
        if self._admission is not None and self._admission.nothing is not None:
            yield Answer(self._query, self._root, self._mode(), "filters", (), notice=self._admission.nothing)
            return
        yield self._at_once()
        prior = self._lattice.prior(self._query, self._admission)
        judge = self._lattice.judge()
        if judge is None:
            yield self._without_model(prior)
            return
        if isinstance(judge, ModelJudge):
            # A new one a search: what a judge remembers of the last one would make this one cheaper, and so another.
            deadline = None if settings.seconds is None else started + settings.seconds
            judge = replace(judge, deadline=deadline)
        notice: str | None = None
        costs = judge.costs if isinstance(judge, ModelJudge) else None
        for step in walk(self._query, self._tree, judge, prior, settings, costs):
            if step.stopped is not None and isinstance(judge, RemoteJudge):
                judge.check()
            for slate in step.slates:
                notice = " ".join(slate.notes) or None
            notice = self._lattice.problem() or notice
            hits = self._hits(step.ranking)
            yield Answer(self._query, self._root, "lattice", step.stopped, hits, step.usage, notice, step)

    def _at_once(self) -> Answer:
        prior = self._lattice.first_stage.at_once(self._query, self._admission)
        hits = self._hits(tuple(Ranked(hit.leaf, hit.expected, False, hit.expected) for hit in prior.hits))
        return Answer(self._query, self._root, self._mode(), None, hits)

    def _mode(self) -> Literal["lattice", "prior"]:
        return "lattice" if self._lattice.reads else "prior"

    def _without_model(self, prior: Prior) -> Answer:
        hits = self._hits(tuple(Ranked(hit.leaf, hit.expected, False, hit.expected) for hit in prior.hits))
        notice = f"No model reads: the ranking is that of lexical and vector search. {EMBEDDED_CURE}."
        return Answer(self._query, self._root, "prior", "prior", hits, notice=notice)

    def _hits(self, ranking: Sequence[Ranked]) -> tuple[Hit, ...]:
        chosen = [ranked for ranked in ranking if ranked.relevance >= self._min_relevance][: self._limit]
        return tuple(self._hit(rank, ranked) for rank, ranked in enumerate(chosen, start=1))

    def _hit(self, rank: int, ranked: Ranked) -> Hit:
        node = self._store.node(ranked.node)
        assert node.passage is not None
        passage = self._store.passage(node.passage)
        shown, marks = snippet(self._query, passage.text)
        return Hit(
            rank=rank,
            id=node.id,
            path=passage.document,
            title=passage.title,
            heading=passage.heading,
            location=passage.location,
            snippet=shown,
            marks=marks,
            relevance=round(ranked.relevance, 4),
            judged=ranked.judged,
            trail=self._trail(node),
        )

    def _trail(self, leaf: Node) -> tuple[TrailNode, ...]:
        """Give the nodes above a leaf, as a judge reads them."""
        above = tuple(node.id for node in self._store.ancestors(leaf.id)[1:])
        return tuple(TrailNode(one.node, one.text) for one in self._tree.candidates(above))


def _check(query: str, limit: int, min_relevance: float, filters: Filters) -> None:
    if not query.strip():
        raise UsageError("The query is empty: say what you are looking for.")
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
