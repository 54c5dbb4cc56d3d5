"""KV states of static prefixes, least recently used first out, within a budget of bytes; on disk too where asked."""

from __future__ import annotations

import ctypes
import hashlib
import json
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp

from lattice.models.llama.state_files import StateFiles
from lattice.models.llama.weights import Weights

_SAMPLES, _SAMPLE_BYTES = 64, 4096


@dataclass(frozen=True, slots=True)
class _State:
    blob: Any  # a ctypes byte array; llama.cpp reads it in place
    size: int


class StateCache:
    """Keeps the KV states of all contexts of an engine; not thread-safe (the engine's lock covers it).

    With `files`, a state is also kept on disk and found there by a later process.
    """

    def __init__(self, budget_bytes: int, files: StateFiles | None = None) -> None:
        self._budget, self._files = budget_bytes, files
        self._used = 0
        self._states: OrderedDict[bytes, _State] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    @property
    def bytes_used(self) -> int:
        """How many bytes the kept states take."""
        return self._used

    def of(self, context: str) -> ContextStates:
        """Give the states of the context of that name."""
        return ContextStates(self, context)

    def find(self, material: bytes) -> _State | None:
        """Give a state from memory, else from disk, from where it goes into memory."""
        key = _key(material)
        if key in self._states:
            self._states.move_to_end(key)
            return self._states[key]
        blob = None if self._files is None else self._files.load(material)
        if blob is None:
            return None
        state = _State(blob, len(blob))
        self._keep(key, state)
        return state

    def takes(self, size: int) -> bool:
        """Whether a state of so many bytes can be kept."""
        return 0 < size <= self._budget

    def add(self, material: bytes, blob: Any) -> None:
        """Keep a state, and drop those that were not used for longest where it makes them too many."""
        self._keep(_key(material), _State(blob, len(blob)))
        if self._files is not None:
            self._files.save(material, blob)

    def discard(self, material: bytes) -> None:
        """Forget a state, on disk too."""
        self._drop(_key(material))
        if self._files is not None:
            self._files.discard(material)

    def _keep(self, key: bytes, state: _State) -> None:
        self._drop(key)
        self._states[key] = state
        self._used += state.size
        while self._used > self._budget:
            self._drop(next(iter(self._states)))

    def _drop(self, key: bytes) -> None:
        if key in self._states:
            self._used -= self._states.pop(key).size


@dataclass(frozen=True, slots=True)
class ContextStates:
    """The part of a cache that belongs to one context: a state made in one is not put into another."""

    cache: StateCache
    context: str

    def holds(self, tokens: Sequence[int]) -> bool:
        """Whether the state of `tokens` is kept."""
        return self.cache.find(self._material(tokens)) is not None

    def restore(self, context: Any, sequence: int, tokens: Sequence[int]) -> bool:
        """Put the kept state of `tokens` into `sequence`; False, and the sequence left empty, where there is none."""
        state = self.cache.find(self._material(tokens))
        if state is None:
            return False
        restored = llama_cpp.llama_state_seq_set_data(context, state.blob, state.size, sequence)
        if restored == state.size:
            return True
        # llama.cpp refused it, and what it left behind would give wrong scores without a word.
        llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(context), sequence, -1, -1)
        self.cache.discard(self._material(tokens))
        return False

    def save(self, context: Any, sequence: int, tokens: Sequence[int]) -> None:
        """Keep the state that `sequence` holds after `tokens`; silently not, where it alone is over the budget."""
        size = int(llama_cpp.llama_state_seq_get_size(context, sequence))
        if not self.cache.takes(size):
            return
        blob = (ctypes.c_uint8 * size)()
        if llama_cpp.llama_state_seq_get_data(context, blob, size, sequence) == size:
            self.cache.add(self._material(tokens), blob)

    def _material(self, tokens: Sequence[int]) -> bytes:
        return self.context.encode() + b"\0" + array("i", tokens).tobytes()


def owner(weights: Weights, gpu_layers: int) -> bytes:
    """Name everything that a KV state depends on beside its tokens: the file, llama.cpp's build and this machine's
    way to compute, the types of K and V, flash attention, the chat template.
    """
    about = {
        "model": _identity(weights.path),
        "template": hashlib.sha256((weights.metadata("tokenizer.chat_template") or "").encode()).hexdigest(),
        "build": llama_cpp.__version__,
        "system": llama_cpp.llama_print_system_info().decode("utf-8", errors="replace"),
        "gpu_layers": gpu_layers,
        # As llama.cpp's own defaults have them (Decoder sets none).
        "type_k": "f16",
        "type_v": "f16",
        "flash_attn": "auto",
        "adapter": None,
    }
    return json.dumps(about, sort_keys=True).encode()


def _identity(path: Path) -> str:
    """Name a file by its size, its time of change and samples of its content: hashing gigabytes would take seconds."""
    stat = path.stat()
    digest = hashlib.sha256(f"{stat.st_size}:{stat.st_mtime_ns}".encode())
    with path.open("rb") as file:
        for i in range(_SAMPLES + 1):
            file.seek(max(0, (stat.st_size - _SAMPLE_BYTES) * i // _SAMPLES))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _key(material: bytes) -> bytes:
    return hashlib.blake2b(material, digest_size=16).digest()
