from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lattice.models.locks import locked


def test_who_does_not_wait_is_told(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "a.lock"
    with locked(place), pytest.raises(BlockingIOError), locked(place, wait=False):
        pass
    with locked(place, wait=False):
        assert place.exists()


def test_who_waits_comes_after(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / "a.lock"):
            order.append("second")

    with locked(tmp_path / "a.lock"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.05)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]
