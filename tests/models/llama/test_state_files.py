from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lattice.models.llama.state_files import StateFiles

OWNER = b'{"model": "m"}'


def _blob(content: bytes) -> Any:
    return (ctypes.c_uint8 * len(content)).from_buffer_copy(content)


def _files(folder: Path, budget: int = 10_000, owner: bytes = OWNER) -> StateFiles:
    return StateFiles(folder, budget, owner)


def _only(folder: Path) -> Path:
    (path,) = folder.glob("*.kv")
    return path


def test_a_later_process_finds_what_was_kept(tmp_path: Path) -> None:
    _files(tmp_path).save(b"one", _blob(b"state of one"))
    later = _files(tmp_path)
    assert bytes(later.load(b"one") or b"") == b"state of one"
    assert later.load(b"two") is None
    assert later.bytes_used == _only(tmp_path).stat().st_size


def test_keeping_the_same_again_takes_no_more_room(tmp_path: Path) -> None:
    files = _files(tmp_path)
    files.save(b"one", _blob(b"state"))
    before = files.bytes_used
    files.save(b"one", _blob(b"other"))
    assert files.bytes_used == before
    assert bytes(files.load(b"one") or b"") == b"other"


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_any_byte_changed_is_deleted_and_never_used(tmp_path: Path, data: st.DataObject) -> None:
    _files(tmp_path).save(b"one", _blob(b"state of one" * 9))
    path = _only(tmp_path)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
    assert _files(tmp_path).load(b"one") is None
    assert not path.exists()


@pytest.mark.parametrize(
    "change", [lambda whole: whole[:-1], lambda whole: whole[:20], lambda _: b"", lambda w: w + b"0"]
)
def test_a_file_of_another_length_is_deleted_and_never_used(tmp_path: Path, change: Any) -> None:
    _files(tmp_path).save(b"one", _blob(b"state of one"))
    path = _only(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    assert _files(tmp_path).load(b"one") is None
    assert not path.exists()


def test_another_model_finds_nothing_even_under_the_same_name(tmp_path: Path) -> None:
    mine, other = _files(tmp_path), _files(tmp_path, owner=b'{"model": "n"}')
    mine.save(b"one", _blob(b"state"))
    assert other.load(b"one") is None
    other.save(b"one", _blob(b"other"))
    first, second = sorted(tmp_path.glob("*.kv"))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert mine.load(b"one") is None
    assert other.load(b"one") is None


def test_the_least_recently_used_goes_first_also_in_a_later_process(tmp_path: Path) -> None:
    files = _files(tmp_path)
    for i, name in enumerate((b"one", b"two", b"three")):
        files.save(name, _blob(b"x" * 100))
        newest = max(tmp_path.glob("*.kv"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, ns=(i, i))
    a_file = _only_size(tmp_path)
    files.load(b"one")
    later = _files(tmp_path, budget=2 * a_file)
    assert later.load(b"two") is None
    assert later.load(b"three") is not None
    assert later.load(b"one") is not None
    later.save(b"four", _blob(b"x" * 100))
    assert [later.load(name) is not None for name in (b"three", b"one", b"four")] == [False, True, True]
    assert later.bytes_used == sum(path.stat().st_size for path in tmp_path.glob("*.kv")) <= 2 * a_file


def _only_size(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.glob("*.kv"))


def test_a_state_over_the_budget_is_not_kept_and_drives_nothing_out(tmp_path: Path) -> None:
    files = _files(tmp_path, budget=500)
    files.save(b"one", _blob(b"x" * 100))
    files.save(b"two", _blob(b"x" * 1000))
    assert files.load(b"one") is not None
    assert files.load(b"two") is None
    assert files.problem is None


def test_a_file_that_another_process_deleted_is_missed_and_nothing_breaks(tmp_path: Path) -> None:
    files = _files(tmp_path)
    files.save(b"one", _blob(b"state"))
    _only(tmp_path).unlink()
    assert files.load(b"one") is None
    files.save(b"one", _blob(b"state"))
    assert files.load(b"one") is not None


def test_what_a_killed_process_left_behind_is_cleared_once_it_is_old(tmp_path: Path) -> None:
    old, new = tmp_path / "a.1.part", tmp_path / "b.2.part"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    _files(tmp_path)
    assert not old.exists()
    assert new.exists()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="file"):
        _files(tmp_path / "file")


def test_a_full_disk_is_told_once_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = _files(tmp_path)
    files.save(b"one", _blob(b"state"))

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    files.save(b"two", _blob(b"state"))
    assert files.problem is not None
    assert "No space left on device" in files.problem
    assert list(tmp_path.glob("*.part")) == []
    files.save(b"three", _blob(b"state"))
    assert files.load(b"one") is not None
