from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lattice.errors import IndexCorrupt, IndexLocked, IndexProblem, IndexTooNew
from lattice.store import migrations
from lattice.store import write as writing
from lattice.store.store import Store
from lattice.store.write import sole_writer, write
from tests.store.snapshots import BUILT_AT, LATER, OTHER, make_snapshot, make_store

HERE = Path(__file__).parents[2]


@pytest.fixture(name="index")
def fixture_index(tmp_path: Path) -> Path:
    path = tmp_path / "notes.lattice"
    make_store(path).close()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


SECOND = """
import sys
from pathlib import Path
from lattice.store.write import write
from tests.store.snapshots import LATER, make_snapshot

write(Path(sys.argv[1]), make_snapshot(), LATER)
"""


def test_a_second_writer_is_told_to_wait(index: Path) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def build_slowly() -> None:
        with sole_writer(index):
            has_begun.set()
            assert may_end.wait(10)
            write(index, make_snapshot(OTHER), LATER)

    build = threading.Thread(target=build_slowly)
    build.start()
    try:
        assert has_begun.wait(10)
        with pytest.raises(IndexLocked, match="Wait until it has finished"):
            write(index, make_snapshot(), LATER)
        assert "IndexLocked" in write_elsewhere(index)
    finally:
        may_end.set()
        build.join(10)
    with Store.open(index) as store:
        assert store.status().generation == 2
        assert store.documents() == make_snapshot(OTHER).documents
    assert names(index.parent) == ["notes.lattice"]


def write_elsewhere(index: Path) -> str:
    """Let another process write the index; give what it says on standard error."""
    command = [sys.executable, "-c", SECOND, str(index)]
    return subprocess.run(command, cwd=HERE, check=False, capture_output=True, text=True).stderr


def test_a_whole_build_is_one_writers(index: Path) -> None:
    caught: list[Exception] = []

    def intrude() -> None:
        try:
            with sole_writer(index):
                pytest.fail("two builds would now be at work")
        except IndexLocked as error:
            caught.append(error)

    with sole_writer(index):
        assert "IndexLocked" in write_elsewhere(index)
        other = threading.Thread(target=intrude)
        other.start()
        other.join(10)
        write(index, make_snapshot(OTHER), LATER)
        assert "IndexLocked" in write_elsewhere(index)  # still held once written
    assert len(caught) == 1
    assert names(index.parent) == ["notes.lattice"]
    with Store.open(index) as store:
        assert store.documents() == make_snapshot(OTHER).documents
    assert write_elsewhere(index) == ""


def test_blocks_of_one_writer_may_be_nested(index: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(index)
    with sole_writer(index):
        with sole_writer(link), pytest.raises(RuntimeError, match="mine"), sole_writer(index):
            raise RuntimeError("mine")
        assert "IndexLocked" in write_elsewhere(index)
        write(tmp_path / "other.lattice", make_snapshot(), LATER)
    assert write_elsewhere(index) == ""


def test_what_fails_in_the_block_is_not_put_down_to_the_index(index: Path) -> None:
    with pytest.raises(OSError, match=r"^a document$"), sole_writer(index):
        raise OSError("a document")
    assert names(index.parent) == ["notes.lattice"]


def test_a_writer_fails_before_its_work(index: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "diary.md").write_text("Dear diary, " * 50)
    with sqlite3.connect(tmp_path / "later.lattice") as connection:
        connection.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {migrations.FORMAT + 1}")
    connection.close()
    cases = [
        *((tmp_path / "folder", IndexProblem, "is a folder, and an index is a file. Name a file with --index"),),
        *((Path("/dev/null"), IndexProblem, "is a device"), (tmp_path / "diary.md", IndexCorrupt, "not a lattice")),
        *((tmp_path / "later.lattice", IndexTooNew, "Upgrade"), (index / "in-it", IndexProblem, "choose another")),
        *((Path("/proc/notes.lattice"), IndexProblem, "choose another place"),),
    ]
    before = names(tmp_path)
    for path, problem, message in cases:
        with pytest.raises(problem, match=message), sole_writer(path):
            pytest.fail("the build would now begin")
    assert names(tmp_path) == before
    assert Path("/dev/null").is_char_device()


def test_a_target_that_turned_foreign_during_the_build_is_left_alone(index: Path) -> None:
    with sole_writer(index):
        index.write_text("Dear diary, " * 50)
        with pytest.raises(IndexCorrupt):
            write(index, make_snapshot(OTHER), LATER)
    assert index.read_text().startswith("Dear diary")


def test_folders_made_for_nothing_go_again(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    path = tmp_path / "kept" / "a" / "b" / "notes.lattice"
    with pytest.raises(KeyboardInterrupt), sole_writer(path):
        assert path.parent.is_dir()
        raise KeyboardInterrupt
    assert names(tmp_path / "kept") == []
    with sole_writer(path):
        write(path, make_snapshot(), BUILT_AT)
    assert names(path.parent) == ["notes.lattice"]


@pytest.mark.parametrize("third_writer", [False, True])
def test_a_lock_that_its_holder_removed_is_no_lock(
    index: Path, monkeypatch: pytest.MonkeyPatch, third_writer: bool
) -> None:
    connect = sqlite3.connect

    def too_late(path: Path, **options: object) -> sqlite3.Connection:
        connection = connect(path, **options)  # type: ignore[call-overload]
        connection.execute("SELECT 1 FROM sqlite_master")
        path.rename(path.with_name("removed"))
        if third_writer:
            path.touch()
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr(writing.sqlite3, "connect", too_late)  # type: ignore[attr-defined]
    with pytest.raises(IndexLocked), sole_writer(index):
        pytest.fail("two writers would now be at work")
