"""Named sessions on disk: what is kept, for how long, and what becomes of it when something goes wrong."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lattice.errors import SessionProblem, UsageError
from lattice.sessions import KEPT, Turn, check_name, forget, no_session, remember, session, sessions
from tests.cli.folder import environment


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"LATTICE_HOME": str(tmp_path / "home")}


def _turn(text: str) -> Turn:
    return Turn(text, f"{text}, understood", "/notes.lattice", "2026-01-02T03:04:05+00:00")


def _texts(name: str, home: dict[str, str]) -> list[str]:
    found = session(name, home)
    return [one.text for one in found.asked] if found else []


def test_what_was_asked_comes_back_in_order_and_only_under_its_name(home: dict[str, str]) -> None:
    assert session("garden", home) is None
    for text in ("how do I prune roses", "and in winter?\n\x1b[2J", "搜索 \ud800"):
        assert remember("garden", _turn(text), home) is None
    assert _texts("garden", home) == ["how do I prune roses", "and in winter?\n\x1b[2J", "搜索 \ud800"]
    assert _texts("kitchen", home) == []
    assert [one.name for one in sessions(home)] == ["garden"]


def test_the_oldest_are_let_go(home: dict[str, str]) -> None:
    for number in range(KEPT + 5):
        remember("garden", _turn(f"question {number}"), home)
    assert _texts("garden", home) == [f"question {number}" for number in range(5, KEPT + 5)]


def test_nothing_is_there_before_it_is_asked_for_and_its_owner_alone_reads_it(home: dict[str, str]) -> None:
    assert sessions(home) == []
    assert not Path(home["LATTICE_HOME"]).exists()
    remember("garden", _turn("roses"), home)
    (path,) = [one.path for one in sessions(home)]
    assert path == Path(home["LATTICE_HOME"]) / "sessions" / "garden.json"
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(one.name for one in path.parent.iterdir()) == [".lock", "garden.json"]


def test_forgotten_is_gone(home: dict[str, str]) -> None:
    for name in ("garden", "kitchen"):
        remember(name, _turn("roses"), home)
    forget("garden", home)
    assert [one.name for one in sessions(home)] == ["kitchen"]
    with pytest.raises(SessionProblem, match=r"There is no session garden. Sessions: kitchen"):
        forget("garden", home)
    assert "none yet" in str(no_session("x", {"LATTICE_HOME": home["LATTICE_HOME"] + "2"}))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", ".hidden", "-x", "a b", "a\n", "x" * 41, "a.", "a:b"])
def test_a_name_that_is_no_files_name_is_refused(home: dict[str, str], name: str) -> None:
    for use in (check_name, lambda one: session(one, home), lambda one: remember(one, _turn("x"), home)):
        with pytest.raises(UsageError, match="cannot name a session"):
            use(name)
    with pytest.raises(UsageError):
        forget(name, home)


@given(st.text(max_size=60))
def test_a_name_that_is_taken_stays_in_its_folder(name: str) -> None:
    try:
        check_name(name)
    except UsageError:
        return
    path = Path("sessions") / f"{name}.json"
    assert path.name == f"{name}.json"
    assert path.parent == Path("sessions")
    assert not name.startswith(".")
    assert len(path.name.encode()) <= 255


DAMAGED = [
    "",
    "{",
    "[]",
    "null",
    '{"schema_version": 1}',
    '{"schema_version": 1, "asked": [3]}',
    '{"schema_version": 1, "asked": [{"text": 3, "understood": "", "index": "", "at": ""}]}',
    '{"schema_version": "1", "asked": []}',
    "[" * 100_000,
    "\x00\xff",
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_record_is_told_with_its_cure_and_left_as_it_is(home: dict[str, str], text: str) -> None:
    remember("garden", _turn("roses"), home)
    remember("kitchen", _turn("knives"), home)
    path = Path(home["LATTICE_HOME"]) / "sessions" / "garden.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SessionProblem, match=r"is damaged .* `lattice sessions forget garden`") as caught:
        session("garden", home)
    assert str(path) in str(caught.value)
    assert "is damaged" in str(remember("garden", _turn("lilies"), home))
    assert path.read_text(encoding="latin-1") == text
    assert [(one.name, one.problem is None) for one in sessions(home)] == [("garden", False), ("kitchen", True)]
    forget("garden", home)
    assert remember("garden", _turn("lilies"), home) is None


def test_a_record_of_a_later_version_is_not_touched(home: dict[str, str]) -> None:
    remember("garden", _turn("roses"), home)
    path = Path(home["LATTICE_HOME"]) / "sessions" / "garden.json"
    path.write_text(json.dumps({"schema_version": 2, "turns": []}))
    with pytest.raises(SessionProblem, match="later version of lattice: upgrade"):
        session("garden", home)
    assert "later version" in str(remember("garden", _turn("lilies"), home))


def test_what_cannot_be_read_or_written_is_told(home: dict[str, str]) -> None:
    folder = Path(home["LATTICE_HOME"]) / "sessions"
    (folder / "garden.json").mkdir(parents=True)
    with pytest.raises(SessionProblem, match=r"cannot be read: Is a directory. Make it readable"):
        session("garden", home)
    with pytest.raises(SessionProblem, match="cannot be deleted"):
        forget("garden", home)
    blocked = {"LATTICE_HOME": str(folder / "file")}
    (folder / "file").write_text("in the way")
    assert "cannot be written" in str(remember("garden", _turn("roses"), blocked))


def test_what_is_no_record_of_ours_is_no_session(home: dict[str, str]) -> None:
    remember("garden", _turn("roses"), home)
    folder = Path(home["LATTICE_HOME"]) / "sessions"
    for name in (".garden.json-abc", "a b.json", "notes.txt"):
        (folder / name).write_text("{}")
    assert [one.name for one in sessions(home)] == ["garden"]


def test_processes_at_once_lose_nothing_of_each_others(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom lattice.sessions import Turn, remember\n"
        "for i in range(4):\n"
        "    assert remember('s', Turn(f'{sys.argv[1]} {i}', '', '', ''), os.environ) is None"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(number)], env=environment(tmp_path)) for number in range(4)
    ]
    assert [process.wait(120) for process in running] == [0] * 4
    found = _texts("s", {"LATTICE_HOME": str(tmp_path)})
    assert sorted(found) == sorted(f"{number} {i}" for number in range(4) for i in range(4))
    for number in range(4):
        own = [text for text in found if text.startswith(f"{number} ")]
        assert own == [f"{number} {i}" for i in range(4)]
