from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lattice.errors import IndexCorrupt, IndexLocked, IndexNotFound, IndexProblem, IndexTooNew
from lattice.store import migrations, opening
from lattice.store.store import Store
from tests.store.snapshots import content, make_snapshot, make_store

HERE = Path(__file__).parents[2]
IS_ROOT = os.geteuid() == 0


@pytest.fixture(name="index")
def fixture_index(tmp_path: Path) -> Path:
    path = tmp_path / "here" / "notes.lattice"
    make_store(path).close()
    return path


def patch(path: Path, at: int, raw: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(raw)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_reading_leaves_no_trace(index: Path) -> None:
    before = (index.read_bytes(), index.stat().st_mtime_ns, index.parent.stat().st_mtime_ns)
    assert names(index.parent) == ["notes.lattice"]
    with Store.open(index) as store:
        with store.reading():
            content(store)
            assert names(index.parent) == ["notes.lattice"]
        assert names(index.parent) == ["notes.lattice"]
    assert names(index.parent) == ["notes.lattice"]
    assert (index.read_bytes(), index.stat().st_mtime_ns, index.parent.stat().st_mtime_ns) == before


def test_a_reader_cannot_write(index: Path) -> None:
    with Store.open(index) as store, pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._connection.execute("DELETE FROM passages")


def test_no_file_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound, match=r"does not exist\. Make one with `lattice index FOLDER`"):
        Store.open(tmp_path / "none.lattice")
    with pytest.raises(IndexNotFound, match="is a folder"):
        Store.open(tmp_path)


