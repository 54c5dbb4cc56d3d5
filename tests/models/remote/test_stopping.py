"""Waiting for a server, ended by another thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lattice.types import OutOfTime
from tests.models.remote.scripted import PATIENCE, hangs, says, serving
from tests.models.remote.test_model import QUESTION, asked


def test_another_thread_can_end_the_waiting_until_it_is_allowed_again() -> None:
    with serving(hangs, says("after")) as server, ThreadPoolExecutor(1) as thread:
        model = asked(server)
        waiting = thread.submit(model.ask, QUESTION)
        while not server.questions:
            pass
        model.stop()
        with pytest.raises(OutOfTime):
            waiting.result(PATIENCE)
        with pytest.raises(OutOfTime):
            model.ask(QUESTION)
        model.resume()
        assert model.ask(QUESTION).text == "after"
        model.close()
