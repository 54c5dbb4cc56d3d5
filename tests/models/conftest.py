"""Tiny models, made once a session, with the tensors that they were made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.models.gguf_files import model_bytes
from tests.models.hub_server import Hub, hub_of
from tests.models.tiny import Tensors, make_bert, make_decoder, make_qwen_reranker

FILE = "q8/small.gguf"


@dataclass(frozen=True)
class Tiny:
    path: Path
    tensors: Tensors


def _made(folder: Path, name: str, make: Callable[[Path], Tensors]) -> Tiny:
    path = folder / f"{name}.gguf"
    return Tiny(path, make(path))


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tiny]:
    folder = tmp_path_factory.mktemp("tiny")
    return {
        "mean": _made(folder, "mean", lambda path: make_bert(path, 1)),
        "cls": _made(folder, "cls", lambda path: make_bert(path, 2)),
        "unsaid": _made(folder, "unsaid", lambda path: make_bert(path, None)),
        "last": _made(folder, "last", make_decoder),
        "mean of a decoder": _made(folder, "decoder-mean", lambda path: make_decoder(path, 1)),
        "writer": _made(folder, "writer", lambda path: make_decoder(path, None)),
        "reranker": _made(folder, "reranker", lambda path: make_bert(path, 4, head=True)),
        "qwen": _made(folder, "qwen", make_qwen_reranker),
    }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on the loopback that has one model of 400 KB."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with hub_of({FILE: model_bytes(100_000)}) as running:
        yield running
