"""The judgement cache: every probability is read once and replayed afterwards, so that tuning all else is free.

What is kept is the reading itself, before scale, calibration and search have a say: its key is the model (by hash), the
verb, the version of the prompts, the query, and the text. A replay loads no model and gives the same ranking on every
machine.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from lattice.models.prompts import BARE, VERSION, Frame, Part
from lattice.traversal.judges.reading import ProbabilityReader
from lattice.types import Usage

_VERB = "continuation"
_UNITS = 1000  # a log-probability is kept in thousandths of a nat: far below what moves a ranking


@dataclass(frozen=True, slots=True)
class RecordedReading:
    """A reading, replayed in part or whole: log P of each token of the continuation, a row a text.

    Its usage is what a cold run would have cost, replayed or not.
    """

    by_token: npt.NDArray[np.float32]
    usage: Usage


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one text: the tokens that reading it costs and, once it was read, −log P and the seconds."""

    tokens: int
    surprises: tuple[int, ...] | None = None
    seconds: float = 0.0


class RecordedReader:
    """Wraps an engine; what it has read is appended to a file of JSON lines. A context manager.

    The engine is made by `load` when the first unknown text comes, so a full replay loads no model. Usage is that of a
    cold run: nothing is reused, and the seconds are those of the day when a text was read. `elapsed` holds the seconds
    that this object's own work has taken, for whoever measures around it.
    """

    def __init__(
        self, path: Path, model: str, load: Callable[[], ProbabilityReader], seeds: Sequence[Path] = ()
    ) -> None:
        """Read what `path` holds already, and the read-only files `seeds`; a line that a kill cut short is left out."""
        self._path, self._model, self._load = path, model, load
        self._engine: ProbabilityReader | None = None
        self._known: dict[str, _Known] = {}
        self._priced: dict[str, _Known] = {}
        self.replayed = self.read = 0
        self.elapsed = 0.0
        for file in (*seeds, path):
            self._learn(file)
        end_last_line(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Keep the prices of texts that were never read, so that a replay can choose as this run did."""
        unread = [key for key in self._priced if self._known[key].surprises is None]
        self._append(unread)
        self._priced.clear()

    def continuation_logprobs(
        self,
        texts: Sequence[str],
        continuation: str,
        *,
        frame: Frame = BARE,
        keep: bool = True,
        seconds: float | None = None,
    ) -> RecordedReading:
        """Replay what is known and read the rest, at one cold token count each."""
        started = time.perf_counter()
        keys = [self._key(text, continuation, frame) for text in texts]
        unknown = {key: text for key, text in zip(keys, texts, strict=True) if not self._is_read(key)}
        if unknown:
            self._read(unknown, continuation, frame, seconds, keep=keep)
        self.read += len(unknown)
        self.replayed += len(texts) - len(unknown)
        found = [self._known[key] for key in keys]
        self.elapsed += time.perf_counter() - started
        usage = Usage(sum(one.tokens for one in found), calls=1, seconds=sum(one.seconds for one in found))
        by_token = np.array([one.surprises for one in found], dtype=np.float32) / np.float32(-_UNITS)
        return RecordedReading(by_token, usage)

    def cost(self, text: str, continuation: str, frame: Frame = BARE) -> int:
        """Give the tokens of a cold reading: from the record, or from the engine where it is not in there."""
        key = self._key(text, continuation, frame)
        if key not in self._known:
            started = time.perf_counter()
            self._known[key] = self._priced[key] = _Known(self._loaded().cost(text, continuation, frame))
            self.elapsed += time.perf_counter() - started
        return self._known[key].tokens

    def _is_read(self, key: str) -> bool:
        return key in self._known and self._known[key].surprises is not None

    def _read(
        self, unknown: dict[str, str], continuation: str, frame: Frame, seconds: float | None, *, keep: bool
    ) -> None:
        texts = list(unknown.values())
        costs = [self.cost(text, continuation, frame) for text in texts]
        started = time.perf_counter()
        reading = self._loaded().continuation_logprobs(texts, continuation, frame=frame, keep=keep, seconds=seconds)
        a_token = (time.perf_counter() - started) / sum(costs)
        for key, row, cost in zip(unknown, np.rint(reading.by_token * -_UNITS).astype(int), costs, strict=True):
            self._known[key] = _Known(cost, tuple(row.tolist()), round(a_token * cost, 4))
        self._append(list(unknown))

    def _append(self, keys: list[str]) -> None:
        lines = [_line(key, self._known[key]) for key in keys]
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(lines))

    def _learn(self, file: Path) -> None:
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                key, surprises, tokens, seconds = json.loads(line)
                known = _Known(int(tokens), None if surprises is None else tuple(map(int, surprises)), float(seconds))
            except (ValueError, TypeError):
                continue  # cut short, or of a version that kept means: it is read again
            if known.surprises == ():
                continue
            if surprises is not None or key not in self._known:
                self._known[key] = known

    def _loaded(self) -> ProbabilityReader:
        if self._engine is None:
            self._engine = self._load()
        return self._engine

    def _key(self, text: str, continuation: str, frame: Frame) -> str:
        prefix = "".join(part.text for part in (*frame.before, Part(text), *frame.after))
        source = "\x00".join((self._model, _VERB, str(VERSION), prefix, continuation))
        return hashlib.blake2b(source.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _line(key: str, known: _Known) -> str:
    return json.dumps([key, known.surprises, known.tokens, known.seconds], separators=(",", ":")) + "\n"


def end_last_line(path: Path) -> None:
    """End a last line that a kill cut short."""
    # What is appended must not join a fragment.
    if path.exists() and (text := path.read_bytes()) and not text.endswith(b"\n"):
        path.write_bytes(text + b"\n")
