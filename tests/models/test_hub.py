from __future__ import annotations

from pathlib import Path

import pytest

from lattice.errors import UsageError
from lattice.models.hub import wanted_files

REPO = "ggml-org/Qwen3-0.6B-GGUF"


def test_the_address_and_the_place_follow_from_the_names(tmp_path: Path) -> None:
    environ = {"LATTICE_HOME": str(tmp_path)}
    (one,) = wanted_files(REPO, "q8/m x.gguf", environ)
    assert one.url == f"https://huggingface.co/{REPO}/resolve/main/q8/m%20x.gguf"
    assert one.target == tmp_path / "models" / "pulled" / "ggml-org" / "Qwen3-0.6B-GGUF" / "q8" / "m x.gguf"
    assert one.part.parent == one.note.parent == one.lock.parent == one.target.parent


def test_another_hub_and_another_revision(tmp_path: Path) -> None:
    environ = {"LATTICE_HOME": str(tmp_path), "HF_ENDPOINT": "http://mirror.example/hub/"}
    (one,) = wanted_files(REPO, "m.gguf", environ, revision="refs/pr/1", sha256="SHA256:" + "A" * 64)
    assert one.url == f"http://mirror.example/hub/{REPO}/resolve/refs%2Fpr%2F1/m.gguf"
    assert one.target.parent.name == "Qwen3-0.6B-GGUF@refs%2Fpr%2F1"
    assert one.sha256 == "a" * 64


def test_all_parts_are_wanted_whichever_is_named(tmp_path: Path) -> None:
    environ = {"LATTICE_HOME": str(tmp_path)}
    found = wanted_files(REPO, "q8/m-00002-of-00003.gguf", environ)
    assert [one.file for one in found] == [f"q8/m-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    with pytest.raises(UsageError, match="one of 3 parts"):
        wanted_files(REPO, "q8/m-00002-of-00003.gguf", environ, sha256="0" * 64)


@pytest.mark.parametrize(
    "file",
    [
        *("../m.gguf", "/etc/m.gguf", "a/../../m.gguf", "a/./m.gguf", "a//m.gguf", "..\\m.gguf", "C:m.gguf"),
        *("", "m.safetensors", "m.gguf/..", "a\nb.gguf", "~/../m.gguf", "  /m.gguf", "m.gguf?x"),
    ],
)
def test_a_file_cannot_leave_its_folder(tmp_path: Path, file: str) -> None:
    with pytest.raises(UsageError, match="FILE is"):
        wanted_files(REPO, file, {"LATTICE_HOME": str(tmp_path)})


@pytest.mark.parametrize(
    "repo", ["", "name", "a/b/c", "../b", "a/..", "a/.", "/b", "a/", "a b/c", "https://x/y", "-/-"]
)
def test_a_repository_is_an_owner_and_a_name(tmp_path: Path, repo: str) -> None:
    with pytest.raises(UsageError, match="OWNER/NAME"):
        wanted_files(repo, "m.gguf", {"LATTICE_HOME": str(tmp_path)})


@pytest.mark.parametrize("revision", ["..", ".", "../../x"])
def test_a_revision_cannot_leave_its_folder(tmp_path: Path, revision: str) -> None:
    (one,) = wanted_files(REPO, "m.gguf", {"LATTICE_HOME": str(tmp_path)}, revision=revision)
    assert one.target.parent.parent == tmp_path / "models" / "pulled" / "ggml-org"
    assert one.target.resolve() == one.target


@pytest.mark.parametrize(
    ("endpoint", "revision", "sha256", "reason"),
    [
        ("ftp://mirror", "main", None, "HF_ENDPOINT"),
        ("mirror.example", "main", None, "HF_ENDPOINT"),
        ("https://", "main", None, "HF_ENDPOINT"),
        ("http://[::1", "main", None, "HF_ENDPOINT"),
        ("http://m:port", "main", None, "HF_ENDPOINT"),
        ("https://m/?x=1", "main", None, "HF_ENDPOINT"),
        ("", "", None, "--revision"),
        ("", "a\nb", None, "--revision"),
        ("", "main", "abc", "64 hexadecimal digits"),
    ],
)
def test_what_names_nothing_is_wrong_usage(endpoint: str, revision: str, sha256: str | None, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        wanted_files(REPO, "m.gguf", {"HF_ENDPOINT": endpoint}, revision=revision, sha256=sha256)
