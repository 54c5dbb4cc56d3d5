from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lattice.errors import IndexCorrupt, IndexLocked, IndexProblem, IndexTooNew
from lattice.store import migrations
from lattice.store.store import Store
from lattice.store.write import write
from lattice.types import Passage, Snapshot
from tests.store.snapshots import BUILT_AT, LATER, OTHER, content, make_snapshot, make_store

HERE = Path(__file__).parents[2]


@pytest.fixture(name="index")
def fixture_index(tmp_path: Path) -> Path:
    path = tmp_path / "notes.lattice"
    make_store(path).close()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "notes.lattice"
    write(path, make_snapshot(), BUILT_AT)
    assert names(path.parent) == ["notes.lattice"]


def test_a_second_build_replaces_everything(index: Path) -> None:
    snapshot = make_snapshot(OTHER, root="/elsewhere")
    write(index, snapshot, LATER)
    with Store.open(index) as store:
        assert store.documents() == snapshot.documents
        assert tuple(store.passages([1, 2]).values()) == snapshot.passages
        assert tuple(store.node(node) for node in range(1, 5)) == snapshot.nodes
        assert store.vectors()[0].tolist() == [1, 2]
        assert [passage for passage, _ in store.lexical("actor", 9)] == [1]
        status = store.status()
    assert (status.root, status.built_at, status.generation, status.nodes) == ("/elsewhere", LATER, 2, 4)
    with pytest.raises(KeyError), Store.open(index) as store:
        store.node(5)


def test_generations_count_up(index: Path) -> None:
    for generation in (2, 3, 4):
        write(index, make_snapshot(), BUILT_AT)
        with Store.open(index) as store:
            assert store.status().generation == generation


def test_the_same_build_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, make_snapshot(), BUILT_AT)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_permissions_and_links_stay(tmp_path: Path, index: Path) -> None:
    index.chmod(0o600)
    link = tmp_path / "link.lattice"
    link.symlink_to(index)
    write(link, make_snapshot(OTHER), LATER)
    assert link.is_symlink()
    assert index.stat().st_mode & 0o777 == 0o600
    with Store.open(index) as store:
        assert store.status().generation == 2


def test_a_reader_keeps_its_generation_until_it_is_done(index: Path) -> None:
    with Store.open(index) as store:
        with store.reading():
            before = content(store)
            write(index, make_snapshot(OTHER), LATER)
            with store.reading():  # nested: still the same search
                assert content(store) == before
            with Store.open(index) as other:
                assert other.status().generation == 2
            assert content(store) == before
        assert content(store) == before
        with store.reading():
            assert store.status().generation == 2
            assert store.documents() == make_snapshot(OTHER).documents
            assert [node.id for node in store.children(2)] == [3, 4]


class Watched(tuple[Passage, ...]):
    """Passages that let a test act while they are being written."""

    started: threading.Event
    go_on: threading.Event

    def __iter__(self) -> Iterator[Passage]:
        self.started.set()
        assert self.go_on.wait(10)
        return super().__iter__()


def watched(snapshot: Snapshot) -> tuple[Snapshot, Watched]:
    passages = Watched(snapshot.passages)
    passages.started, passages.go_on = threading.Event(), threading.Event()
    return replace(snapshot, passages=passages), passages


def test_readers_go_on_while_a_build_is_writing(index: Path) -> None:
    snapshot, passages = watched(make_snapshot(OTHER))
    build = threading.Thread(target=write, args=(index, snapshot, LATER))
    build.start()
    try:
        assert passages.started.wait(10)
        with Store.open(index) as store, store.reading():
            assert store.status().generation == 1
            assert store.passage(1) == make_snapshot().passages[0]
            passages.go_on.set()
            build.join(10)
            assert store.status().generation == 1
            assert len(store.lexical("actor", 9)) == 2
    finally:
        passages.go_on.set()
        build.join(10)
    with Store.open(index) as store:
        assert store.status().generation == 2


KILLED = """
    import os, signal, sys
    from dataclasses import replace
    from pathlib import Path
    from lattice.store.write import write
    from tests.store.snapshots import LATER, OTHER, make_snapshot

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    class Deadly(tuple):
        def __iter__(self):
            yield from list(tuple.__iter__(self))[:800]
            die()

    path, point = Path(sys.argv[1]), sys.argv[2]
    # Texts of one long run cost no stemming, and fill more pages than SQLite keeps in memory before it writes.
    files = OTHER | {f"n{n:04}.md": [((), "x" * 3000)] for n in range(1500)}
    snapshot = make_snapshot(files)
    if point in ("documents", "passages", "nodes"):
        snapshot = replace(snapshot, **{point: Deadly(getattr(snapshot, point))})
    elif point == "before the flip":
        Path.replace = die
    elif point == "after the flip":
        keep = Path.replace
        Path.replace = lambda *names: (keep(*names), die())
    else:
        import lattice.store.write as writing
        setattr(writing, point, die)
    write(path, snapshot, LATER)
"""
POINTS = ["documents", "passages", "nodes", "_insert_words", "_flip", "_flush", "before the flip"]


