"""How a model is run: what a user may set without loading llama.cpp."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lattice.errors import UsageError


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How a model is run. `threads` 0 means every core that this process may use.

    `sequences` candidates of at most `sequence_tokens` tokens are decoded together (llama.cpp's n_seq_max and n_ctx);
    what is longer is decoded alone, in a context of at most `prompt_tokens`, which is made when it is first needed.
    `batch_tokens` are computed at once (n_batch), `gpu_layers` on a GPU. `cache_bytes` bounds the KV states kept in
    memory; up to `disk_bytes` of them are kept below `disk_cache` too.

    UsageError for what llama.cpp would not survive.
    """

    threads: int = 0
    sequences: int = 16
    sequence_tokens: int = 512
    prompt_tokens: int = 4096
    batch_tokens: int = 512
    gpu_layers: int = 0
    cache_bytes: int = 256 * 1024 * 1024
    disk_cache: Path | None = None
    disk_bytes: int = 0

    def __post_init__(self) -> None:
        lowest = {"threads": 0, "sequences": 1, "sequence_tokens": 16, "prompt_tokens": 64, "batch_tokens": 16}
        lowest |= {"gpu_layers": -1, "cache_bytes": 0, "disk_bytes": 0}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least {least}.")
        if self.batch_tokens < self.sequences:
            raise UsageError(f"batch_tokens ({self.batch_tokens}) is below sequences ({self.sequences}).")
