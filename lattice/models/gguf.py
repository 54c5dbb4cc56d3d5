"""What a GGUF file says of itself, and whether it is all there. Reads its header alone, and needs no llama.cpp.

A header is a stranger's: every count and length in it is held against the file's size before anything is done with it.
"""

from __future__ import annotations

import math
import os
import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from lattice.errors import ModelNotFound, ModelUnusable
from lattice.models.gguf_types import ARRAY, FILES, GUESSED, SCALARS, STRING, TENSORS
from lattice.models.kinds import RERANK_TEMPLATE, kind_of
from lattice.models.plausible import implausible
from lattice.types import ModelKind

AGAIN = "download it again"
_MAGIC = b"GGUF"
_OLDEST_VERSION, _NEWEST_VERSION = 2, 3
_ALIGNMENT = 32  # bytes, where the file does not say
_BUFFER = 1 << 20  # bytes
_LONGEST_KEPT = 1 << 20  # bytes of a text; chat templates are the longest, some ten thousand
# What no model comes near (vocabularies have 300,000 tokens and as many merges), and what walks through in seconds.
_MOST_STEPS = 8_000_000
_MOST_TEXT = 1 << 26  # bytes of text kept
_HEADS = frozenset({"cls.weight", "cls.output.weight"})
_MOST_DIMENSIONS = 4  # ggml's own limit
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.DOTALL)

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What a model's file says of it; None or "" where it says nothing. `size` is in bytes, of all its `parts`.

    `type` is that of the weights (say Q4_K_M), `context` the tokens that it was trained to hold, `pooling` llama.cpp's
    number (0 none, 1 mean, 2 first token, 3 last token, 4 rank). `heads` names the tensors of a classifier that it has.
    """

    path: Path
    parts: tuple[Path, ...]
    size: int
    kind: ModelKind
    heads: frozenset[str]
    architecture: str
    name: str
    parameters: int
    type: str
    context: int | None
    embedding_length: int | None
    pooling: int | None
    has_chat_template: bool
    has_rerank_template: bool


@dataclass(slots=True)
class _Header:
    """One file's header: scalar metadata, and the sums over its tensors."""

    metadata: dict[str, Value] = field(default_factory=dict)
    tensors: int = 0
    parameters: int = 0
    bytes_of_type: Counter[str] = field(default_factory=Counter)
    heads: set[str] = field(default_factory=set)
    end: int = 0  # bytes that the file must have


class _Flaw(Exception):
    """Why a file cannot be used, without its name and the cure."""


def check_gguf(path: Path) -> None:
    """Refuse what is no whole GGUF model before llama.cpp sees it: ModelNotFound or ModelUnusable, with the reason."""
    read_gguf(path)


def read_gguf(path: Path) -> ModelFile:
    """Read what a model file says of itself, and check that all of it is there.

    Raises ModelNotFound where there is no such file, ModelUnusable where it is no GGUF, is cut short or damaged, holds
    no whole model, or lacks a part.
    """
    header = _header_of(path)
    parts = _parts_of(path, header.metadata)
    headers = [header, *(_header_of(part) for part in parts[1:])]
    _check_whole(path, header.metadata, sum(one.parameters for one in headers))
    return _told(path, parts, headers)


def check_file(path: Path) -> None:
    """Refuse what is no whole GGUF file, be it a model or a part of one: ModelNotFound or ModelUnusable."""
    _header_of(path)


def part_files(name: str) -> tuple[str, ...]:
    """Give the names of all parts of a model, by the name of one of them; the name alone where it is no part."""
    found = _PART.fullmatch(name)
    count = int(found["count"]) if found else 1
    if found is None or not 1 <= int(found["number"]) <= count:
        return (name,)
    return tuple(f"{found['stem']}-{number:05}-of-{found['count']}.gguf" for number in range(1, count + 1))


def stem_of(path: Path) -> str:
    """Give the name of a model's file without its ending, and without the number of its part."""
    found = _PART.fullmatch(path.name)
    return found["stem"] if found else path.stem


def _header_of(path: Path) -> _Header:
    # By `os.path`, for which a file that may not be looked at is one that is not there.
    if not os.path.isfile(path):
        raise ModelNotFound(f"There is no model file at {path}. Give the path of a .gguf file, or leave --model out.")
    try:
        with path.open("rb", buffering=_BUFFER) as file:
            return _read_header(_Walk(file, os.fstat(file.fileno()).st_size))
    except OSError as error:
        raise ModelUnusable(f"The model file {path} cannot be read: {error.strerror}.") from error
    except _Flaw as flaw:
        raise ModelUnusable(f"{path} {flaw}.") from None


