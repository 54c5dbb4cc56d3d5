"""What llama.cpp leaves to its callers: file checks, and its log kept away from the user's terminal."""

from __future__ import annotations

import logging
import mmap
import struct
from pathlib import Path
from typing import Any

import llama_cpp

from lattice.errors import ModelNotFound, ModelUnusable

_MAGIC = b"GGUF"
_OLDEST_VERSION, _NEWEST_VERSION = 2, 3
# Tensors are listed after the vocabulary: the largest (260,000 tokens and their merges) takes about 15 MB.
_HEADER_BYTES = 64 * 1024 * 1024
_WARNING_LEVEL = 3  # ggml's log levels: 1 debug, 2 info, 3 warning, 4 error
_log = logging.getLogger("lattice.llama")


def check_gguf(path: Path) -> None:
    """Refuse what is no GGUF file before llama.cpp sees it: ModelNotFound or ModelUnusable, with the reason."""
    if not path.is_file():
        raise ModelNotFound(f"There is no model file at {path}. Give the path of a .gguf file, or leave --model out.")
    try:
        with path.open("rb") as file:
            header = file.read(24)
    except OSError as error:
        raise ModelUnusable(f"The model file {path} cannot be read: {error.strerror}.") from error
    if not header.startswith(_MAGIC):
        kind = "an HTML page" if header.lstrip().lower().startswith((b"<!doc", b"<html")) else "no GGUF file"
        raise ModelUnusable(f"{path} is {kind}: download the model again, or convert it to GGUF.")
    if len(header) < 24 or not _OLDEST_VERSION <= struct.unpack("<I", header[4:8])[0] <= _NEWEST_VERSION:
        raise ModelUnusable(f"{path} is cut short or of an unknown GGUF version: download the model again.")


def lists_tensor(path: Path, name: str) -> bool:
    """Whether a GGUF holds a tensor of that name, which llama.cpp's own interface does not tell."""
    entry = struct.pack("<Q", len(name)) + name.encode()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(entry, 0, _HEADER_BYTES) >= 0


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