def killed(index: Path, point: str) -> None:
    """Run a build that kills itself at `point`: in the middle of a table, or before that function's work."""
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(index), point]
    done = subprocess.run(command, cwd=HERE, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_build_leaves_the_old_index_whole(index: Path, point: str) -> None:
    with Store.open(index) as store:
        before = content(store)
    raw = index.read_bytes()
    killed(index, point)
    assert index.read_bytes() == raw
    with Store.open(index) as store:
        assert content(store) == before
    write(index, make_snapshot(OTHER), LATER)
    with Store.open(index) as store:
        assert store.status().generation == 2
    assert names(index.parent) == ["notes.lattice"]


def test_a_build_killed_after_the_flip_is_whole(index: Path) -> None:
    killed(index, "after the flip")
    with Store.open(index) as store:
        assert (store.status().generation, store.status().passages) == (2, 1502)
        assert len(store.lexical("heron", 9)) == 2
    connection = sqlite3.connect(index)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_a_first_build_that_is_killed_leaves_no_index(tmp_path: Path) -> None:
    path = tmp_path / "first.lattice"
    killed(path, "nodes")
    assert not path.exists()


FULL = """
    import resource, sys
    from pathlib import Path
    from lattice.errors import IndexProblem
    from lattice.store.write import write
    from tests.store.snapshots import make_snapshot

    snapshot = make_snapshot({f"n{n}.md": [((), "x" * 3000)] for n in range(600)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    try:
        write(Path(sys.argv[1]), snapshot, "later")
    except IndexProblem as problem:
        print(problem)
"""


def test_a_full_disk_leaves_the_old_index_whole(index: Path) -> None:
    # A limit on the size of files stands in for that of the disk.
    raw = index.read_bytes()
    command = [sys.executable, "-c", textwrap.dedent(FULL), str(index)]
    done = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True)
    assert "what was there before is unchanged. Free space" in done.stdout
    assert index.read_bytes() == raw
    assert names(index.parent) == ["notes.lattice"]


def test_a_failing_build_leaves_the_old_index_whole(index: Path) -> None:
    raw = index.read_bytes()
    short = replace(make_snapshot(OTHER), vectors=np.zeros((1, 4), np.float32))
    with pytest.raises(ValueError, match="shorter"):
        write(index, short, LATER)
    with pytest.raises(TypeError, match="not plain"):
        write(index, replace(make_snapshot(), embedder={"bad": np.array([object()])}), LATER)
    assert index.read_bytes() == raw
    assert names(index.parent) == ["notes.lattice"]


def test_a_place_that_cannot_be_written_says_the_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(IndexProblem, match="choose another place with --index or LATTICE_HOME"):
        write(tmp_path / "file" / "notes.lattice", make_snapshot(), BUILT_AT)
    with pytest.raises(IndexProblem, match="choose another place"):
        write(Path("/proc/notes.lattice"), make_snapshot(), BUILT_AT)


def test_what_is_no_index_is_never_overwritten(tmp_path: Path) -> None:
    text = tmp_path / "diary.md"
    text.write_text("Dear diary, " * 50)
    database = tmp_path / "other.db"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    for path in (text, database):
        raw = path.read_bytes()
        with pytest.raises(IndexCorrupt):
            write(path, make_snapshot(), BUILT_AT)
        assert path.read_bytes() == raw
    assert names(tmp_path) == ["diary.md", "other.db"]


def test_an_index_from_a_later_version_is_never_overwritten(index: Path) -> None:
    with sqlite3.connect(index) as connection:
        connection.execute(f"PRAGMA user_version = {migrations.FORMAT + 1}")
    connection.close()
    with pytest.raises(IndexTooNew):
        write(index, make_snapshot(), LATER)


@pytest.mark.parametrize("keep", [0, 5000])
def test_a_build_cures_a_damaged_index(index: Path, keep: int) -> None:
    os.truncate(index, keep)
    write(index, make_snapshot(OTHER), LATER)
    with Store.open(index) as store:
        assert store.documents() == make_snapshot(OTHER).documents


def test_a_log_that_another_program_left_is_not_taken_for_ours(index: Path) -> None:
    other = sqlite3.connect(index)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("UPDATE build SET generation = 41")
    other.commit()
    left = {suffix: Path(f"{index}{suffix}").read_bytes() for suffix in ("-wal", "-shm")}
    raw = index.read_bytes()
    other.close()
    index.write_bytes(raw)
    for suffix, log in left.items():
        Path(f"{index}{suffix}").write_bytes(log)
    write(index, make_snapshot(OTHER), LATER)
    assert names(index.parent) == ["notes.lattice"]
    with Store.open(index) as store:
        assert store.status().generation == 42
        assert store.documents() == make_snapshot(OTHER).documents


def test_a_log_without_its_index_is_removed(tmp_path: Path) -> None:
    (tmp_path / "notes.lattice-wal").write_bytes(b"old frames")
    make_store(tmp_path / "notes.lattice").close()
    assert names(tmp_path) == ["notes.lattice"]


def test_an_index_that_another_program_holds_is_left_alone(index: Path) -> None:
    other = sqlite3.connect(index)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("UPDATE build SET root = 'theirs'")
    with pytest.raises(IndexLocked, match="Close it"):
        write(index, make_snapshot(OTHER), LATER)
    other.commit()
    other.close()
    with Store.open(index) as store:
        assert (store.status().root, store.status().generation) == ("theirs", 1)


def test_a_lock_left_by_a_killed_build_does_not_hold(index: Path) -> None:
    killed(index, "passages")
    assert ".notes.lattice-lock" in names(index.parent)
    write(index, make_snapshot(OTHER), LATER)
    assert names(index.parent) == ["notes.lattice"]
