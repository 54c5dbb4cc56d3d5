"""Walking a folder: what is found, what is passed over in silence, and what is reported."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lattice.corpus.walk import Omitted, describe_os_error, walk
from lattice.errors import CorpusProblem
from lattice.types import Skipped
from tests.corpus.conftest import Write

LIMIT = 1_000_000


def paths(root: Path, exclude: Path | None = None) -> list[str]:
    return [found.path for found in walk(root, LIMIT, exclude).files]


def test_files_come_in_the_order_of_their_paths_with_size_and_time(write: Write) -> None:
    root = write({"b.md": "12345", "a/z.txt": "1", "a.md": "1", "a/b/c.py": "1", "B.md": "1"})
    os.utime(root / "b.md", ns=(5, 7))
    assert paths(root) == ["B.md", "a.md", "a/b/c.py", "a/z.txt", "b.md"]
    found = walk(root, LIMIT).files[-1]
    assert (found.path, found.size, found.modified_ns) == ("b.md", 5, 7)


def test_hidden_entries_and_folders_of_machines_are_never_opened(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [".git/a.md", ".hidden.md", "node_modules/a.md", "x/__pycache__/a.md", ".venv/a.md", "env/lib/a.md"]
    root = write({**dict.fromkeys(names, "text"), "env/pyvenv.cfg": "home = x", "a.md": "text"})
    opened: list[str] = []
    scandir = os.scandir

    def spy(path: str) -> Iterator[os.DirEntry[str]]:
        opened.append(os.path.basename(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", spy)
    found = walk(root, LIMIT)
    assert [file.path for file in found.files] == ["a.md"]
    assert not {".git", ".venv", "node_modules", "__pycache__", "lib"} & set(opened)
    assert found.omitted == Omitted(hidden=3, ignored=3, unsupported=0)
    assert found.skipped == ()


def test_an_ignored_folder_is_never_opened_and_nothing_in_it_taken_back(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({".gitignore": "out/\n!out/keep.md\n", "out/keep.md": "text", "a.md": "text"})
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: pytest.fail("opened") if "out" in str(path)[-3:] else scandir(path))
    assert paths(root) == ["a.md"]


def test_nested_ignore_files_speak_of_their_own_folder(write: Write) -> None:
    root = write(
        {
            ".gitignore": "*.txt\n",
            "a/.latticeignore": "!keep.txt\n/b\n",
            "a/keep.txt": "text",
            "a/lose.txt": "text",
            "a/b/c.md": "text",
            "a/d/b/c.md": "text",
            "b/c.md": "text",
        }
    )
    assert paths(root) == ["a/d/b/c.md", "a/keep.txt", "b/c.md"]


def test_binaries_are_told_by_suffix_or_by_a_nul_and_text_without_suffix_is_kept(write: Write) -> None:
    root = write(
        {
            "photo.png": "no NUL here",
            "program": b"\x7fELF\x00\x01",
            "LICENSE": "Permission is granted",
            "Makefile": "all:",
            "notes.xyz": "text",
            "utf16.xyz": "text".encode("utf-16"),
            "app.min.js": "var a",
        }
    )
    found = walk(root, LIMIT)
    assert [file.path for file in found.files] == ["LICENSE", "Makefile", "notes.xyz", "utf16.xyz"]
    assert found.omitted.unsupported == 3


def test_indexes_and_the_excluded_file_are_left_out(write: Write) -> None:
    names = ["a.lattice", "a.lattice-wal", "a.lattice-shm", "own.txt", "own.txt-wal", "own.txt.md"]
    root = write(dict.fromkeys(names, "text"))
    assert paths(root, exclude=root / "own.txt") == ["own.txt.md"]


def test_a_document_that_no_reader_takes_is_reported(write: Write) -> None:
    (skip,) = walk(write({"letter.DOCX": b"PK\x00"}), LIMIT).skipped
    assert skip == Skipped("letter.DOCX", "there is no reader for .docx files; save it as PDF, HTML or text")


def test_a_sparse_file_of_a_gigabyte_is_reported_without_being_read(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"a.md": "text"})
    for name in ("huge.txt", "huge", "huge.png"):
        with (root / name).open("wb") as file:
            file.truncate(1_000_000_000)
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("opened"))
    found = walk(root, LIMIT)
    assert [file.path for file in found.files] == ["a.md"]
    assert [skip.path for skip in found.skipped] == ["huge", "huge.txt"]
    assert "1 GB is above the limit of 1 MB" in found.skipped[0].reason


def test_a_file_at_the_limit_is_read(write: Write) -> None:
    root = write({"a.md": "x" * 10, "b.md": "x" * 11})
    assert [file.path for file in walk(root, 10).files] == ["a.md"]


def test_links_are_not_followed_and_those_that_lead_out_are_reported(write: Write, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.md").write_text("secret")
    root = write({"a.md": "text", "b/c.md": "text"})
    (root / "out").symlink_to(outside)
    (root / "out.md").symlink_to(outside / "secret.md")
    (root / "up").symlink_to("../..")
    (root / "near").symlink_to(tmp_path / "folder-beside")
    (root / "inside.md").symlink_to("a.md")
    (root / "b" / "loop").symlink_to("..")
    (root / "self").symlink_to("self")
    found = walk(root, LIMIT)
    assert [file.path for file in found.files] == ["a.md", "b/c.md"]
    assert [skip.path for skip in found.skipped] == ["near", "out", "out.md", "up"]
    assert "leads out of the folder" in found.skipped[0].reason


def test_the_root_itself_may_be_a_link_or_hidden(write: Write, tmp_path: Path) -> None:
    link = tmp_path / ".link"
    link.symlink_to(write({"a.md": "text"}))
    assert paths(link) == ["a.md"]


def test_pipes_and_sockets_are_not_opened(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"a.md": "text"})
    os.mkfifo(root / "pipe.md")
    monkeypatch.chdir(root)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.txt")
        found = walk(root, LIMIT)
    assert [file.path for file in found.files] == ["a.md"]
    assert found.omitted.unsupported == 2


def test_a_folder_that_cannot_be_opened_is_reported(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({"a.md": "text", "locked/b.md": "text"})
    scandir = os.scandir

    def refuse(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = walk(root, LIMIT)
    assert [file.path for file in found.files] == ["a.md"]
    assert found.skipped == (Skipped("locked", "no permission to read it; change its permissions or ignore it"),)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every folder; the test above stands in")
def test_a_folder_without_permission_is_reported(write: Write) -> None:
    root = write({"a.md": "text", "locked/b.md": "text"})
    (root / "locked").chmod(0)
    try:
        found = walk(root, LIMIT)
    finally:
        (root / "locked").chmod(0o700)
    assert [skip.path for skip in found.skipped] == ["locked"]


def test_an_ignore_file_that_cannot_be_read_is_reported(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str, base: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr("lattice.corpus.walk.read_rules", refuse)
    found = walk(write({"a.md": "text"}), LIMIT)
    assert [file.path for file in found.files] == ["a.md"]
    assert [skip.path for skip in found.skipped] == [".gitignore"]


def test_a_name_that_is_no_utf8_is_reported(write: Write) -> None:
    root = write({"a.md": "text"})
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.md")).write_text("text")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = walk(root, LIMIT)
    assert [file.path for file in found.files] == ["a.md"]
    assert found.skipped == (Skipped("caf\ufffd.md", "its name is not valid UTF-8; rename it"),)


def test_an_empty_file_is_found_but_not_where_it_is_the_custom(write: Write) -> None:
    assert paths(write({"a.md": "", "b/__init__.py": "", "c/__init__.py": "x = 1"})) == ["a.md", "c/__init__.py"]


def test_an_empty_folder_gives_nothing(write: Write) -> None:
    assert paths(write({})) == []


def test_a_missing_root_or_a_file_is_a_problem_with_a_cure(write: Write) -> None:
    root = write({"a.md": "text"})
    with pytest.raises(CorpusProblem, match=r"no folder .*nowhere; give the path"):
        walk(root / "nowhere", LIMIT)
    with pytest.raises(CorpusProblem, match=r"a\.md is a file, not a folder; give the folder"):
        walk(root / "a.md", LIMIT)


def test_a_root_that_cannot_be_listed_is_a_problem(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(CorpusProblem, match="check its permissions"):
        walk(write({}), LIMIT)


def test_reasons_are_words() -> None:
    assert describe_os_error(FileNotFoundError()).startswith("it vanished")
    assert "Input/output error" in describe_os_error(OSError(5, "Input/output error"))
