"""KV states of static prefixes, least recently used first out, within a budget of bytes."""

from __future__ import annotations

import ctypes
import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import llama_cpp


@dataclass(frozen=True, slots=True)
class _State:
    blob: Any  # a ctypes byte array; llama.cpp reads it in place
    size: int


class StateCache:
    """Keeps the KV state of prefixes of one context; not thread-safe (the engine's lock covers it)."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._used = 0
        self._states: OrderedDict[bytes, _State] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    @property
    def bytes_used(self) -> int:
        """How many bytes the kept states take."""
        return self._used

    def holds(self, tokens: Sequence[int]) -> bool:
        """Whether the state of `tokens` is kept."""
        return _key(tokens) in self._states

    def restore(self, context: Any, sequence: int, tokens: Sequence[int]) -> bool:
        """Put the kept state of `tokens` into `sequence`; False, and the sequence left empty, where there is none."""
        key = _key(tokens)
        state = self._states.get(key)
        if state is None:
            return False
        self._states.move_to_end(key)
        restored = llama_cpp.llama_state_seq_set_data(context, state.blob, state.size, sequence)
        if restored == state.size:
            return True
        # llama.cpp refused it, and what it left behind would give wrong scores without a word.
        llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(context), sequence, -1, -1)
        self._drop(key)
        return False

    def save(self, context: Any, sequence: int, tokens: Sequence[int]) -> None:
        """Keep the state that `sequence` holds after `tokens`; silently not, where it alone is over the budget."""
        size = int(llama_cpp.llama_state_seq_get_size(context, sequence))
        if size == 0 or size > self._budget:
            return
        blob = (ctypes.c_uint8 * size)()
        if llama_cpp.llama_state_seq_get_data(context, blob, size, sequence) != size:
            return
        key = _key(tokens)
        if key in self._states:
            self._drop(key)
        self._states[key] = _State(blob, size)
        self._used += size
        while self._used > self._budget:
            self._drop(next(iter(self._states)))

    def _drop(self, key: bytes) -> None:
        self._used -= self._states.pop(key).size


def _key(tokens: Sequence[int]) -> bytes:
    return hashlib.blake2b(array("i", tokens).tobytes(), digest_size=16).digest()
