"""The same model in the weight type that this CPU reads fastest, as long as it says the same.

Which type that is differs by far from CPU to CPU (SmolLM2-135M, 2 cores with AVX512-BF16: Q4_1 as packaged 342 tokens a
second, F16 644, Q8_0 750, BF16 994), so it is measured on the spot. A type may only take part if its scores stay with
those of F16, from which Q4_0, say, is far away however fast it is.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import llama_cpp
import numpy as np

from lattice.errors import ModelUnusable
from lattice.models.gguf import check_gguf
from lattice.models.llama.engine import LlamaEngine
from lattice.models.llama.native import quiet_native_log
from lattice.models.llama.probe import QUESTIONS, TEXTS
from lattice.models.prompts import LIKELIHOOD
from lattice.models.settings import EngineSettings

TYPES = {"F16": 1, "BF16": 32, "Q8_0": 7, "Q4_0": 2}  # llama.cpp's LLAMA_FTYPE_*; F16 first, for it is the reference
WORST_DIFFERENCE = 0.03  # mean |Δ log P| a token from F16; the candidates of a slate spread by .1 to .4
LARGEST = 2_000_000_000  # parameters: the F16 copy of a larger model outgrows what a laptop can hold beside it

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One weight type: tokens read a second, mean |Δ log P| from F16, and whether it ranks as F16 does."""

    type: str
    rate: float
    difference: float
    same_ranking: bool

    @property
    def is_faithful(self) -> bool:
        """Whether it says the same as F16, as far as a ranking can tell."""
        return self.same_ranking and self.difference <= WORST_DIFFERENCE


@dataclass(frozen=True, slots=True)
class Optimised:
    """What came of it: the type that was chosen ("as it is": none was faster), where it lies, and all trials."""

    chosen: str
    path: Path
    trials: tuple[Trial, ...]


AS_IT_IS = "as it is"


def optimize(source: Path, target: Path, progress: Progress | None = None) -> Optimised:
    """Write the fastest faithful copy of the model `source` to `target`; nothing where none is faster than it.

    ModelUnusable where llama.cpp cannot read or convert it, or where it is too large for this.
    """
    check_gguf(source)
    quiet_native_log()
    report = progress or (lambda _stage, _done, _total: None)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        copies = {name: Path(folder) / f"{name}.gguf" for name in TYPES}
        report("fitting the model to this CPU", 0, len(TYPES) + 1)
        own_rate, own = _measured(source)
        reference = own
        trials: list[Trial] = []
        for done, (name, path) in enumerate(copies.items(), 1):
            report("fitting the model to this CPU", done, len(TYPES) + 1)
            requantize(source, path, TYPES[name])
            rate, said = _measured(path)
            reference = said if name == "F16" else reference
            trials.append(_trial(name, rate, said, reference))
        trials.append(_trial(AS_IT_IS, own_rate, own, reference))
        best = max((one for one in trials if one.is_faithful or one.type == AS_IT_IS), key=lambda one: one.rate)
        if best.type == AS_IT_IS:
            return Optimised(AS_IT_IS, source, tuple(trials))
        copies[best.type].replace(target)
    return Optimised(best.type, target, tuple(trials))


def requantize(source: Path, target: Path, file_type: int) -> None:
    """Convert the weights of a GGUF to another type (LLAMA_FTYPE_*); ModelUnusable where llama.cpp cannot."""
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = file_type
    params.allow_requantize = True
    params.nthread = os.cpu_count() or 1
    code = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    if code != 0 or not target.exists():
        raise ModelUnusable(f"llama.cpp cannot convert {source.name} (code {code}); it is used as it is.")


def _measured(path: Path) -> tuple[float, np.ndarray]:
    """Read the probe slates: tokens a second in the fastest of them, and log P, shape (questions, texts)."""
    engine = LlamaEngine(path, EngineSettings(cache_bytes=0))
    try:
        if engine.parameters > LARGEST:
            billions = engine.parameters / 1e9
            raise ModelUnusable(f"{path.name} has {billions:.1f} billion parameters: too many to try other types here.")
        readings = [
            engine.continuation_logprobs(TEXTS, question, frame=LIKELIHOOD, keep=False) for question in QUESTIONS
        ]
        # The fastest, for a neighbour on the machine can only slow one down.
        rate = max(reading.usage.evaluated / reading.usage.seconds for reading in readings)
        return rate, np.array([reading.logprobs for reading in readings])
    finally:
        engine.close()


def _trial(name: str, rate: float, said: np.ndarray, reference: np.ndarray) -> Trial:
    return Trial(name, rate, float(np.abs(said - reference).mean()), same_ranking(said, reference))


def same_ranking(said: np.ndarray, reference: np.ndarray) -> bool:
    """Whether every pair that the reference holds apart by more than two allowed differences keeps its order.

    Both are log-probabilities, shape (slates, candidates). Closer pairs are a matter of luck to begin with.
    """
    apart = reference[:, :, None] - reference[:, None, :]
    kept = said[:, :, None] - said[:, None, :]
    return bool((kept[apart > 2 * WORST_DIFFERENCE] > 0).all())
