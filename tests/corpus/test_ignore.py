"""Ignore files, held against what git does with the same patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from lattice.corpus.ignore import Rules, is_ignored, parse_rules, read_rules


def ignored(patterns: str, path: str, is_folder: bool = False) -> bool:
    return is_ignored(path, is_folder, (Rules("", tuple(parse_rules(patterns))),))


@pytest.mark.parametrize(
    ("patterns", "path"),
    [
        ("*.log", "a.log"),
        ("*.log", "deep/down/a.log"),
        ("/top.txt", "top.txt"),
        ("docs/*.txt", "docs/a.txt"),
        ("a/**/z", "a/z"),
        ("a/**/z", "a/b/c/z"),
        ("a/**", "a/b/c"),
        ("**/tmp", "x/tmp"),
        ("*.txt  ", "a.txt"),
        ("*.txt\r", "a.txt"),
        ("\\#note", "#note"),
        ("\\!odd", "!odd"),
        ("!a.md\n*.md", "a.md"),
        ("[ab].md", "b.md"),
    ],
)
def test_a_file_is_ignored(patterns: str, path: str) -> None:
    assert ignored(patterns, path)


@pytest.mark.parametrize(
    ("patterns", "path"),
    [
        ("# *.log", "# a.log"),
        ("/top.txt", "below/top.txt"),
        ("docs/*.txt", "docs/deep/a.txt"),
        ("docs/*.txt", "other/docs/a.txt"),
        ("*.md\n!keep.md", "keep.md"),
        ("build/", "build"),
        ("[z-a]\n!\n\\", "z"),
        ("", "a"),
        ("[!a].md", "a.md"),
        ("a/*", "a/b/c"),
    ],
)
def test_a_file_is_kept(patterns: str, path: str) -> None:
    assert not ignored(patterns, path)


def test_a_pattern_with_a_slash_at_its_end_is_about_folders() -> None:
    assert ignored("build/", "src/build", is_folder=True)
    assert ignored("/build/", "build", is_folder=True)
    assert not ignored("/build/", "src/build", is_folder=True)


def test_a_list_of_what_to_keep_opens_folders_but_keeps_only_the_named_files() -> None:
    patterns = "*\n!*/\n!*.md"
    assert not ignored(patterns, "a", is_folder=True)
    assert not ignored(patterns, "a/b.md")
    assert ignored(patterns, "a/b.txt")


def test_a_deeper_file_overrides_a_shallower_one_and_speaks_of_its_own_folder() -> None:
    levels = (Rules("", tuple(parse_rules("*.txt"))), Rules("a", tuple(parse_rules("!keep.txt\n/own.md"))))
    assert not is_ignored("a/keep.txt", False, levels)
    assert is_ignored("a/other.txt", False, levels)
    assert is_ignored("a/own.md", False, levels)
    assert not is_ignored("a/b/own.md", False, levels)


def test_latticeignore_overrides_gitignore(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbf*.txt\n*.md\n")
    (tmp_path / ".latticeignore").write_text("!*.md\n")
    levels = (read_rules(str(tmp_path), ""),)
    assert is_ignored("a.txt", False, levels)
    assert not is_ignored("a.md", False, levels)


def test_a_folder_without_ignore_files_has_no_rules(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").mkdir()
    assert read_rules(str(tmp_path), "") == Rules("", ())