@pytest.mark.parametrize("raw", [b"", b"# Notes\n", b"SQLite format 3\0", os.urandom(5000)])
def test_another_file_is_no_index(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "notes.md"
    path.write_bytes(raw)
    with pytest.raises(IndexCorrupt, match=r"is not a lattice index\. Name another"):
        Store.open(path)


def test_another_programs_database_is_no_index(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE passages (id)")
    connection.close()
    with pytest.raises(IndexCorrupt, match="another program"):
        Store.open(path)


@pytest.mark.parametrize("keep", [100, 4096, 0.5, 0.99])
def test_a_cut_file_is_corrupt(index: Path, keep: float) -> None:
    os.truncate(index, int(keep * index.stat().st_size) if keep < 1 else int(keep))
    with pytest.raises(IndexCorrupt, match=r"cut short\. Build it again"):
        Store.open(index)


def test_a_missing_table_is_corrupt(index: Path) -> None:
    connection = sqlite3.connect(index)
    connection.execute("DROP TABLE vectors")
    connection.execute("DROP TABLE arrays")
    connection.close()
    with pytest.raises(IndexCorrupt, match="lacks arrays, vectors"):
        Store.open(index)


def test_a_broken_schema_is_corrupt(index: Path) -> None:
    patch(index, 100, b"\xff" * 3996)
    with pytest.raises(IndexCorrupt, match="damaged"):
        Store.open(index)


def test_damage_deeper_down_is_said_when_it_is_read(index: Path) -> None:
    patch(index, 4096, b"\xff" * (index.stat().st_size - 4096))
    with Store.open(index) as store:
        for read in (store.root, store.status, store.vectors, lambda: store.lexical("actor", 3)):
            with pytest.raises(IndexCorrupt, match="Build it again"):
                read()


def test_a_later_format_is_too_new(index: Path) -> None:
    patch(index, 60, (migrations.FORMAT + 1).to_bytes(4, "big"))
    with pytest.raises(IndexTooNew, match="Upgrade lattice"):
        Store.open(index)


def test_a_format_too_old_says_the_cure(index: Path) -> None:
    patch(index, 60, (0).to_bytes(4, "big"))
    with pytest.raises(IndexProblem, match=r"no longer reads\. Build it again"):
        Store.open(index)


def test_a_locked_file_says_who(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_LOCK_SECONDS", 0.05)
    other = sqlite3.connect(index)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(IndexLocked, match="Close it"):
        Store.open(index)
    other.close()


def test_a_name_with_uri_characters(tmp_path: Path) -> None:
    with make_store(tmp_path / "a?mode=rw#b %41.lattice") as store:
        assert store.status().passages == 6


def as_log_file(index: Path) -> None:
    """Switch the index to write-ahead logging, as another program might."""
    connection = sqlite3.connect(index)
    assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    connection.close()


def set_modes(folder: Path, *, writable: bool) -> None:
    for path in (*folder.iterdir(), folder):
        path.chmod((0o777 if path.is_dir() else 0o666) if writable else (0o555 if path.is_dir() else 0o444))


@pytest.fixture(name="media")
def fixture_media(index: Path) -> Iterator[Path]:
    """The index in a folder that every user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "media").mkdir()
        yield Path(shutil.copy(index, Path(folder) / "media"))
        set_modes(Path(folder) / "media", writable=True)


# Root, whom permissions do not bind, becomes the user that owns nothing.
READ = """
import os, sys
from pathlib import Path
from lattice import tokens
from lattice.store.store import Store

tokens.stem("loads")
if os.geteuid() == 0 and sys.argv[2:]:
    os.setuid(65534)
with Store.open(Path(sys.argv[1])) as store, store.reading():
    print(len(store.lexical("actor", 9)))
"""


def read_without_rights(index: Path) -> subprocess.CompletedProcess[str]:
    """Search the index as a user who may not write."""
    command = [sys.executable, "-c", READ, str(index), "without rights"]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("prepare", [lambda _: None, as_log_file], ids=["as built", "write-ahead log"])
def test_a_folder_without_write_permission(media: Path, prepare: object) -> None:
    assert callable(prepare)
    prepare(media)
    set_modes(media.parent, writable=False)
    done = read_without_rights(media)
    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr
    assert names(media.parent) == ["notes.lattice"]


def test_a_log_that_cannot_be_read_is_not_ignored(media: Path) -> None:
    as_log_file(media)
    writer = sqlite3.connect(media)
    writer.execute("UPDATE build SET built_at = 'later'")
    writer.commit()
    shutil.copyfile(f"{media}-wal", media.parent / "kept")
    writer.close()
    (media.parent / "kept").rename(f"{media}-wal")
    set_modes(media.parent, writable=False)
    done = read_without_rights(media)
    assert done.returncode != 0
    assert "IndexProblem" in done.stderr


def test_immutable_only_where_nothing_may_be_written(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write everywhere, so the answer of the system is replaced here; the tests above ask the system itself.
    writable: set[Path] = set()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) in writable)
    assert opening._can_be_immutable(index)
    for path in (index, index.parent):
        writable.add(path)
        assert not opening._can_be_immutable(index)
        writable.clear()
    index.with_name("notes.lattice-wal").touch()
    assert not opening._can_be_immutable(index)


@pytest.mark.skipif(not IS_ROOT or not shutil.which("mount"), reason="only root can mount a folder read-only")
@pytest.mark.parametrize("prepare", [lambda _: None, as_log_file], ids=["as built", "write-ahead log"])
def test_a_read_only_mount(index: Path, tmp_path: Path, prepare: object) -> None:
    assert callable(prepare)
    prepare(index)
    media = tmp_path / "media"
    media.mkdir()
    if subprocess.run(["mount", "--bind", index.parent, media], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", media], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (media / "probe").touch()
        with Store.open(media / index.name) as store, store.reading():
            assert content(store).generation == 1
    finally:
        subprocess.run(["umount", media], check=True)


def test_opening_loads_no_heavy_library(index: Path) -> None:
    script = READ + "\nprint(sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", script, str(index)], cwd=HERE, capture_output=True, text=True, check=True
    )
    for library in ("sqlite_utils", "sklearn", "scipy", "hnswlib", "networkx", "llama_cpp", "platformdirs"):
        assert f"'{library}'" not in done.stdout
    assert "'sqlite3'" in done.stdout


def test_an_index_of_the_same_content_opens_the_same(tmp_path: Path) -> None:
    snapshot = make_snapshot()
    with make_store(tmp_path / "a.lattice", snapshot) as first, make_store(tmp_path / "b.lattice", snapshot) as second:
        assert content(first) == content(second)
