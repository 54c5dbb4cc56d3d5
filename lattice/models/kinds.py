"""What a model is for, by what its file says of it: to write, to embed, or to score pairs of query and text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lattice.types import ModelKind

NONE, MEAN, CLS, LAST, RANK = range(5)  # llama.cpp's LLAMA_POOLING_TYPE_*
RERANK_TEMPLATE = "tokenizer.chat_template.rerank"
# They read a text in both directions at once, and so cannot write one. Named as `general.architecture` names them.
ENCODERS = frozenset(
    "bert modern-bert nomic-bert nomic-bert-moe neo-bert jina-bert-v2 jina-bert-v3 eurobert gemma-embedding "
    "t5encoder".split()
)
PURPOSE: dict[ModelKind, str] = {
    "generative": "writes text",
    "embedding": "turns texts into vectors",
    "reranker": "scores pairs of query and text",
}

Metadata = Mapping[str, object] | Callable[[str], str | None]
"""The values of a GGUF file's header by their keys, as the file has them or all text; None for what it does not say."""


def kind_of(metadata: Metadata, *, has_head: bool = False) -> ModelKind:
    """Give what a model is for. Whether llama.cpp can make a context says nothing: it makes any for any model.

    A reranker has RANK pooling or a template for pairs; an embedding model has another pooling, or can only encode;
    all else writes. `has_head` is whether there is a classifier among the tensors: of an encoder whose file names no
    pooling, that is the only sign that it ranks.
    """
    said = _said_pooling(metadata)
    if said == RANK or _value(metadata, RERANK_TEMPLATE):
        return "reranker"
    if has_head and said == NONE and is_encoder(metadata):
        return "reranker"
    return "embedding" if said != NONE or is_encoder(metadata) else "generative"


def pooling_of(metadata: Metadata, kind: ModelKind) -> int:
    """Give how a model's token vectors become one: as its file says, RANK for a reranker.

    Where it says nothing, the mean for an encoder, in which every token has seen every other, and the last token for a
    causal model, in which no other has seen the whole text.
    """
    if kind == "reranker":
        return RANK
    return _said_pooling(metadata) or (MEAN if is_encoder(metadata) else LAST)


def is_encoder(metadata: Metadata) -> bool:
    """Whether the architecture can only encode."""
    return _value(metadata, "general.architecture") in ENCODERS


def refusal(name: str, kind: ModelKind, wanted: ModelKind) -> str:
    """Say that the model `name` is of one kind where another is wanted, and the cure."""
    article = {"generative": "a", "embedding": "an", "reranker": "a"}
    noun = {"generative": "generative model", "embedding": "embedding model", "reranker": "reranker"}
    return (
        f"{name} is {article[kind]} {noun[kind]}: it {PURPOSE[kind]}. What was asked for needs {article[wanted]} "
        f"{noun[wanted]}, which {PURPOSE[wanted]}. Name the GGUF file of one."
    )


def _said_pooling(metadata: Metadata) -> int:
    """Give the pooling that the file names; NONE also for a number that llama.cpp does not know and would die of."""
    said = _value(metadata, f"{_value(metadata, 'general.architecture')}.pooling_type")
    return int(said) if said in {"1", "2", "3", "4"} else NONE


def _value(metadata: Metadata, key: str) -> str:
    found = metadata.get(key) if isinstance(metadata, Mapping) else metadata(key)
    return "" if found is None else str(found)
