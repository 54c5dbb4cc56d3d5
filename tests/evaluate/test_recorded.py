from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lattice.evaluate.recorded import RecordedReader, RecordedReading, RecordedWords
from lattice.models.prompts import BARE, EXPECTING, Frame
from lattice.types import Usage


class Engine:
    def __init__(self) -> None:
        self.read: list[str] = []
        self.priced: list[str] = []

    def continuation_logprobs(
        self,
        texts: Sequence[str],
        continuation: str,
        *,
        frame: Frame = BARE,
        keep: bool = True,
        seconds: float | None = None,
    ) -> RecordedReading:
        self.read += texts
        time.sleep(0.001)  # so that there are seconds to be kept
        return RecordedReading(np.array([[-float(len(text)), -0.5] for text in texts]), Usage(evaluated=100, calls=1))

    def cost(self, text: str, continuation: str, frame: Frame = BARE) -> int:
        self.priced.append(text)
        return len(text) + len(continuation)

    def expected_words(self, text: str, frame: Frame, most: int, *, seconds: float | None = None) -> RecordedWords:
        self.read.append(text)
        return RecordedWords({"bee": float(len(text)), "hive": 0.25}, Usage(evaluated=100, calls=1))

    def expected_cost(self, text: str, frame: Frame) -> int:
        self.priced.append(text)
        return len(text) + 1


def _first_tokens(reading: RecordedReading) -> list[float]:
    return [float(row[0]) for row in reading.by_token]


def _read(path: Path, engine: Engine, texts: list[str], model: str = "m", query: str = "q") -> RecordedReading:
    with RecordedReader(path, model, lambda: engine) as reader:
        return reader.continuation_logprobs(texts, query)


def test_what_was_read_once_is_replayed_also_by_another_reader(tmp_path: Path) -> None:
    engine, path = Engine(), tmp_path / "record.jsonl"
    first = _read(path, engine, ["a", "bbb"])
    again = _read(path, engine, ["bbb", "a"])
    assert engine.read == ["a", "bbb"]
    assert (_first_tokens(first), _first_tokens(again)) == ([-1.0, -3.0], [-3.0, -1.0])
    assert first.by_token[:, 1].tolist() == [-0.5, -0.5]
    assert again.usage == first.usage
    assert (again.usage.evaluated, again.usage.reused, again.usage.calls) == (6, 0, 1)
    assert again.usage.seconds > 0.0


def test_words_that_were_expected_once_are_replayed_with_their_price(tmp_path: Path) -> None:
    path, found = tmp_path / "record.jsonl", []
    engines = Engine(), Engine()
    for engine in engines:
        with RecordedReader(path, "m", lambda engine=engine: engine) as reader:  # type: ignore[misc]
            assert reader.expected_cost("honey", EXPECTING) == 6
            found.append(reader.expected_words("honey", EXPECTING, 9))
    assert found[0] == found[1]
    assert found[0].lifts == {"bee": 5.0, "hive": 0.25}
    assert found[0].usage.evaluated == 6
    assert (engines[1].read, engines[1].priced) == ([], [])


def test_other_words_are_asked_for_anew(tmp_path: Path) -> None:
    engine = Engine()
    with RecordedReader(tmp_path / "r.jsonl", "m", lambda: engine) as reader:
        for text, frame, most in (("a", EXPECTING, 9), ("a", BARE, 9), ("a", EXPECTING, 8), ("a", EXPECTING, 9)):
            reader.expected_words(text, frame, most)
    assert engine.read == ["a", "a", "a"]


def test_another_model_or_query_is_read_anew(tmp_path: Path) -> None:
    engine, path = Engine(), tmp_path / "record.jsonl"
    _read(path, engine, ["a"])
    _read(path, engine, ["a"], model="n")
    _read(path, engine, ["a"], query="other")
    assert engine.read == ["a", "a", "a"]


def test_a_text_twice_in_a_slate_is_read_once(tmp_path: Path) -> None:
    engine = Engine()
    assert _read(tmp_path / "r.jsonl", engine, ["a", "a"]).by_token[:, 0].tolist() == [-1.0, -1.0]
    assert engine.read == ["a"]


def test_prices_are_kept_also_of_what_was_never_read(tmp_path: Path) -> None:
    engine, path = Engine(), tmp_path / "record.jsonl"
    with RecordedReader(path, "m", lambda: engine) as reader:
        assert [reader.cost(text, "q") for text in ("read", "unread")] == [5, 7]
        reader.continuation_logprobs(["read"], "q")
    asleep = Engine()
    with RecordedReader(path, "m", lambda: asleep) as again:
        assert [again.cost(text, "q") for text in ("read", "unread")] == [5, 7]
        assert asleep.priced == []
        again.continuation_logprobs(["unread"], "q")
    assert asleep.read == ["unread"]
    assert len(path.read_text().splitlines()) == 3  # the price, then the reading of the same text


def test_further_files_are_read_and_not_added_to(tmp_path: Path) -> None:
    engine, seed = Engine(), tmp_path / "seed.jsonl"
    _read(seed, engine, ["a"])
    before = seed.read_text()
    with RecordedReader(tmp_path / "own.jsonl", "m", lambda: engine, [seed]) as reader:
        assert _first_tokens(reader.continuation_logprobs(["a", "bb"], "q")) == [-1.0, -2.0]
        assert (reader.read, reader.replayed) == (1, 1)
    assert seed.read_text() == before
    assert len((tmp_path / "own.jsonl").read_text().splitlines()) == 1


def test_a_line_cut_short_is_read_again(tmp_path: Path) -> None:
    engine, path = Engine(), tmp_path / "record.jsonl"
    _read(path, engine, ["a"])
    path.write_text(path.read_text()[:-6])
    with RecordedReader(path, "m", lambda: engine) as reader:
        assert _first_tokens(reader.continuation_logprobs(["a"], "q")) == [-1.0]
        assert (reader.read, reader.replayed) == (1, 0)
    with RecordedReader(path, "m", lambda: engine) as after:
        after.continuation_logprobs(["a"], "q")
        assert (after.read, after.replayed) == (0, 1)


@pytest.mark.parametrize("kept", ["-1.5", '"x"', "{}", "true"])
def test_a_line_of_another_form_is_read_again(tmp_path: Path, kept: str) -> None:
    engine, path = Engine(), tmp_path / "record.jsonl"
    _read(path, engine, ["a"])
    path.write_text(path.read_text().replace("[1000,500]", kept))
    assert _first_tokens(_read(path, engine, ["a"])) == [-1.0]
    assert engine.read == ["a", "a"]


def test_what_is_kept_holds_no_text(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    _read(path, Engine(), ["a secret passage"], query="a secret query")
    assert "secret" not in path.read_text()
    key, surprises, tokens, seconds = json.loads(path.read_text())
    assert (len(key), surprises, tokens) == (24, [16000, 500], 30)
    assert seconds >= 0.0
