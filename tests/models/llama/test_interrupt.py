from __future__ import annotations

import os
import signal
import threading

import pytest

from lattice.models.llama.interrupt import HeldInterrupt


def test_ctrl_c_is_held_until_the_block_ends() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), HeldInterrupt() as held:
        os.kill(os.getpid(), signal.SIGINT)
        reached.append(held.pending)
    assert reached == [True]


def test_the_handler_from_before_is_put_back_and_called() -> None:
    called: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: called.append(number))
    try:
        mine = signal.getsignal(signal.SIGINT)
        with HeldInterrupt():
            os.kill(os.getpid(), signal.SIGINT)
        assert called == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_without_ctrl_c_nothing_happens() -> None:
    before = signal.getsignal(signal.SIGINT)
    with HeldInterrupt() as held:
        assert not held.pending
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with HeldInterrupt():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_may_use_it() -> None:
    problems: list[BaseException] = []

    def work() -> None:
        try:
            with HeldInterrupt():
                pass
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert problems == []
