"""A reader that remembers: every probability is read once and replayed afterwards, so that tuning the rest is free."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lattice.models.prompts import VERSION
from lattice.traversal.judges import ProbabilityReader
from lattice.types import Usage


@dataclass(frozen=True, slots=True)
class RecordedReading:
    """A reading, replayed in part or whole; its usage is what a cold run would have cost, replayed or not."""

    logprobs: tuple[float, ...]
    usage: Usage


class RecordedReader:
    """Wraps an engine; what it has read is appended to a file of JSON lines, keyed by model, prompt version and texts.

    The engine is made by `load` when the first unknown text comes, so a full replay loads no model.
    """

    def __init__(self, path: Path, model: str, load: Callable[[], ProbabilityReader]) -> None:
        """Read what `path` holds already; a last line that was cut short by a kill is left out."""
        self._path, self._model, self._load = path, model, load
        self._engine: ProbabilityReader | None = None
        self._known: dict[str, tuple[float, int]] = {}
        self.replayed = self.read = 0
        if path.exists():
            text = path.read_text(encoding="utf-8")
            if text and not text.endswith("\n"):
                path.write_text(text + "\n", encoding="utf-8")  # what is appended must not join the fragment
            for line in text.splitlines():
                try:
                    key, logprob, tokens = json.loads(line)
                except ValueError:
                    continue
                self._known[key] = (logprob, tokens)

    def continuation_logprobs(
        self, prefixes: Sequence[str], continuation: str, *, keep: bool = True, seconds: float | None = None
    ) -> RecordedReading:
        """Replay what is known and read the rest, one cold token count each."""
        del keep  # what is kept would make the counts depend on the order of queries
        keys = [self._key(prefix, continuation) for prefix in prefixes]
        unknown = [i for i, key in enumerate(keys) if key not in self._known]
        if unknown:
            self._read([prefixes[i] for i in unknown], [keys[i] for i in unknown], continuation, seconds)
        self.read += len(unknown)
        self.replayed += len(prefixes) - len(unknown)
        found = [self._known[key] for key in keys]
        usage = Usage(evaluated=sum(tokens for _, tokens in found), calls=1)
        return RecordedReading(tuple(logprob for logprob, _ in found), usage)

    def _read(self, prefixes: list[str], keys: list[str], continuation: str, seconds: float | None) -> None:
        engine = self._loaded()
        costs = [engine.cost(prefix, continuation) for prefix in prefixes]
        reading = engine.continuation_logprobs(prefixes, continuation, keep=False, seconds=seconds)
        with self._path.open("a", encoding="utf-8") as file:
            for key, logprob, cost in zip(keys, reading.logprobs, costs, strict=True):
                self._known[key] = (logprob, cost)
                file.write(json.dumps([key, *self._known[key]]) + "\n")

    def cost(self, prefix: str, continuation: str) -> int:
        """Give the tokens of a cold reading: from the record, or from the engine where it is not in there."""
        known = self._known.get(self._key(prefix, continuation))
        return self._loaded().cost(prefix, continuation) if known is None else known[1]

    def _loaded(self) -> ProbabilityReader:
        if self._engine is None:
            self._engine = self._load()
        return self._engine

    def _key(self, prefix: str, continuation: str) -> str:
        source = "\x00".join((self._model, str(VERSION), prefix, continuation))
        return hashlib.blake2b(source.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
