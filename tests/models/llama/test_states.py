from __future__ import annotations

import pytest

from lattice.models.llama import states
from lattice.models.llama.states import StateCache


class FakeLlama:
    """Stands in for llama.cpp's three state calls: a sequence's state is 100 bytes; `refuses` makes restoring fail."""

    def __init__(self) -> None:
        self.restored: list[int] = []
        self.removed: list[int] = []
        self.refuses = False

    def llama_state_seq_get_size(self, _context: object, _sequence: int) -> int:
        return 100

    def llama_state_seq_get_data(self, _context: object, _blob: object, size: int, _sequence: int) -> int:
        return size

    def llama_state_seq_set_data(self, _context: object, _blob: object, size: int, sequence: int) -> int:
        self.restored.append(sequence)
        return 0 if self.refuses else size

    def llama_get_memory(self, _context: object) -> None:
        return None

    def llama_memory_seq_rm(self, _memory: object, sequence: int, _start: int, _end: int) -> bool:
        self.removed.append(sequence)
        return True


@pytest.fixture
def llama(monkeypatch: pytest.MonkeyPatch) -> FakeLlama:
    fake = FakeLlama()
    monkeypatch.setattr(states, "llama_cpp", fake)
    return fake


def test_what_was_kept_is_restored_and_nothing_else(llama: FakeLlama) -> None:
    cache = StateCache(1000)
    cache.of("one").save(None, 0, [1, 2, 3])
    assert cache.of("one").restore(None, 5, [1, 2, 3])
    assert not cache.of("one").restore(None, 5, [1, 2])
    assert llama.restored == [5]


def test_the_least_recently_used_goes_first(llama: FakeLlama) -> None:
    cache = StateCache(300)
    for token in (1, 2, 3):
        cache.of("one").save(None, 0, [token])
    cache.of("one").restore(None, 0, [1])
    cache.of("one").save(None, 0, [4])
    assert [cache.of("one").holds([token]) for token in (1, 2, 3, 4)] == [True, False, True, True]
    assert cache.bytes_used == 300
    assert len(cache) == 3


def test_keeping_the_same_text_again_takes_no_more_room(llama: FakeLlama) -> None:
    cache = StateCache(1000)
    cache.of("one").save(None, 0, [1])
    cache.of("one").save(None, 0, [1])
    assert cache.bytes_used == 100


def test_a_state_over_the_budget_is_not_kept(llama: FakeLlama) -> None:
    cache = StateCache(99)
    cache.of("one").save(None, 0, [1])
    assert len(cache) == 0


def test_a_refused_state_is_forgotten_and_its_sequence_emptied(llama: FakeLlama) -> None:
    cache = StateCache(1000)
    cache.of("one").save(None, 0, [1])
    llama.refuses = True
    assert not cache.of("one").restore(None, 3, [1])
    assert llama.removed == [3]
    assert not cache.of("one").holds([1])
    assert cache.bytes_used == 0


def test_contexts_share_the_budget_and_not_their_states(llama: FakeLlama) -> None:
    cache = StateCache(250)
    cache.of("one").save(None, 0, [1])
    cache.of("two").save(None, 0, [2])
    assert not cache.of("two").holds([1])
    assert cache.of("one").holds([1])
    cache.of("two").save(None, 0, [3])
    assert [cache.of("one").holds([1]), cache.of("two").holds([2]), cache.of("two").holds([3])] == [True, False, True]
    assert cache.bytes_used == 200
