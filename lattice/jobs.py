"""The work of a build, handed to joblib: done here, by processes of this machine or by a cluster, to the same end.

What is handed over is a function of a module and one item, both picklable; a call depends on its item alone, and runs
with one thread of BLAS wherever it runs, for more threads add up in another order.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lattice.errors import JobsProblem, MissingExtra, UsageError

if TYPE_CHECKING:
    from distributed import Client

# Times that the calls which a dead worker left are begun again; a call that kills its worker would do so for ever.
RETRIES = 2
# Seconds to wait for a scheduler that was named.
PATIENCE = 10

Item = TypeVar("Item")
Result = TypeVar("Result")
_Calls = Iterable[tuple[int, Item]]


@dataclass(frozen=True, slots=True)
class Jobs:
    """Who does the work of a build.

    `count` processes of this machine, -1 for one a core. None leaves it to joblib: what the block of a
    `joblib.parallel_config` says that the build stands in, else this process alone. `dask` is the address of a Dask
    scheduler, whose workers it goes to instead.
    """

    count: int | None = None
    dask: str | None = None

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1 and self.count != -1:
            raise UsageError(f"{self.count} jobs cannot work; give 1 or more, or -1 for one a core.")
        if self.count is not None and self.dask is not None:
            raise UsageError("A Dask cluster has its own number of workers; give the jobs or the cluster.")

    @contextmanager
    def workers(self) -> Iterator[Workers]:
        """Have the workers for the length of a block, behind which none of this machine's is left.

        MissingExtra where `dask` is named and not installed, JobsProblem where no scheduler answers.
        """
        if self.dask is not None:
            with _cluster(self.dask) as count:
                yield Workers(count)
            return
        count = _effective(self.count)
        try:
            yield Workers(count)
        finally:
            if count > 1:
                _dismiss()


@dataclass(frozen=True, slots=True)
class Workers:
    """Where calls run: `count` at a time; one is this process."""

    count: int = 1

    def each(
        self, function: Callable[[Item], Result], items: Iterable[Item], done: Callable[[Item], object] | None = None
    ) -> list[Result]:
        """Give what `function` makes of each item, in their order; `done` hears of items as they are complete.

        Items are taken as workers come free. When a process dies, the calls that it leaves are begun again, and no
        others. JobsProblem where processes go on dying.
        """
        told = done or _nothing
        if self.count == 1:
            return [_done(function, item, told) for item in items]
        return _shared(function, items, told, self.count)


HERE = Workers()


def _done(function: Callable[[Item], Result], item: Item, told: Callable[[Item], object]) -> Result:
    _, result = _call(function, (0, item))
    told(item)
    return result


def _shared(
    function: Callable[[Item], Result], items: Iterable[Item], told: Callable[[Item], object], count: int
) -> list[Result]:
    waiting = enumerate(items)
    begun: dict[int, Item] = {}
    results: dict[int, Result] = {}

    def handed_out() -> Iterator[tuple[int, Item]]:
        for number, item in waiting:
            begun[number] = item
            yield number, item

    def take(number: int, result: Result) -> None:
        results[number] = result
        told(begun.pop(number))

    for _ in range(RETRIES + 1):
        try:
            # Those that were begun first: who has seen them end will not see them again.
            _run(function, itertools.chain(sorted(begun.items()), handed_out()), take, count)
            return [results[number] for number in range(len(results))]
        except BrokenExecutor:
            continue
    raise JobsProblem(
        f"Processes of the build died {RETRIES + 1} times. Most often the system ends them, because memory runs out: "
        "give fewer --jobs; 1 works in the process itself."
    )


def _run(
    function: Callable[[Item], Result], calls: _Calls[Item], take: Callable[[int, Result], None], count: int
) -> None:
    from joblib import Parallel, delayed

    # Large arrays go through the pipe: files in their stead would be left where a process is killed.
    # What cannot give results as they come, such as Ray, gives them in the end.
    as_they_come = "generator_unordered" if getattr(_backend(), "supports_return_generator", False) else "list"
    parallel = Parallel(count, return_as=as_they_come, batch_size=1, max_nbytes=None, **_bound())
    # In a tuple: a large item by itself would be put on one worker of a Dask cluster, and be lost with it.
    found = parallel(delayed(_call)(function, pair) for pair in calls)
    try:
        for number, result in found:
            try:
                take(number, result)
            except BaseException as error:  # Ctrl-C above all; thrown in, it ends the workers at once
                if as_they_come == "list":
                    raise
                found.throw(error)
    except Exception as error:
        if type(error).__name__ == "KilledWorker":  # of Dask, which has begun the call again on several workers
            raise JobsProblem(
                f"Workers of the Dask cluster died of one call, one after the other ({error}). Most often memory runs "
                "out: give each worker more."
            ) from error
        raise


def _call(function: Callable[[Item], Result], pair: tuple[int, Item]) -> tuple[int, Result]:
    number, item = pair
    with one_thread:
        return number, function(item)


class _OneThread:
    """Holds BLAS to one thread while any thread is inside; the limits are the process's, so the last one lifts them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limits: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                # Each has a BLAS of its own, and what is not loaded cannot be limited.
                import numpy  # noqa: F401
                import scipy.linalg  # noqa: F401
                from threadpoolctl import threadpool_limits

                self._limits = threadpool_limits(1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limits.restore_original_limits()
                self._limits = None


one_thread = _OneThread()


def _effective(count: int | None) -> int:
    if count == 1 or (count is None and "joblib" not in sys.modules):
        return 1  # nobody can have configured what nobody has loaded
    from joblib import effective_n_jobs

    return int(effective_n_jobs(count))


def _is_local() -> bool:
    """Whether joblib is set to its own processes, and not to a cluster or what else was registered."""
    return type(_backend()).__name__ == "LokyBackend"


def _backend() -> object:
    from joblib.parallel import get_active_backend

    return get_active_backend()[0]


def _bound() -> dict[str, Any]:
    """Bind processes of this machine to this one: it alone answers Ctrl-C, and they end with it, however it ends."""
    return {"initializer": _bind} if _is_local() else {}


def _bind() -> None:
    import os
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    import os
    import time

    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _dismiss() -> None:
    from joblib.externals.loky import get_reusable_executor

    if _is_local():
        get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


@contextmanager
def _cluster(address: str) -> Iterator[int]:
    """Hand the calls in the block to the workers of a Dask scheduler; yields how many calls they take at a time."""
    try:
        import dask
        from distributed import Client
    except ImportError:
        raise MissingExtra(
            "Dask is not installed, so no cluster can be asked: pip install 'lattice-search[dask]'"
        ) from None
    from joblib import parallel_config

    try:
        client = Client(address, set_as_default=False, timeout=PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        raise JobsProblem(
            f"No Dask scheduler answers at {address} ({error}). Start one with `dask scheduler`, and give the address "
            "that it prints, such as tcp://HOST:8786."
        ) from error
    # A part of the corpus is some 10 MB, of which Dask would warn.
    with client, dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        count = _checked(client, address)
        with parallel_config(backend="dask", client=client):
            yield count


def _checked(client: Client, address: str) -> int:
    count = int(sum(client.ncores().values()))
    if not count:
        raise JobsProblem(f"The Dask scheduler at {address} has no workers. Start some: dask worker {address}")
    here = _versions()
    for worker, there in client.run(_versions, on_error="return").items():
        if there != here:
            raise JobsProblem(
                f"The Dask worker {worker} has {there}, and here is {here}: install the same there, or the index would "
                "depend on who builds it."
            )
    return count


def _versions() -> str:
    from importlib.metadata import version

    import numpy as np

    import lattice

    return f"lattice {lattice.__version__}, numpy {np.__version__}, scikit-learn {version('scikit-learn')}"


def _nothing(_item: object) -> None:
    pass
