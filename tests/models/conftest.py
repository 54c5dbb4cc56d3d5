"""Tiny models, made once a session, with the tensors that they were made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.models.tiny import Tensors, make_bert, make_decoder, make_qwen_reranker


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
