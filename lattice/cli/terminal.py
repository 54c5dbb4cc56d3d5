"""What a terminal asks for: its width, the room that a text takes, and no characters that would command it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

import click

MAX_COLUMNS = 110  # longer lines are hard to read, however wide the window is
# A document may hold control characters; shown as they are, they could move the cursor or retitle the window. A lone
# surrogate stands for a byte of a file name that is no UTF-8, and cannot be printed.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

_LINE_BREAKING = re.compile("[\t\n\u2028\u2029]")


def is_terminal(stream: TextIO) -> bool:
    """Whether a person with a terminal that can move its cursor looks at `stream`."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_plain() -> bool:
    """Whether the user asked for output without styles (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def columns() -> int:
    """Give the width to wrap text at, in cells; 0 (do not wrap) where standard output is no terminal."""
    return min(shutil.get_terminal_size().columns, MAX_COLUMNS) if is_terminal(sys.stdout) else 0


def clean(text: str) -> str:
    """Replace every character that commands a terminal or cannot be printed, one for one; keep newlines and tabs."""
    return _UNPRINTABLE.sub("\ufffd", text)


def clean_name(name: str) -> str:
    """Clean a path or name and keep it on one line, one character for one: a file's name may hold a newline."""
    return _LINE_BREAKING.sub("\ufffd", clean(name))


def on_one_line(text: str) -> str:
    """Clean `text` and join its lines."""
    return " ".join(clean(text).split())


def cells(text: str) -> int:
    """Give how many terminal cells an unstyled text takes: two for a wide character, none for a combining one."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def wrap(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Yield the lines of a one-line `text` as characters [start, end), each of at most `width` cells (0: no limit)."""
    start = 0
    while start < len(text):
        end = _fitting(text, start, width) if width > 0 else len(text)
        if end < len(text) and (space := text.rfind(" ", start + 1, end + 1)) > 0:
            end = space
        yield start, end
        start = end + (end < len(text) and text[end] == " ")


def _fitting(text: str, start: int, width: int) -> int:
    used, end = 0, start
    while end < len(text):
        used += _cells_of(text[end])
        if used > width and end > start:
            break
        end += 1
    return end


def mark(text: str, marks: Sequence[tuple[int, int]], start: int, end: int) -> str:
    """Give the characters [start, end) of `text` with the parts that `marks` names in bold."""
    pieces, at = [], start
    for first, last in marks:
        first, last = max(first, at), min(last, end)  # noqa: PLW2901 - cut to the line
        if first < last:
            pieces += [text[at:first], click.style(text[first:last], bold=True)]
            at = last
    return "".join([*pieces, text[at:end]])


def dim(text: str) -> str:
    """Give a text that steps back behind the others."""
    return click.style(text, dim=True)


def notice(text: str) -> None:
    """Tell the user something on standard error, which keeps standard output for data."""
    say(clean(text))


def say(line: str) -> None:
    """Print a line that is clean, and may be styled, on standard error."""
    try:
        click.echo(line, err=True)
    except OSError:  # it is full or gone: there is nobody left to tell
        drop_unwritten(sys.stderr)


def drop_unwritten(stream: TextIO) -> None:
    """Let go of what is buffered and cannot be written: it must not raise again when Python ends."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def counted(number: int, thing: str) -> str:
    """Give a number with its noun: "1 file", "1,200 files"."""
    plural = thing if number == 1 else f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number:,} {plural}"


def in_bytes(size: int) -> str:
    """Give a size in bytes as a person says it."""
    value, units = float(size), ["bytes", "KB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.3g} {units[0]}" if value < 999.5 else f"{value:.0f} {units[0]}"


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object, readable where the output can carry its characters, escaped where it cannot."""
    text = json.dumps({"schema_version": 1, **value}, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps({"schema_version": 1, **value}, indent=2)
    click.echo(text)
