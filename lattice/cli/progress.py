"""Progress of long work on standard error: bars with the time left, for a person who has been waiting for a while."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from lattice.cli.terminal import is_terminal

_PATIENCE = 2.0  # seconds; a bar for shorter work would only flicker


class _Bar(Protocol):
    n: int
    total: int

    def update(self, n: int) -> object: ...

    def close(self) -> None: ...


class Bars:
    """One bar a stage; silent where standard error is no terminal. Call it with (stage, units done, units in all)."""

    def __init__(self, *, in_bytes: bool = False) -> None:
        """Count what the work counts; bytes are shown as a person says them."""
        self._look = {"unit": "B", "unit_scale": True} if in_bytes else {}
        self._started = time.monotonic()
        self._stage = ""
        self._bar: _Bar | None = None
        self._silent = not is_terminal(sys.stderr)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Note that `done` of `total` units of `stage` are complete."""
        if self._silent:
            return
        if stage != self._stage or self._bar is None or self._bar.total != total:
            self._close()
            self._stage, self._bar = stage, self._open(stage, done, total)
        self._bar.update(done - self._bar.n)

    def clear(self) -> None:
        """Take the bar away, so that something else can be printed where it stood."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _open(self, stage: str, done: int, total: int) -> _Bar:
        from tqdm import tqdm

        patience = max(0.0, _PATIENCE - (time.monotonic() - self._started))
        # A stage of one unit has no part that could be done: its name says all.
        shape = {"bar_format": "{desc} …"} if total <= 1 else {}
        # What was there before the first call took none of the time that the rest is estimated by.
        look = {"desc": stage, "initial": done, "leave": False, "dynamic_ncols": True, **self._look, **shape}
        bar: _Bar = tqdm(total=total, delay=patience, file=sys.stderr, **look)
        return bar

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
