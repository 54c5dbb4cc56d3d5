"""The judgement cache: every probability is read once and replayed afterwards, so that tuning all else is free.

What is kept is the reading itself, before scale, calibration and search have a say: its key is the model (by hash), the
verb, the version of the prompts, the query, and the text. A replay loads no model and gives the same ranking on every
machine.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from lattice.models.prompts import BARE, VERSION, Frame, Part
from lattice.traversal.judges.reading import LikelihoodReader
from lattice.types import Usage

_VERB, _WORDS = "continuation", "words"
_UNITS = 1000  # a log-probability is kept in thousandths of a nat: far below what moves a ranking


@dataclass(frozen=True, slots=True)
class RecordedReading:
    """A reading, replayed in part or whole: log P of each token of the continuation, a row a text.

    Its usage is what a cold run would have cost, replayed or not.
    """

    by_token: npt.NDArray[np.float32]
    usage: Usage


@dataclass(frozen=True, slots=True)
class RecordedWords:
    """Words that were expected, replayed or not: their lifts (nats) by stem, and what a cold reading costs."""

    lifts: Mapping[str, float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one text: the tokens that reading it costs and, once it was read, what was, and the seconds.

    That is −log P of each token of a continuation, or the lift of each word that was expected, by stem.
    """

    tokens: int
    read: tuple[int, ...] | dict[str, int] | None = None
    seconds: float = 0.0


class RecordedReader:
    """Wraps an engine; what it has read is appended to a file of JSON lines. A context manager.

    The engine is made by `load` when the first unknown text comes, so a full replay loads no model. Usage is that of a
    cold run: nothing is reused, and the seconds are those of the day when a text was read. `elapsed` holds the seconds
    that this object's own work has taken, for whoever measures around it.
    """

    def __init__(
        self, path: Path, model: str, load: Callable[[], LikelihoodReader], seeds: Sequence[Path] = ()
    ) -> None:
        """Read what `path` holds already, and the read-only files `seeds`; a line that a kill cut short is left out."""
        self._path, self._model, self._load = path, model, load
        self._engine: LikelihoodReader | None = None
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
        unread = [key for key in self._priced if self._known[key].read is None]
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
        by_token = np.array([one.read for one in found], dtype=np.float32) / np.float32(-_UNITS)
        return RecordedReading(by_token, usage)

    def expected_words(self, text: str, frame: Frame, most: int, *, seconds: float | None = None) -> RecordedWords:
        """Replay the words that are expected, or read them, at a cold token count."""
        started = time.perf_counter()
        key = self._words_key(text, frame, most)
        if key in self._known and isinstance(self._known[key].read, dict):
            self.replayed += 1
        else:
            cost = self.expected_cost(text, frame)
            begun = time.perf_counter()
            found = self._loaded().expected_words(text, frame, most, seconds=seconds)
            lifts = {word: round(lift * _UNITS) for word, lift in found.lifts.items()}
            self._known[key] = _Known(cost, lifts, round(time.perf_counter() - begun, 4))
            self._append([key])
            self.read += 1
        known = self._known[key]
        assert isinstance(known.read, dict)
        self.elapsed += time.perf_counter() - started
        usage = Usage(known.tokens, calls=1, seconds=known.seconds)
        return RecordedWords({word: lift / _UNITS for word, lift in known.read.items()}, usage)

    def expected_cost(self, text: str, frame: Frame) -> int:
        """Give the tokens of a cold reading of the words that are expected."""
        # However many words are asked for, the price is the same.
        return self._priced_at(self._words_key(text, frame, 0), lambda: self._loaded().expected_cost(text, frame))

    def cost(self, text: str, continuation: str, frame: Frame = BARE) -> int:
        """Give the tokens of a cold reading: from the record, or from the engine where it is not in there."""
        key = self._key(text, continuation, frame)
        return self._priced_at(key, lambda: self._loaded().cost(text, continuation, frame))

    def _priced_at(self, key: str, price: Callable[[], int]) -> int:
        if key not in self._known:
            started = time.perf_counter()
            self._known[key] = self._priced[key] = _Known(price())
            self.elapsed += time.perf_counter() - started
        return self._known[key].tokens

    def _is_read(self, key: str) -> bool:
        return key in self._known and isinstance(self._known[key].read, tuple)

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
                key, read, tokens, seconds = json.loads(line)
                known = _Known(int(tokens), _as_read(read), float(seconds))
            except (ValueError, TypeError, AttributeError):
                continue  # cut short, or of a version that kept means: it is read again
            if read is not None and not known.read:
                continue
            if read is not None or key not in self._known:
                self._known[key] = known

    def _loaded(self) -> LikelihoodReader:
        if self._engine is None:
            self._engine = self._load()
        return self._engine

    def _key(self, text: str, continuation: str, frame: Frame) -> str:
        prefix = "".join(part.text for part in (*frame.before, Part(text), *frame.after))
        return self._digest(_VERB, prefix, continuation)

    def _words_key(self, text: str, frame: Frame, most: int) -> str:
        return self._digest(_WORDS, "".join(part.text for part in (*frame.before, Part(text), *frame.after)), str(most))

    def _digest(self, verb: str, *parts: str) -> str:
        source = "\x00".join((self._model, verb, str(VERSION), *parts))
        return hashlib.blake2b(source.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _as_read(kept: list[int] | dict[str, int] | None) -> tuple[int, ...] | dict[str, int] | None:
    if isinstance(kept, dict):
        return {word: int(lift) for word, lift in kept.items()}
    return None if kept is None else tuple(map(int, kept))


def _line(key: str, known: _Known) -> str:
    return json.dumps([key, known.read, known.tokens, known.seconds], separators=(",", ":")) + "\n"


def end_last_line(path: Path) -> None:
    """End a last line that a kill cut short."""
    # What is appended must not join a fragment.
    if path.exists() and (text := path.read_bytes()) and not text.endswith(b"\n"):
        path.write_bytes(text + b"\n")
