from __future__ import annotations

import io
import sys

import pytest

from lattice.cli import progress
from lattice.cli.progress import Bars
from tests.cli.test_terminal import FakeTerminal


def test_bars_are_silent_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    with Bars() as bars:
        bars("reading", 1, 2)
    assert stream.getvalue() == ""


def test_short_work_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with Bars() as bars:
        for done in range(3):
            bars("reading", done, 2)
    assert "reading" not in stream.getvalue()


def test_long_work_shows_a_bar_a_stage_and_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    with Bars() as bars:
        bars("reading", 0, 200)
        bars("reading", 200, 200)
        bars("writing", 0, 1)
    shown = stream.getvalue()
    assert "reading" in shown
    assert "200" in shown
    assert "writing …" in shown
    assert shown.rsplit("\r", 1)[-1].strip() == ""


def test_bytes_are_shown_as_a_person_says_them_and_what_was_there_is_not_counted_as_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = FakeTerminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    with Bars(in_bytes=True) as bars:
        bars("downloading", 4_000_000, 8_000_000)
        assert "4.00M/8.00M" in stream.getvalue()
        assert "?B/s" in stream.getvalue()
        bars.clear()
        assert stream.getvalue().rsplit("\r", 1)[-1].strip() == ""
        bars("downloading", 5_000_000, 8_000_000)
    assert "5.00M/8.00M" in stream.getvalue()
