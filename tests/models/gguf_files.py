"""Small GGUF files: whole models with few weights, and headers written number by number."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

Metadata = Mapping[str, str | int | bool]


def write_model(
    path: Path, metadata: Metadata | None = None, *, architecture: str = "llama", tensors: tuple[str, ...] = ("a",)
) -> Path:
    """Write a GGUF of the given architecture; every tensor has 8 × 4 weights in F32 (128 bytes)."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in (metadata or {}).items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_string(key, value)
    for name in tensors:
        writer.add_tensor(name, np.ones((8, 4), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_split(folder: Path, stem: str, count: int) -> list[Path]:
    """Write a model in `count` parts, as llama-gguf-split does: all metadata in the first, one tensor in each."""
    paths = [folder / f"{stem}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
    for number, path in enumerate(paths):
        write_model(path, {"split.no": number, "split.count": count}, tensors=(f"t{number}",))
    return paths


def text(value: str) -> bytes:
    """Give a text as a header holds it."""
    return struct.pack("<Q", len(value.encode())) + value.encode()


def pair(key: str, kind: int, value: bytes) -> bytes:
    """Give a piece of metadata as a header holds it."""
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, dimensions: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    """Give what a header says of a tensor."""
    count = len(dimensions)
    return text(name) + struct.pack(f"<I{count}QIQ", count, *dimensions, kind, offset)


def header(*entries: bytes, tensors: tuple[bytes, ...] = (), counts: tuple[int, int] | None = None) -> bytes:
    """Give a header; `counts` (tensors, entries) may lie about what follows."""
    told = counts or (len(tensors), len(entries))
    return b"GGUF" + struct.pack("<IQQ", 3, *told) + b"".join(entries) + b"".join(tensors)


ARCHITECTURE = pair("general.architecture", 8, text("llama"))


def model_bytes(weights: int, seed: int = 0) -> bytes:
    """Give a whole model of one tensor in F32, with 4 bytes of chance a weight."""
    start = header(ARCHITECTURE, tensors=(tensor("a", (weights,)),))
    return start + bytes(-len(start) % 32) + np.random.default_rng(seed).bytes(4 * weights)
