"""What llama.cpp leaves to its callers: its log, kept away from the user's terminal."""

from __future__ import annotations

import logging
from typing import Any

import llama_cpp

_WARNING_LEVEL = 3  # ggml's log levels: 1 debug, 2 info, 3 warning, 4 error
_log = logging.getLogger("lattice.llama")


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _forward_log(level: int, text: bytes, _data: Any) -> None:
    message = text.decode("utf-8", errors="replace").rstrip()
    if message:
        _log.log(logging.WARNING if level >= _WARNING_LEVEL else logging.DEBUG, message)


def quiet_native_log() -> None:
    """Send llama.cpp's messages to the logger `lattice.llama`, which shows nothing unless the caller asks."""
    if not _log.handlers:
        _log.addHandler(logging.NullHandler())
        _log.propagate = False
    llama_cpp.llama_log_set(_forward_log, None)
