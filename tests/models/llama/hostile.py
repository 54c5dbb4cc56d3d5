"""Tries damaged and malicious models on the engine, in processes that may die of it.

Each must work or be refused with a reason. What else happens (another exception, a signal, no end) is named with its
variant, which `--only NUMBER` tries again by itself.
"""

from __future__ import annotations

import argparse
import copy
import faulthandler
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import IO

from lattice.errors import ModelNotFound, ModelUnusable, UsageError
from lattice.models.settings import EngineSettings
from lattice.models.trials import check_survived
from tests.models.llama.mutants import Mutate, bases, catalogue, damaged, put_together

LIMIT = 60.0  # seconds for one variant
MEMORY = 6 << 30  # bytes for one process; what asks for more is refused by the system, as on a small machine
SETTINGS = EngineSettings(threads=1, sequences=2, sequence_tokens=64, prompt_tokens=128)
_A_PROCESS = 500  # variants
GOOD = ("works", "refused", "caught")


@dataclass(frozen=True)
class Variant:
    number: int
    name: str
    content: bytes


@dataclass(frozen=True)
class Outcome:
    """What became of a variant, and what was said: it "works", was "refused", "died", or had another exception, "bad".

    What dies is tried as the command line tries a new model, and was "caught" if that refuses it.
    """

    number: int
    name: str
    what: str
    said: str


