"""Searches that an event loop waits for: one thread a Lattice, which does all the work and owns what it needs for it.

An open index belongs to the thread that opened it, and so the thread opens it for itself. It lives until the Lattice is
closed. Searches have their turns in the order in which they came; one that is cancelled gives its turn up at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from lattice.errors import IndexProblem
from lattice.types import Filters, Hit, Question

if TYPE_CHECKING:
    from lattice.answering import Answer
    from lattice.lattice import Lattice
    from lattice.models.llama.engine import LlamaEngine
    from lattice.models.remote.model import RemoteModel
    from lattice.store.store import Store
    from lattice.traversal.search import SearchSettings

Result = TypeVar("Result")


class Worker:
    """The thread, and the Lattice that `opened` gives there on first use."""

    def __init__(self, opened: Callable[[], Lattice]) -> None:
        self._opened = opened
        self._lattice: Lattice | None = None
        self._pool = ThreadPoolExecutor(1, "lattice-search")
        self._lock = threading.Lock()
        self._turn: threading.Event | None = None  # of what runs now: set, it is to end
        self._is_closed = False

    async def call(self, stop: threading.Event, work: Callable[[Lattice], Result]) -> Result:
        """Do `work` in the thread, and pass on what it raises; where the caller is cancelled, set `stop` and end it."""
        self._refuse_if_closed()
        doing = asyncio.get_running_loop().run_in_executor(self._pool, self._in_turn, stop, work)
        try:
            return await doing
        except asyncio.CancelledError:
            self._end(stop)
            raise

    def leave(self, work: Callable[[], object]) -> None:
        """Have `work` done in the thread when it comes to it, and wait for nothing."""
        with suppress(RuntimeError):  # the thread has ended, and what there was to close is closed
            self._pool.submit(work)

    def close(self) -> None:
        """End what runs, refuse what waits, close the Lattice and let the thread end."""
        with self._lock:
            self._is_closed = True
            turn = self._turn
        if turn is not None:
            self._end(turn)
        self.leave(self._close)
        self._pool.shutdown(wait=True)

    def _in_turn(self, stop: threading.Event, work: Callable[[Lattice], Result]) -> Result:
        with self._my_turn(stop):
            self._lattice = self._lattice or self._opened()
            return work(self._lattice)

    @contextmanager
    def _my_turn(self, stop: threading.Event) -> Iterator[None]:
        with self._lock:
            self._refuse_if_closed()
            self._turn = stop
        try:
            yield
        finally:
            with self._lock:
                self._turn = None
                if self._lattice is not None:
                    self._lattice.resume()

    def _end(self, stop: threading.Event) -> None:
        stop.set()
        with self._lock:
            if self._turn is stop and self._lattice is not None:
                self._lattice.stop()

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise IndexProblem("The index was closed before this search had its turn. Open it again.")

    def _close(self) -> None:
        if self._lattice is not None:
            self._lattice.close()


class AsyncSearch:
    """The part of `Lattice` that is for asyncio."""

    store: Store
    _worker: Worker | None = None
    _engine: LlamaEngine | None = None
    _remote: RemoteModel | None = None

    async def asearch(
        self,
        query: str | Question,
        limit: int = 10,
        *,
        settings: SearchSettings | None = None,
        min_relevance: float = 0.0,
        filters: Filters | None = None,
    ) -> list[Hit]:
        """Give what `search` gives, without blocking the event loop; raises what it raises.

        The work is done in a thread, which opens the index and loads the model for itself. Several calls have their
        turns one after the other. Cancelled, a search ends at once and frees the thread as soon as its judge lets go.
        """
        stop = threading.Event()

        def work(lattice: Lattice) -> list[Hit]:
            hits: tuple[Hit, ...] = ()
            how = {"settings": settings, "min_relevance": min_relevance, "filters": filters}
            with closing(lattice.iter_search(query, limit, **how)) as answers:  # type: ignore[arg-type]
                for answer in answers:
                    hits = answer.hits
                    if stop.is_set():
                        break
            return list(hits)

        return await self._at_work().call(stop, work)

    async def aiter_search(
        self,
        query: str | Question,
        limit: int = 10,
        *,
        settings: SearchSettings | None = None,
        min_relevance: float = 0.0,
        filters: Filters | None = None,
    ) -> AsyncGenerator[Answer, None]:
        """Yield what `iter_search` yields, without blocking the event loop; others may have turns between answers."""
        worker, stop = self._at_work(), threading.Event()

        def begin(lattice: Lattice) -> Generator[Answer, None, None]:
            return lattice.iter_search(query, limit, settings=settings, min_relevance=min_relevance, filters=filters)

        answers = await worker.call(stop, begin)
        try:
            while (answer := await worker.call(stop, lambda _: next(answers, None))) is not None:
                yield answer
        finally:
            worker.leave(answers.close)

    def sibling(self) -> Lattice:
        """Open the same index once more, for the thread that calls, to be read in the same way."""
        raise NotImplementedError

    def stop(self) -> None:
        """End what another thread reads here, until `resume`; a judge of your own ends its slate first."""
        for loaded in (self._engine, self._remote):
            if loaded is not None:
                loaded.stop()

    def resume(self) -> None:
        """Read again after `stop`."""
        for loaded in (self._engine, self._remote):
            if loaded is not None:
                loaded.resume()

    def _at_work(self) -> Worker:
        if self._worker is None:
            self.store.check_open()
            self._worker = Worker(self.sibling)
        return self._worker