class _Walk:
    """Goes through a file's header step by step, and never past the file's end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size
        self.at = 0
        self._steps = 0
        self._kept = 0

    def need(self, length: int) -> None:
        """Refuse where fewer than `length` bytes are left."""
        if length > self.size - self.at:
            raise _Flaw(f"is cut short or damaged: its header goes on past its {self.size:,} bytes; {AGAIN}")

    def take(self, length: int) -> bytes:
        """Read `length` bytes, which the caller knows to be few."""
        self.need(length)
        found = self.file.read(length)
        if len(found) != length:
            raise _Flaw(f"became shorter while it was read; {AGAIN}")
        self.at += length
        return found

    def skip(self, length: int) -> None:
        """Leave out `length` bytes."""
        self.need(length)
        self.file.seek(length, os.SEEK_CUR)
        self.at += length

    def number(self, letter: str = "I") -> int:
        """Read an unsigned integer."""
        return int(struct.unpack(f"<{letter}", self.take(struct.calcsize(letter)))[0])

    def text(self) -> str | None:
        """Read a text; None where it is longer than any that says something of a model."""
        length = self.number("Q")
        if length > _LONGEST_KEPT:
            self.skip(length)
            return None
        self._kept += length
        if self._kept > _MOST_TEXT:
            raise _Flaw(f"is damaged: there is more text in its header than in any model's; {AGAIN}")
        return self.take(length).decode("utf-8", errors="replace")

    def step(self, count: int = 1) -> None:
        """Count what is gone through, and refuse what would go on for ever."""
        self._steps += count
        if self._steps > _MOST_STEPS:
            raise _Flaw(f"is damaged: its header counts more entries than any model's; {AGAIN}")

    def skip_texts(self, count: int) -> None:
        """Leave out `count` texts; a vocabulary is some hundred thousand, so this is the loop that takes the time."""
        self.need(8 * count)
        self.step(count)
        read, seek, unpack = self.file.read, self.file.seek, struct.Struct("<Q").unpack
        at, size = self.at, self.size
        for _ in range(count):
            if at + 8 > size:
                break
            (length,) = unpack(read(8))
            at += 8 + length
            if at > size:
                break
            # Reading is faster than seeking within the buffer.
            read(length) if length < 512 else seek(length, os.SEEK_CUR)
        else:
            self.at = at
            return
        self.need(self.size + 1)


def _read_header(walk: _Walk) -> _Header:
    entries, tensors = _counts(walk)
    header = _Header()
    for _ in range(entries):
        walk.step()
        key, value = walk.text(), _value(walk, walk.number())
        if key is not None and value is not None:
            header.metadata[key] = value
    reach = 0
    for _ in range(tensors):
        walk.step()
        reach = max(reach, _tensor(walk, header))
    header.tensors = tensors
    _check_end(walk, header, reach)
    return header


def _counts(walk: _Walk) -> tuple[int, int]:
    """Check what every GGUF file begins with; give the number of its metadata and of its tensors."""
    start = walk.file.read(512)
    walk.file.seek(0)
    if not start.startswith(_MAGIC):
        raise _Flaw(_what_else(start))
    if len(start) < 24 or not _OLDEST_VERSION <= struct.unpack("<I", start[4:8])[0] <= _NEWEST_VERSION:
        raise _Flaw(f"is cut short or of an unknown GGUF version: {AGAIN}")
    walk.skip(8)
    tensors, entries = walk.number("Q"), walk.number("Q")
    # The least that each takes: an empty name, its type and one byte; an empty name, no dimension, type and offset.
    if 13 * entries + 24 * tensors > walk.size - walk.at:
        raise _Flaw(f"is cut short or damaged: {walk.size:,} bytes cannot hold what its header counts; {AGAIN}")
    return entries, tensors


def _what_else(start: bytes) -> str:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doc", b"<html", b"<head", b"<?xml")):
        return "is an HTML page: a web site sent it instead of the model; download the model again"
    if text.startswith(b"version https://git-lfs"):
        return "is no GGUF file but the note that Git LFS keeps in its place: get the file itself by git lfs pull"
    if start.startswith(b"PK\x03\x04"):
        return "is no GGUF file but a ZIP archive: unpack it, or convert the model in it to GGUF"
    if not start:
        return "is no GGUF file: it is empty. Download the model again"
    return "is no GGUF file: download the model again, or convert it to GGUF"


def _value(walk: _Walk, kind: int) -> Value | None:
    """Read a value; None for an array, which is gone through, and for a text of no use."""
    if kind == STRING:
        return walk.text()
    if kind in SCALARS:
        value: Value = struct.unpack(f"<{SCALARS[kind]}", walk.take(struct.calcsize(SCALARS[kind])))[0]
        return value
    if kind != ARRAY:
        raise _Flaw(f"is damaged: its header has a value of the unknown type {kind}; {AGAIN}")
    inner, count = walk.number(), walk.number("Q")
    if inner == STRING:
        walk.skip_texts(count)
    elif inner in SCALARS:
        walk.skip(count * struct.calcsize(SCALARS[inner]))
    else:
        raise _Flaw(f"is damaged: its header has an array of the unknown type {inner}; {AGAIN}")
    return None


def _tensor(walk: _Walk, header: _Header) -> int:
    """Read of one tensor where and how large it is; give the byte of the data that it ends before."""
    name, dimensions = walk.text(), walk.number()
    if dimensions > _MOST_DIMENSIONS:
        raise _Flaw(f"is damaged: a tensor of it has {dimensions} dimensions; {AGAIN}")
    weights = math.prod(walk.number("Q") for _ in range(dimensions))
    kind, offset = walk.number(), walk.number("Q")
    # A type that is newer than this table takes at least no room; llama.cpp will say whether it knows it.
    type_name, block, block_bytes = TENSORS.get(kind, (f"type {kind}", 1, 0))
    taken = -(-weights // block) * block_bytes
    header.parameters += weights
    header.bytes_of_type[type_name] += taken
    header.heads |= {name or ""} & _HEADS
    return offset + taken


def _check_end(walk: _Walk, header: _Header, reach: int) -> None:
    alignment = header.metadata.get("general.alignment", _ALIGNMENT)
    # llama.cpp reads the weights where they lie, and ends the process where they are aligned to less.
    if not isinstance(alignment, int) or not 0 < alignment <= _BUFFER or alignment % _ALIGNMENT:
        raise _Flaw(f"is damaged: it aligns its tensors to {alignment!r} bytes; {AGAIN}")
    start = -(-walk.at // alignment) * alignment
    header.end = start + reach if header.tensors else walk.at
    if header.end > walk.size:
        raise _Flaw(f"is cut short: {walk.size:,} of {header.end:,} bytes are there; {AGAIN}")


def _parts_of(path: Path, metadata: Mapping[str, Value]) -> tuple[Path, ...]:
    """Give the files of a model, the one that is named first; ModelUnusable where that is not so or one is missing."""
    number, count = metadata.get("split.no", 0), metadata.get("split.count", 1)
    if not isinstance(count, int) or not isinstance(number, int) or count <= 1:
        return (path,)
    names = part_files(path.name)
    if len(names) != count:
        raise ModelUnusable(
            f"{path} is part {number + 1} of {count}, and its name does not say so: llama.cpp finds the others by it. "
            f"Name it like {path.stem}-{number + 1:05}-of-{count:05}.gguf, and the others too."
        )
    if number != 0:
        raise ModelUnusable(f"{path} is part {number + 1} of {count}: give the first, {path.with_name(names[0])}.")
    parts = tuple(path.with_name(name) for name in names)
    missing = [part.name for part in parts if not os.path.isfile(part)]
    if missing:
        raise ModelUnusable(
            f"{path} is the first of {count} parts, and {len(missing)} of them are missing beside it, first "
            f"{missing[0]}: download what is missing into the same folder."
        )
    return parts


def _check_whole(path: Path, metadata: Mapping[str, Value], weights: int) -> None:
    what = metadata.get("general.type", "model")
    if what != "model" or metadata.get("general.architecture") == "clip":
        named = "mmproj" if what == "model" else str(what)
        raise ModelUnusable(f"{path} is no model by itself ({named}): give the file of the model that it belongs to.")
    if not isinstance(metadata.get("general.architecture"), str):
        raise ModelUnusable(f"{path} does not say its architecture, which every model does: convert it to GGUF anew.")
    if not weights:
        raise ModelUnusable(f"{path} holds no weights, a vocabulary at most: give the file of a whole model.")
    flaw = implausible(metadata)
    if flaw is not None:
        raise ModelUnusable(f"{path} {flaw}: it is damaged. Download it again, or use another model.")


def _told(path: Path, parts: tuple[Path, ...], headers: list[_Header]) -> ModelFile:
    metadata = headers[0].metadata
    architecture = str(metadata["general.architecture"])

    def whole(key: str) -> int | None:
        value = metadata.get(f"{architecture}.{key}")
        return value if isinstance(value, int) else None

    heads = frozenset[str]().union(*(one.heads for one in headers))
    return ModelFile(
        path=path,
        parts=parts,
        size=sum(part.stat().st_size for part in parts),
        kind=kind_of(metadata, has_head=bool(heads)),
        heads=heads,
        architecture=architecture,
        name=str(metadata.get("general.name", "")),
        parameters=sum(one.parameters for one in headers),
        type=_type_of(metadata, headers),
        context=whole("context_length"),
        embedding_length=whole("embedding_length"),
        pooling=whole("pooling_type"),
        has_chat_template="tokenizer.chat_template" in metadata,
        has_rerank_template=RERANK_TEMPLATE in metadata,
    )


def _type_of(metadata: Mapping[str, Value], headers: list[_Header]) -> str:
    """Give the type that the file names, else the one that most of its bytes are in."""
    named = metadata.get("general.file_type")
    if isinstance(named, int) and (known := FILES.get(named & ~GUESSED)):
        return known
    total = sum((one.bytes_of_type for one in headers), Counter[str]())
    return max(total, key=lambda name: total[name])
