from __future__ import annotations

import io
import json
import sys

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.cli import terminal
from lattice.cli.terminal import cells, clean, clean_name, counted, in_bytes, mark, wants_plain, wrap


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines_of(text: str, width: int) -> list[str]:
    return [text[start:end] for start, end in wrap(text, width)]


def test_wrap_breaks_at_spaces_and_drops_them() -> None:
    assert lines_of("one two three four", 9) == ["one two", "three", "four"]


def test_wrap_cuts_a_word_that_is_longer_than_the_line() -> None:
    assert lines_of("abcdefgh ij", 5) == ["abcde", "fgh", "ij"]


def test_wrap_counts_wide_characters_as_two_cells() -> None:
    assert lines_of("全文搜索引擎", 5) == ["全文", "搜索", "引擎"]


def test_wrap_without_a_width_gives_one_line() -> None:
    assert lines_of("word " * 100, 0) == ["word " * 100]


def test_wrap_of_nothing_gives_no_line() -> None:
    assert lines_of("", 10) == []


@given(st.text(alphabet="ab 全\u0301", max_size=60), st.integers(2, 20))
@settings(deadline=None, derandomize=True, max_examples=200)
def test_wrap_keeps_every_character_but_spaces_and_fits(text: str, width: int) -> None:
    lines = lines_of(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cells(line) <= width for line in lines)


def test_cells_of_combining_characters_are_none() -> None:
    assert cells("e\u0301") == 1
    assert cells("全a") == 3


def test_mark_bolds_only_the_part_within_the_line() -> None:
    text = "why actors leak memory"
    marked = mark(text, ((4, 10), (16, 22)), 8, 18)
    assert click.unstyle(marked) == text[8:18]
    assert marked == f"{click.style('rs', bold=True)} leak {click.style('me', bold=True)}"


def test_clean_takes_commands_to_the_terminal_away_and_keeps_the_length() -> None:
    hostile = "a\x1b[2Jb\x07\x9bc\r\n\td\udcff"
    cleaned = clean(hostile)
    assert len(cleaned) == len(hostile)
    assert not set("\x1b\x07\x9b\r\udcff") & set(cleaned)
    assert "\n\t" in cleaned


def test_a_name_stays_on_one_line_one_character_for_one() -> None:
    hostile = "a\nb\tc\r\x1b[2J\u2028\x85d  e.md"
    cleaned = clean_name(hostile)
    assert len(cleaned) == len(hostile)
    assert cleaned.splitlines() == [cleaned]
    assert cleaned.isprintable()
    assert cleaned.endswith("d  e.md")


@pytest.mark.parametrize(
    ("number", "thing", "words"), [(1, "file", "1 file"), (0, "file", "0 files"), (1200, "entry", "1,200 entries")]
)
def test_counted(number: int, thing: str, words: str) -> None:
    assert counted(number, thing) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 KB"), (1_280_000, "1.28 MB"), (999_999, "1000 KB"), (5e12, "5 TB")],
)
def test_in_bytes(size: int, words: str) -> None:
    assert in_bytes(size) == words


def test_plain_is_wanted_with_no_color_or_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not wants_plain()
    monkeypatch.setenv("NO_COLOR", "1")
    assert wants_plain()
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert wants_plain()


def test_columns_are_those_of_the_terminal_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", FakeTerminal())
    monkeypatch.setenv("COLUMNS", "70")
    assert terminal.columns() == 70
    monkeypatch.setenv("COLUMNS", "400")
    assert terminal.columns() == terminal.MAX_COLUMNS


def test_columns_are_unbounded_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert terminal.columns() == 0


@pytest.mark.parametrize(("encoding", "raw"), [("utf-8", True), ("ascii", False)])
def test_json_is_escaped_only_where_it_must_be(encoding: str, raw: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    terminal.print_json({"word": "搜索"})
    stream.flush()
    assert json.loads(buffer.getvalue()) == {"schema_version": 1, "word": "搜索"}
    assert ("搜索".encode() in buffer.getvalue()) is raw
