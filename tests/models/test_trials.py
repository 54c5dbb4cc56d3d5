"""A model that is new here is tried in a process that may die of it; one that is ours, or was tried, is not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lattice.errors import ModelNotFound, ModelUnusable
from lattice.models import trials
from lattice.models.registry import embedded_model
from lattice.models.settings import EngineSettings
from lattice.models.trials import check_survived, opened
from tests.models.conftest import Tiny
from tests.models.llama.mutants import put_together, taken_apart, u32
from tests.models.tiny import make_decoder, make_qwen_reranker

SMALL = EngineSettings(threads=1, sequences=2, sequence_tokens=64, prompt_tokens=128)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"LATTICE_HOME": str(tmp_path / "home")}


def _no_process(*_: object, **__: object) -> None:
    pytest.fail("another process")


def _ends_with(code: int, said: bytes = b"") -> Callable[..., subprocess.CompletedProcess[bytes]]:
    return lambda *_, **__: subprocess.CompletedProcess([], code, said, b"")


@pytest.mark.parametrize("name", ["writer", "mean", "last", "reranker", "qwen"])
def test_a_model_that_works_is_tried_once(
    tiny_models: dict[str, Tiny], home: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tiny_models[name].path
    check_survived(path, SMALL, home)
    monkeypatch.setattr(trials, "run_apart", _no_process)
    check_survived(path, SMALL, home)
    opened(path, SMALL, home).close()


def test_what_changed_is_tried_again(home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "writer.gguf"
    asked: list[object] = []

    def run(*one: object, **_: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(one)
        return _ends_with(0)()

    make_decoder(path, None)
    monkeypatch.setattr(trials, "run_apart", run)
    for settings in (SMALL, SMALL, EngineSettings(threads=2, sequences=2, sequence_tokens=64, prompt_tokens=128)):
        check_survived(path, settings, home)
    assert len(asked) == 1  # neither another time nor other threads make a difference
    check_survived(path, EngineSettings(), home)
    make_decoder(path, None, context=64)
    check_survived(path, SMALL, home)
    assert len(asked) == 3


def test_what_llama_cpp_dies_of_is_told_with_its_signal(home: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "deadly.gguf"
    make_qwen_reranker(path)
    model = taken_apart(path)
    model.entries["qwen3.rope.dimension_count"] = u32(8)  # half a head: GGML_ASSERT(n_embd_head == n_rot)
    path.write_bytes(put_together(model))
    with pytest.raises(
        ModelUnusable, match=r"llama\.cpp died of .*deadly\.gguf \(signal SIGABRT\)\. Download it again"
    ):
        opened(path, SMALL, home)
    assert not (tmp_path / "home" / "models" / "tried").exists()


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (-6, b"", r"llama\.cpp died of .*m\.gguf \(signal SIGABRT\)\. Download it again, or use another"),
        (-11, b"", r"died of .* \(signal SIGSEGV\)"),
        (-9, b"", "it was killed: there may be too little memory"),
        (1, b"", r"died of .* \(exit code 1\)"),
        (3, "no room for träume".encode(), "^no room for träume$"),
    ],
)
def test_how_it_ended_is_told(
    home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: bytes, told: str
) -> None:
    (tmp_path / "m.gguf").write_bytes(b"")
    monkeypatch.setattr(trials, "run_apart", _ends_with(code, said))
    with pytest.raises(ModelUnusable, match=told):
        check_survived(tmp_path / "m.gguf", SMALL, home)


def test_a_model_without_an_end_is_given_up(
    tiny_models: dict[str, Tiny], home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "SECONDS", 0.01)
    with pytest.raises(ModelUnusable, match=r"not done with .*writer\.gguf after 0 s\. Download it again"):
        check_survived(tiny_models["writer"].path, SMALL, home)


def test_a_refusal_in_the_trial_is_told_as_it_stands(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ModelUnusable, match=r"page\.gguf is an HTML page"):
        check_survived(tmp_path / "page.gguf", SMALL, home)


def test_a_file_that_is_gone_is_not_found(home: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"gone\.gguf cannot be read"):
        check_survived(tmp_path / "gone.gguf", SMALL, home)


def test_where_nothing_can_be_kept_it_is_tried_again(
    tmp_path: Path, tiny_models: dict[str, Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file")
    monkeypatch.setattr(trials, "run_apart", _ends_with(0))
    check_survived(tiny_models["writer"].path, SMALL, {"LATTICE_HOME": str(tmp_path / "home")})


def test_our_own_copies_are_not_tried(
    home: dict[str, str], tiny_models: dict[str, Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "run_apart", _no_process)
    check_survived(Path(home["LATTICE_HOME"]) / "models" / "optimized" / "m.gguf", SMALL, home)
    check_survived(tiny_models["writer"].path, SMALL, home | {"LATTICE_TRIAL": "never"})


@pytest.mark.model
def test_the_embedded_model_is_not_tried(home: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "run_apart", _no_process)
    path = embedded_model()
    assert path is not None
    check_survived(path, EngineSettings(), home)
