"""What the tiny models must say, computed in numpy from their tensors: an independent reading of the architectures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lattice.types import Matrix
from tests.models.tiny import BYTE_PIECES, BYTES, CLS, HEADS, LAYERS, SEP, SPACE, WIDTH, WORDPIECES, Tensors


def wordpiece_ids(text: str) -> list[int]:
    """Give the ids of words that stand in the vocabulary as a whole."""
    return [WORDPIECES.index(f"▁{word}") for word in text.split()]


def bert_ids(text: str) -> list[int]:
    return [CLS, *wordpiece_ids(text), SEP]


def byte_ids(text: str) -> list[int]:
    """Give the ids of a text: a token a byte, but one for a space and an a."""
    merged = "".join(BYTES[byte] for byte in text.encode()).replace(f"{SPACE}a", "\0")
    return [BYTE_PIECES.index(f"{SPACE}a" if piece == "\0" else piece) for piece in merged]


def bert_states(tensors: Tensors, ids: Sequence[int]) -> Matrix:
    """Give the last layer's state of each token, (tokens, width)."""
    x = tensors["token_embd.weight"][list(ids)] + tensors["token_types.weight"][0]
    x = _layer_norm(x + tensors["position_embd.weight"][: len(ids)], tensors, "token_embd_norm")
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        q, k, v = (_by_head(_linear(x, tensors, f"{block}.attn_{name}")) for name in "qkv")
        attended = _linear(_attention(q, k, v, causal=False), tensors, f"{block}.attn_output")
        x = _layer_norm(x + attended, tensors, f"{block}.attn_output_norm")
        inner = _gelu(_linear(x, tensors, f"{block}.ffn_up"))
        x = _layer_norm(x + _linear(inner, tensors, f"{block}.ffn_down"), tensors, f"{block}.layer_output_norm")
    return x


def bert_head(tensors: Tensors, state: Matrix) -> Matrix:
    """Give the outputs of a classification head on the state of [CLS]."""
    return _linear(np.tanh(_linear(state, tensors, "cls")), tensors, "cls.output")


def decoder_states(tensors: Tensors, ids: Sequence[int], *, halves: bool) -> Matrix:
    """Give the normed last state of each token; `halves` pairs entries across a head's halves (RoPE)."""
    x = tensors["token_embd.weight"][list(ids)]
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        normed = _rms_norm(x, tensors[f"{block}.attn_norm.weight"])
        q, k, v = (_by_head(normed @ tensors[f"{block}.attn_{name}.weight"].T) for name in "qkv")
        if f"{block}.attn_q_norm.weight" in tensors:
            q = _rms_norm(q, tensors[f"{block}.attn_q_norm.weight"])
            k = _rms_norm(k, tensors[f"{block}.attn_k_norm.weight"])
        attended = _attention(_rotated(q, halves), _rotated(k, halves), v, causal=True)
        x = x + attended @ tensors[f"{block}.attn_output.weight"].T
        normed = _rms_norm(x, tensors[f"{block}.ffn_norm.weight"])
        gate = normed @ tensors[f"{block}.ffn_gate.weight"].T
        inner = gate / (1 + np.exp(-gate)) * (normed @ tensors[f"{block}.ffn_up.weight"].T)
        x = x + inner @ tensors[f"{block}.ffn_down.weight"].T
    return _rms_norm(x, tensors["output_norm.weight"])


def normalised(vector: Matrix) -> Matrix:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def _linear(x: Matrix, tensors: Tensors, name: str) -> Matrix:
    return np.asarray(x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"], dtype=np.float32)


def _layer_norm(x: Matrix, tensors: Tensors, name: str) -> Matrix:
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    return np.asarray(scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"], dtype=np.float32)


def _rms_norm(x: Matrix, weight: Matrix) -> Matrix:
    return np.asarray(x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * weight, dtype=np.float32)


def _gelu(x: Matrix) -> Matrix:
    """Give the tanh form of GELU, which ggml looks up by half-precision numbers."""
    half = x.astype(np.float16).astype(np.float32)
    found = 0.5 * half * (1 + np.tanh(np.sqrt(2 / np.pi) * half * (1 + 0.044715 * half**2)))
    return np.asarray(found.astype(np.float16).astype(np.float32))


def _by_head(x: Matrix) -> Matrix:
    return x.reshape(len(x), HEADS, WIDTH // HEADS).transpose(1, 0, 2)


def _attention(q: Matrix, k: Matrix, v: Matrix, *, causal: bool) -> Matrix:
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.tri(scores.shape[-1], dtype=bool), scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = weights / weights.sum(axis=-1, keepdims=True) @ v
    return np.asarray(mixed.transpose(1, 0, 2).reshape(-1, WIDTH), dtype=np.float32)


def _rotated(x: Matrix, halves: bool) -> Matrix:
    """Turn pair i of a head by its position times 10000^(−i/pairs) (RoPE); x is (heads, tokens, width)."""
    pairs = x.shape[-1] // 2
    angles = np.arange(x.shape[1])[:, None] * 10000.0 ** (-np.arange(pairs) / pairs)
    first, second = (x[..., :pairs], x[..., pairs:]) if halves else (x[..., ::2], x[..., 1::2])
    turned = first * np.cos(angles) - second * np.sin(angles), first * np.sin(angles) + second * np.cos(angles)
    result = np.concatenate(turned, axis=-1) if halves else np.stack(turned, axis=-1).reshape(x.shape)
    return np.asarray(result, dtype=np.float32)
