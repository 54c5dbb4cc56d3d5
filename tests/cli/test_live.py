from __future__ import annotations

import io
import re

import pytest

from lattice.cli.live import Block


class Screen:
    """A terminal of a given size that understands just what `Block` sends."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.lines: list[str] = [""]
        self.at = 0
        self.scrolled = 0

    def feed(self, text: str) -> None:
        for part in re.split(r"(\x1b\[[0-9;]*[A-Za-z]|\r|\n)", text):
            self._take(part)

    def _take(self, part: str) -> None:
        if part == "\n":
            self._down()
        elif match := re.fullmatch(r"\x1b\[(\d+)A", part):
            self.at = max(self.scrolled, self.at - int(match.group(1)))
        elif part == "\x1b[J":
            del self.lines[self.at :]
            self.lines.append("")
        elif not part.startswith(("\x1b", "\r")) and part:
            pieces = [part[i : i + self.columns] for i in range(0, len(part), self.columns)]
            for number, piece in enumerate(pieces):
                self.lines[self.at] = piece
                if number + 1 < len(pieces):
                    self._down()

    def _down(self) -> None:
        self.at += 1
        if self.at == len(self.lines):
            self.lines.append("")
        self.scrolled = max(self.scrolled, self.at - self.rows + 1)


@pytest.fixture(autouse=True)
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "6")
    monkeypatch.setenv("NO_COLOR", "1")


def shown_after(*drawings: list[str], last: list[str] | None = None) -> list[str]:
    stream, screen = io.StringIO(), Screen(20, 6)
    block = Block(stream)
    screen.feed("before\n")
    for lines in drawings:
        block.draw(lines, "status")
    if last is not None:
        block.finish(last)
    screen.feed(stream.getvalue())
    return screen.lines


def test_a_drawing_replaces_the_one_before() -> None:
    assert shown_after(["a", "b"], ["c"]) == ["before", "c", "status", ""]


def test_longer_and_shorter_lines_are_counted_in_rows() -> None:
    assert shown_after(["x" * 45, "b"], ["c", "d"]) == ["before", "c", "d", "status", ""]


def test_the_end_takes_the_status_away_and_may_scroll() -> None:
    last = [f"line {number}" for number in range(12)]
    assert shown_after(["a"], last=last) == ["before", *last, ""]


def test_a_block_keeps_to_the_screen_while_it_lives() -> None:
    long = [f"line {number}" for number in range(12)]
    assert shown_after(long, ["short"]) == ["before", "short", "status", ""]


def test_what_has_not_changed_is_not_drawn_again() -> None:
    stream = io.StringIO()
    block = Block(stream)
    block.draw(["a"], "status")
    once = stream.getvalue()
    block.draw(["a"], "status")
    assert stream.getvalue() == once


def test_no_color_takes_the_styles_but_not_the_redrawing() -> None:
    stream = io.StringIO()
    block = Block(stream)
    block.draw(["\x1b[1mbold\x1b[0m"], "status")
    block.draw(["other"], "status")
    assert "\x1b[1m" not in stream.getvalue()
    assert "\x1b[2A" in stream.getvalue()
