"""How fast a model reads and writes on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from lattice.models.llama.engine import LlamaEngine
from lattice.models.llama.probe import QUESTIONS, TEXTS
from lattice.models.prompts import LIKELIHOOD, Part, Prompt
from lattice.models.settings import EngineSettings

_WRITTEN = 64  # tokens


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second read and written, bytes of KV state a token, parameters, and the file's size in bytes."""

    read_rate: float
    write_rate: float
    kv_bytes_a_token: int
    parameters: int
    size: int


def measure(path: Path) -> Speed:
    """Load the model and measure it on the probe slates; ModelNotFound, ModelUnusable where that cannot be."""
    engine = LlamaEngine(path, EngineSettings())
    try:
        readings = [
            engine.continuation_logprobs(TEXTS, question, frame=LIKELIHOOD, keep=False) for question in QUESTIONS
        ]
        # The fastest, for a neighbour on the machine can only slow one down.
        read_rate = max(reading.usage.evaluated / reading.usage.seconds for reading in readings)
        engine.continuation_logprobs(TEXTS[:1], QUESTIONS[0])
        kept = engine.kept_bytes // max(1, len(engine.tokenize(TEXTS[0])) - 1)
        started = time.perf_counter()
        said = engine.generate(
            Prompt((Part(TEXTS[0]),), (Part("\n"),)), grammar="root ::= [a-z ]+", max_tokens=_WRITTEN
        )
        write_rate = said.usage.generated / (time.perf_counter() - started)
        return Speed(read_rate, write_rate, kept, engine.parameters, path.stat().st_size)
    finally:
        engine.close()
