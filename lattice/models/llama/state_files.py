"""KV states on disk, so that a search tomorrow need not read today's descriptions again.

llama.cpp takes whatever bytes it is given and answers wrong without a word, so nothing here is trusted: a file carries
its whole key and a checksum, and one that does not match in every byte is deleted and its text read anew.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import struct
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

_MAGIC = b"LATTICE KV 1\n"
_SIZES = struct.Struct("<IQ")  # bytes of the key, bytes of the state
_CHECKSUM_BYTES = 32
_SUFFIX, _UNFINISHED = ".kv", ".part"
_ABANDONED_SECONDS = 3600  # an unfinished file of that age belongs to a process that was killed


class StateFiles:
    """A folder of KV states within a budget of bytes, the least recently used deleted first.

    `owner` names everything that a state depends on beside its tokens: model, build, types of K and V. Several
    processes may use a folder at once. Where it cannot be written any more, `problem` says why, and what is there
    still serves.
    """

    def __init__(self, folder: Path, budget_bytes: int, owner: bytes) -> None:
        """Make the folder where it is missing; OSError where it cannot be written."""
        self._folder, self._budget, self._owner = folder, budget_bytes, owner
        self.problem: str | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"{folder} cannot be written")
        self._sizes: OrderedDict[str, int] = OrderedDict()
        for _, name, size in sorted(self._found()):
            self._sizes[name] = size
        self._used = sum(self._sizes.values())
        self._make_room(0)

    @property
    def bytes_used(self) -> int:
        """How many bytes the files take, as far as this process knows."""
        return self._used

    def load(self, material: bytes) -> Any | None:
        """Give the state kept under `material` as a ctypes byte array; None where there is none that can be trusted."""
        key = self._key(material)
        path = self._path(key)
        try:
            with path.open("rb") as file:
                blob = _checked(file, key)
            if blob is not None:
                os.utime(path)  # the age that other processes go by
        except OSError:
            return None
        if blob is None:
            self.discard(material)
        elif path.name in self._sizes:
            self._sizes.move_to_end(path.name)
        return blob

    def save(self, material: bytes, blob: Any) -> None:
        """Keep a state (a ctypes byte array); not where it alone is over the budget, nor after a problem."""
        key = self._key(material)
        path = self._path(key)
        size = len(_MAGIC) + _SIZES.size + len(key) + _CHECKSUM_BYTES + len(blob)
        if self.problem is not None or size > self._budget:
            return
        self._make_room(size - self._sizes.get(path.name, 0))
        unfinished = path.with_suffix(f".{os.getpid()}{_UNFINISHED}")
        try:
            with unfinished.open("wb") as file:
                file.write(_MAGIC + _SIZES.pack(len(key), len(blob)) + key + _checksum(key, blob))
                file.write(blob)
            unfinished.replace(path)
        except OSError as error:
            self.problem = f"KV states cannot be kept in {self._folder}: {error.strerror}"
            unfinished.unlink(missing_ok=True)
            return
        self._used += size - self._sizes.pop(path.name, 0)
        self._sizes[path.name] = size

    def discard(self, material: bytes) -> None:
        """Delete the state kept under `material`."""
        self._delete(self._path(self._key(material)).name)

    def _found(self) -> list[tuple[int, str, int]]:
        """Give time of last use, name and size of every state; unfinished files of killed processes are deleted."""
        found = []
        for path in self._folder.iterdir():
            try:
                stat = path.stat()
                if path.suffix == _SUFFIX:
                    found.append((stat.st_mtime_ns, path.name, stat.st_size))
                elif path.suffix == _UNFINISHED and time.time() - stat.st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process was quicker
        return found

    def _make_room(self, size: int) -> None:
        while self._sizes and self._used + size > self._budget:
            self._delete(next(iter(self._sizes)))

    def _delete(self, name: str) -> None:
        self._used -= self._sizes.pop(name, 0)
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            self.problem = f"{self._folder / name} cannot be deleted: {error.strerror}"

    def _key(self, material: bytes) -> bytes:
        return struct.pack("<I", len(self._owner)) + self._owner + material

    def _path(self, key: bytes) -> Path:
        return self._folder / (hashlib.blake2b(key, digest_size=20).hexdigest() + _SUFFIX)


def _checked(file: Any, key: bytes) -> Any | None:
    """Read a state whose key is `key`; None where anything is not as it was written."""
    if file.read(len(_MAGIC)) != _MAGIC:
        return None
    sizes = file.read(_SIZES.size)
    expected = os.fstat(file.fileno()).st_size - len(_MAGIC) - _SIZES.size - len(key) - _CHECKSUM_BYTES
    if len(sizes) < _SIZES.size or _SIZES.unpack(sizes) != (len(key), expected) or file.read(len(key)) != key:
        return None
    checksum = file.read(_CHECKSUM_BYTES)
    blob = (ctypes.c_uint8 * expected)()
    return blob if file.readinto(blob) == expected and _checksum(key, blob) == checksum else None


def _checksum(key: bytes, blob: Any) -> bytes:
    digest = hashlib.blake2b(key, digest_size=_CHECKSUM_BYTES)
    digest.update(blob)
    return digest.digest()
