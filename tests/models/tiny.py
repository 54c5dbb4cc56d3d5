"""Tiny models for the tests, with random weights from a seed: an encoder, a decoder, and a reranker of either kind.

Each maker writes a GGUF and gives its tensors as numpy arrays, under llama.cpp's names, for `oracle` to compute with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np

from lattice.types import Matrix

Tensors = dict[str, Matrix]

WIDTH, HEADS, LAYERS, INNER = 64, 4, 2, 128
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!-'\"<>|/_:"
WORDS = (
    "stars",
    "look",
    "like",
    "lines",
    "polar",
    "alignment",
    "bread",
    "needs",
    "flour",
    "and",
    "water",
    "the",
    "why",
)

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CLS, SEP = 2, 3
WORDPIECES = (*SPECIALS, *(f"▁{word}" for word in WORDS), *(f"▁{one}" for one in LETTERS), *LETTERS)

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
RERANK_TEMPLATE = "<|im_start|>system\nYes or no?<|im_end|>\n<Query>: {query}\n<Document>: {document}<|im_end|>\n"


def bytes_as_letters() -> list[str]:
    """Give the letter that GPT-2's vocabulary writes for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


BYTES = bytes_as_letters()
SPACE = BYTES[ord(" ")]
# One merge: " a" is one token wherever the two stand together.
BYTE_PIECES = (*BYTES, f"{SPACE}a", *CONTROL)


def make_bert(
    path: Path,
    pooling: int | None = 1,
    *,
    head: bool = False,
    context: int = 64,
    labels: Sequence[str] = (),
    flags: bool = True,
    seed: int = 0,
) -> Tensors:
    """Write an encoder with a WordPiece vocabulary; with `head`, one for RANK pooling with as many outputs as labels.

    `flags` says whether the file tells which special tokens are added, as newer conversions do.
    """
    writer = _writer(path, "bert", context)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(gguf.PoolingType(pooling))
    _vocabulary(writer, "bert", WORDPIECES, controls=SPECIALS)
    writer.add_token_type_count(2)
    writer.add_bos_token_id(CLS)
    writer.add_sep_token_id(SEP)
    writer.add_unk_token_id(1)
    writer.add_pad_token_id(0)
    writer.add_mask_token_id(4)
    if flags:
        writer.add_eos_token_id(SEP)
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(True)
        writer.add_add_sep_token(False)
    if labels:
        writer.add_classifier_output_labels(labels)
    random = np.random.default_rng(seed)
    tensors: Tensors = {
        "token_embd.weight": _drawn(random, len(WORDPIECES), WIDTH),
        "token_types.weight": _drawn(random, 2, WIDTH),
        "position_embd.weight": _drawn(random, context, WIDTH),
        **_norm(random, "token_embd_norm"),
    }
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors |= _linear(random, f"blk.{layer}.{name}", WIDTH, WIDTH)
        tensors |= _norm(random, f"blk.{layer}.attn_output_norm") | _norm(random, f"blk.{layer}.layer_output_norm")
        tensors |= _linear(random, f"blk.{layer}.ffn_up", INNER, WIDTH)
        tensors |= _linear(random, f"blk.{layer}.ffn_down", WIDTH, INNER)
    if head:
        tensors |= _linear(random, "cls", WIDTH, WIDTH) | _linear(random, "cls.output", len(labels) or 1, WIDTH)
    return _written(writer, tensors)


def make_decoder(
    path: Path, pooling: int | None = 3, *, ends: bool = True, context: int = 128, seed: int = 1
) -> Tensors:
    """Write a Llama with a byte-level vocabulary; it `ends` texts with EOS, as embedding models of its kind do."""
    writer = _writer(path, "llama", context)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    if pooling is not None:
        writer.add_pooling_type(gguf.PoolingType(pooling))
    _bytes_vocabulary(writer)
    writer.add_add_eos_token(ends)
    return _written(writer, _causal(np.random.default_rng(seed), heads_normed=False))


def make_qwen_reranker(
    path: Path,
    *,
    template: str | None = RERANK_TEMPLATE,
    labels: Sequence[str] = ("yes", "no"),
    head: bool = True,
    seed: int = 2,
) -> Tensors:
    """Write a reranker as those of Qwen3 are: a decoder with a template for pairs, whose head says yes or no."""
    writer = _writer(path, "qwen3", 256)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_key_length(WIDTH // HEADS)
    writer.add_value_length(WIDTH // HEADS)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    _bytes_vocabulary(writer)
    if template is not None:
        writer.add_chat_template([{"name": "rerank", "template": template}])
    writer.add_classifier_output_labels(labels)
    random = np.random.default_rng(seed)
    tensors = _causal(random, heads_normed=True)
    if head:
        tensors["cls.output.weight"] = _drawn(random, len(labels), WIDTH)
    return _written(writer, tensors)


def _causal(random: np.random.Generator, *, heads_normed: bool) -> Tensors:
    tensors: Tensors = {"token_embd.weight": _drawn(random, len(BYTE_PIECES), WIDTH), **_scale(random, "output_norm")}
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        tensors |= _scale(random, f"{block}.attn_norm") | _scale(random, f"{block}.ffn_norm")
        if heads_normed:
            tensors |= _scale(random, f"{block}.attn_q_norm", WIDTH // HEADS)
            tensors |= _scale(random, f"{block}.attn_k_norm", WIDTH // HEADS)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[f"{block}.{name}.weight"] = _drawn(random, WIDTH, WIDTH)
        tensors[f"{block}.ffn_up.weight"] = _drawn(random, INNER, WIDTH)
        tensors[f"{block}.ffn_gate.weight"] = _drawn(random, INNER, WIDTH)
        tensors[f"{block}.ffn_down.weight"] = _drawn(random, WIDTH, INNER)
    return tensors


def _writer(path: Path, architecture: str, context: int) -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"tiny {architecture}")
    writer.add_block_count(LAYERS)
    writer.add_context_length(context)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    return writer


def _vocabulary(writer: gguf.GGUFWriter, model: str, pieces: Sequence[str], controls: Sequence[str]) -> None:
    writer.add_tokenizer_model(model)
    writer.add_token_list(pieces)
    kinds = [gguf.TokenType.CONTROL if piece in controls else gguf.TokenType.NORMAL for piece in pieces]
    writer.add_token_types(kinds)


def _bytes_vocabulary(writer: gguf.GGUFWriter) -> None:
    _vocabulary(writer, "gpt2", BYTE_PIECES, controls=CONTROL)
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_merges([f"{SPACE} a"])
    writer.add_eos_token_id(BYTE_PIECES.index("<|endoftext|>"))
    writer.add_add_bos_token(False)


def _drawn(random: np.random.Generator, *shape: int) -> Matrix:
    return (random.standard_normal(shape) * 0.3).astype(np.float32)


def _linear(random: np.random.Generator, name: str, outputs: int, inputs: int) -> Tensors:
    return {f"{name}.weight": _drawn(random, outputs, inputs), f"{name}.bias": _drawn(random, outputs)}


def _scale(random: np.random.Generator, name: str, width: int = WIDTH) -> Tensors:
    return {f"{name}.weight": 1 + _drawn(random, width)}


def _norm(random: np.random.Generator, name: str) -> Tensors:
    return _scale(random, name) | {f"{name}.bias": _drawn(random, WIDTH)}


def _written(writer: gguf.GGUFWriter, tensors: Tensors) -> Tensors:
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors
