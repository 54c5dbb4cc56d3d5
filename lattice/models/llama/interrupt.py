"""Ctrl-C while native code runs: held back, made visible to the code that can stop, and raised once it has returned."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self


class HeldInterrupt:
    """A context manager around a native call; `pending` turns True when Ctrl-C is pressed inside.

    An exception from a signal handler would be lost inside a ctypes callback, which is the only Python that runs there.
    So the handler only takes a note, and the one it replaced is called on leaving. Does nothing outside the main
    thread, where Python delivers no signals.
    """

    def __init__(self) -> None:
        self.pending = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self.pending = False
        if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT)):
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        before, self._before = self._before, None
        if before is not None:
            signal.signal(signal.SIGINT, before)
        if self.pending and callable(before):
            before(signal.SIGINT, None)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.pending = True
