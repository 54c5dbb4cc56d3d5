"""A search as a person sees it: on a pseudo-terminal, and with Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Place
from tests.cli.folder import environment

QUERY = ("search", "actor thread", "--limit", "3")
_PATIENCE = 60.0


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, place: Place, *arguments: str, module: str = "tests.cli.slow_search", **more: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            env=environment(place.home, **more),
            cwd=place.folder,
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while text not in self.shown:
            assert self._read(deadline), f"{text!r} did not come; shown: {self.shown!r}"

    def wait(self) -> int:
        deadline = time.monotonic() + _PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(timeout=_PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        os.close(self._master)

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            received = os.read(self._master, 65536) if ready else b""
        except OSError:  # Linux says so when the last process has closed the terminal
            received = b""
        self.shown += received.decode("utf-8", "replace")
        return bool(received)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_lexical_hits_appear_at_once_and_are_refined_in_place(place: Place, terminals: list[Terminal]) -> None:
    terminal = Terminal(place, *QUERY)
    terminals.append(terminal)
    terminal.wait_for("Ctrl-C keeps what is here")
    first = terminal.shown
    assert "~" in plain(first)
    assert "actors.md:" in plain(first)
    assert terminal.wait() == 0
    later = terminal.shown[len(first) :]
    assert re.search(r"\x1b\[\d+A", later), "nothing was drawn in place"
    final = plain(terminal.shown.rsplit("\x1b[K\n", 0)[0]).rsplit("Ctrl-C", 1)[1]
    assert "Scheduling" in final
    assert "  1  0." in final  # read by the judge, no longer ~
    assert "Ctrl-C" not in final


def test_the_words_of_the_query_are_bold_unless_no_color(place: Place, terminals: list[Terminal]) -> None:
    styled = Terminal(place, *QUERY, "--no-model", module="lattice")
    bare = Terminal(place, *QUERY, "--no-model", module="lattice", NO_COLOR="1")
    terminals += [styled, bare]
    assert (styled.wait(), bare.wait()) == (0, 0)
    assert "\x1b[1mactor\x1b[0m" in styled.shown
    assert not re.search(r"\x1b\[[0-9;]*m", bare.shown)
    assert "actor" in bare.shown


def test_a_dumb_terminal_gets_the_final_answer_alone(place: Place, terminals: list[Terminal]) -> None:
    terminal = Terminal(place, *QUERY, "--no-model", module="lattice", TERM="dumb")
    terminals.append(terminal)
    assert terminal.wait() == 0
    assert "\x1b" not in terminal.shown
    assert terminal.shown.count("  1 ~") == 1


def test_ctrl_c_on_a_terminal_keeps_the_hits(place: Place, terminals: list[Terminal]) -> None:
    terminal = Terminal(place, *QUERY)
    terminals.append(terminal)
    terminal.wait_for("Ctrl-C keeps what is here")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.wait() == 130
    final = plain(terminal.shown).rsplit("Ctrl-C", 1)[1]
    assert "actors.md:" in final
    errors = terminal.errors()
    assert "Interrupted; these are the hits so far." in errors
    assert "Traceback" not in errors


def test_ctrl_c_in_a_pipe_gives_the_hits_so_far(place: Place) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.slow_search", *QUERY],
        env=environment(place.home),
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    hits, errors = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 130
    assert "actors.md:" in hits
    assert "Interrupted" in errors
    assert "Traceback" not in errors


@pytest.mark.model
def test_ctrl_c_while_the_real_model_reads(place: Place, terminals: list[Terminal]) -> None:
    terminal = Terminal(place, *QUERY, "--budget", "100000", module="lattice")
    terminals.append(terminal)
    terminal.wait_for("Ctrl-C keeps what is here")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.wait() == 130
    errors = terminal.errors()
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


def test_how_a_question_was_understood_stands_above_the_hits(place: Place) -> None:
    terminals = []
    try:
        for words in ("how do actors leak memory", "and when?"):
            terminals.append(Terminal(place, "search", words, "--limit", "1", "--session", "pty"))
            assert terminals[-1].wait() == 0
    finally:
        for terminal in terminals:
            terminal.close()
        (place.home / "sessions" / "pty.json").unlink(missing_ok=True)
    first, second = (terminal.shown for terminal in terminals)
    assert "Understood as" not in first
    assert "Understood as: actors leak memory when? (from earlier questions:" in second
    assert second.rindex("Understood as") < second.rindex("actors.md:")
