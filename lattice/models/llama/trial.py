"""Loads a model and reads a little with it, in a process that may die of it (`lattice.models.trials` starts it)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from lattice.errors import LatticeError
from lattice.models.llama.engine import LlamaEngine
from lattice.models.prompts import Part, Prompt
from lattice.models.settings import EngineSettings

REFUSED = 3  # the exit code of a model that was refused with a reason, which stands on standard output
_TEXTS = ("The dome motor stalls in the cold.", "Bread", "")
# Every byte that UTF-8 has: a vocabulary may lack one, and llama.cpp ends the process when a text comes with it.
_STEPS = (
    (0, 0x100, 1),
    (0x100, 0x800, 0x40),
    (0x800, 0xD800, 0x400),
    (0xE000, 0x10000, 0x400),
    (0x10000, 0x110000, 0x10000),
)
ALL_BYTES = "".join(chr(code) for steps in _STEPS for code in range(*steps))
_QUESTION = " Why does it stall?"


def try_out(path: Path, settings: EngineSettings) -> None:
    """Ask the model at `path` a little of all that its kind can be asked; LatticeError where it is refused."""
    engine = LlamaEngine(path, settings)
    engine.tokenize(ALL_BYTES)
    if engine.kind == "embedding":
        engine.embed(_TEXTS)
    elif engine.kind == "reranker":
        engine.score_pairs(_QUESTION, _TEXTS)
    else:
        engine.continuation_logprobs(_TEXTS, _QUESTION)
        engine.generate(Prompt((Part(_TEXTS[0]),), (Part(_QUESTION),)), grammar="root ::= [a-z ]+", max_tokens=2)
    engine.close()


def main() -> None:
    """Try the model that is named, with the settings given as JSON on standard input."""
    report = os.dup(1)
    os.dup2(2, 1)  # what llama.cpp itself prints is no report
    try:
        try_out(Path(sys.argv[1]), EngineSettings(**json.load(sys.stdin)))
    except LatticeError as error:
        os.write(report, str(error).encode("utf-8", errors="replace"))
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
