"""A block of lines at the end of a terminal that is drawn again in place as better ones come."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TextIO

import click

from lattice.cli.terminal import cells, wants_plain

_CLEAR_LINE = "\x1b[K"
_CLEAR_BELOW = "\x1b[J"


class Block:
    """Draws lines and replaces them by the next ones.

    While it lives it keeps to the screen, for what has scrolled away can no longer be replaced.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._drawn: list[str] = []
        self._rows = 0

    def draw(self, lines: Sequence[str], status: str) -> None:
        """Replace the block by as many whole `lines` as fit above the `status` line."""
        screen = shutil.get_terminal_size()
        room = screen.lines - 1 - _rows(status, screen.columns)
        shown: list[str] = []
        for line in lines:
            room -= _rows(line, screen.columns)
            if room < 0:
                break
            shown.append(line)
        self._replace([*shown, status])

    def finish(self, lines: Sequence[str]) -> None:
        """Replace the block for good by all of `lines`."""
        self._replace(list(lines))
        self._drawn, self._rows = [], 0

    def _replace(self, lines: list[str]) -> None:
        if lines == self._drawn:
            return
        shown = [click.unstyle(line) for line in lines] if wants_plain() else lines
        up = f"\x1b[{self._rows}A" if self._rows else ""
        # One write, so that the terminal never shows a half-drawn block.
        self._stream.write(f"{up}\r" + "".join(f"{line}{_CLEAR_LINE}\n" for line in shown) + _CLEAR_BELOW)
        self._stream.flush()
        self._drawn = lines
        self._rows = sum(_rows(line, shutil.get_terminal_size().columns) for line in lines)


def _rows(line: str, width: int) -> int:
    return max(1, -(-cells(click.unstyle(line)) // max(1, width)))
