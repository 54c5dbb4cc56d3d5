"""What a model is for, by what its file says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Kind = Literal["generative", "embedding", "reranker"]

# Architectures that only encode: they cannot write, whatever pooling their file names.
ENCODERS = frozenset(
    [
        *("bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3"),
        *("eurobert", "gemma-embedding", "llama-embed", "t5encoder"),
    ]
)
RERANK_TEMPLATE = "tokenizer.chat_template.rerank"
_POOLED = {"1", "2", "3"}  # llama.cpp's LLAMA_POOLING_TYPE_*: mean, first token, last token
_RANK = "4"


def kind_of(metadata: Mapping[str, object], *, has_head: bool = False) -> Kind:
    """Give what a model is for. The values may be as the file has them or, as llama.cpp gives them, all text.

    `has_head` is whether there is a classifier among its tensors: of an encoder whose file names no pooling, that is
    the only sign that it ranks.
    """
    architecture = str(metadata.get("general.architecture", ""))
    pooling = str(metadata.get(f"{architecture}.pooling_type", ""))
    if pooling == _RANK or RERANK_TEMPLATE in metadata:
        return "reranker"
    if architecture in ENCODERS:
        return "reranker" if has_head and pooling not in _POOLED else "embedding"
    return "embedding" if pooling in _POOLED else "generative"