class Source:
    """Makes the variants of a seed: every base with every mutation, shuffled; then mixtures and damaged bytes."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._bases, self._seed, mutations = bases(folder), seed, list(catalogue())
        self._mutations = mutations
        self._named = [(base, one) for base in self._bases for one in mutations]
        Random(seed).shuffle(self._named)

    def __getitem__(self, number: int) -> Variant:
        random = Random(f"{self._seed}:{number}")
        chosen: list[tuple[str, Mutate]]
        if is_named := number < len(self._named):
            base, chosen = self._named[number][0], [self._named[number][1]]
        else:
            base, chosen = (
                random.choice(list(self._bases)),
                random.sample(self._mutations, random.choice((0, 0, 1, 2, 3))),
            )
        model = copy.deepcopy(self._bases[base])
        for _, mutate in chosen:
            mutate(model, random)
        content, names = put_together(model), [base, *(name for name, _ in chosen)]
        if not is_named and len(chosen) < 2:
            content, names = damaged(content, random), [*names, "damaged bytes"]
        return Variant(number, " + ".join(names), content)


def ask(path: Path) -> None:
    """Load a model and ask it what its kind can be asked."""
    import numpy as np

    from lattice.models.llama.engine import LlamaEngine

    engine = LlamaEngine(path, SETTINGS)
    try:
        if engine.kind == "embedding":
            assert np.isfinite(engine.embed(["stars look", "bread", "water " * 200])).all()
        elif engine.kind == "reranker":
            assert np.isfinite(engine.score_pairs("why", ["stars look", "bread", "water " * 200]).scores).all()
        else:
            assert np.isfinite(
                engine.continuation_logprobs(["stars look", "water " * 200], " like lines").by_token
            ).all()
            prompt = engine.prompt("You judge.", "stars", "bread?")
            assert np.isfinite(engine.label_logits([prompt], ["a", "b"]).logprobs).all()
            engine.generate(prompt, grammar='root ::= "{" [a-z ]+ "}"', max_tokens=4)
    finally:
        engine.close()


def child(folder: Path, numbers: Sequence[int], seed: int) -> None:
    """Try variants one after the other; a line before each, and one after."""
    faulthandler.enable()
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what llama.cpp itself says must not stand between the reports
    _limit_memory()
    source = Source(folder, seed)
    for number in numbers:
        one = source[number]
        path = folder / "variant.gguf"
        path.write_bytes(one.content)
        print("begin", number, one.name, sep="\t", file=report, flush=True)
        try:
            ask(path)
            print("works", number, "", sep="\t", file=report, flush=True)
        except (ModelUnusable, ModelNotFound, UsageError) as error:
            print("refused", number, repr(str(error)), sep="\t", file=report, flush=True)
        except BaseException as error:
            print("bad", number, repr(error)[:300], sep="\t", file=report, flush=True)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def tried(numbers: Sequence[int], seed: int, deadline: float = float("inf"), limit: float = LIMIT) -> Iterator[Outcome]:
    """Yield what becomes of each variant; a process that dies or hangs costs one variant, and the rest go on."""
    with tempfile.TemporaryDirectory() as folder:
        source = Source(Path(folder), seed)
        while numbers and time.monotonic() < deadline:
            for outcome in _until_death(numbers[:_A_PROCESS], seed, deadline, limit):
                numbers = numbers[numbers.index(outcome.number) + 1 :]
                yield _tried_first(outcome, source, Path(folder)) if outcome.what == "died" else outcome


def _tried_first(outcome: Outcome, source: Source, folder: Path) -> Outcome:
    """Try what died as the command line tries a model that is new to it."""
    path = folder / "variant.gguf"
    path.write_bytes(source[outcome.number].content)
    try:
        check_survived(path, SETTINGS, {"LATTICE_HOME": str(folder)})
    except ModelUnusable:
        return replace(outcome, what="caught")
    return outcome


def _until_death(numbers: Sequence[int], seed: int, deadline: float, limit: float) -> Iterator[Outcome]:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        listed = ",".join(map(str, numbers))
        command = [sys.executable, "-m", "tests.models.llama.hostile", "--child", folder, listed, "--seed", str(seed)]
        environ = {**os.environ, "GGML_NO_BACKTRACE": "1"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1, env=environ)
        assert process.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True)
        reader.start()
        number, name = numbers[0], "before the first variant"
        try:
            while time.monotonic() < deadline:
                line = _line(lines, limit)
                if line is None:
                    yield Outcome(number, name, "died", f"no end after {limit:g} s")
                    return
                if not line:
                    break
                what, told, said = line.rstrip("\n").split("\t")
                if what == "begin":
                    number, name = int(told), said
                else:
                    yield Outcome(number, name, what, said)
                    name = ""
            else:
                return
            if process.wait() != 0:
                errors.seek(0)
                yield Outcome(
                    number, name or "at the end", "died", f"code {process.returncode}: {_last(errors.read())}"
                )
        finally:
            process.kill()
            process.wait()
            reader.join()
            process.stdout.close()


def _read_lines(output: IO[str], lines: queue.Queue[str]) -> None:
    for line in output:
        lines.put(line)
    lines.put("")


def _line(lines: queue.Queue[str], limit: float) -> str | None:
    """Give the next line; "" at the end, None where nothing comes."""
    try:
        return lines.get(timeout=limit)
    except queue.Empty:
        return None


def _last(written: str) -> str:
    lines = [line for line in written.splitlines() if "GGML_ASSERT" in line or "Fatal" in line or "what():" in line]
    return " | ".join(lines[:3]) or written[-300:]


def main() -> None:
    """Try variants until there are enough or the time is over; exit code 1 where any did not behave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--variants", type=int, default=10**9)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "NUMBERS"))
    asked = parser.parse_args()
    if asked.child:
        child(Path(asked.child[0]), [int(one) for one in asked.child[1].split(",")], asked.seed)
        os._exit(0)
    print(f"seed {asked.seed}", flush=True)
    numbers = range(asked.first, asked.first + asked.variants) if asked.only is None else [asked.only]
    counts: Counter[str] = Counter()
    for outcome in tried(numbers, asked.seed, time.monotonic() + asked.seconds):
        counts[outcome.what] += 1
        if outcome.what not in GOOD or asked.verbose or asked.only is not None:
            print(outcome.what, outcome.number, outcome.name, outcome.said, sep="\t", flush=True)
    print(f"seed {asked.seed}:", ", ".join(f"{count} {what}" for what, count in counts.items()))
    sys.exit(counts.total() > sum(counts[what] for what in GOOD))


if __name__ == "__main__":
    main()
