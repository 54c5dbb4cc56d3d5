from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lattice.evaluate.recorded import RecordedReader, RecordedReading
from lattice.types import Usage


class Engine:
    def __init__(self) -> None:
        self.read: list[str] = []

    def continuation_logprobs(
        self, prefixes: Sequence[str], continuation: str, *, keep: bool = True, seconds: float | None = None
    ) -> RecordedReading:
        self.read += prefixes
        return RecordedReading(tuple(-float(len(prefix)) for prefix in prefixes), Usage(evaluated=100, calls=1))

    def cost(self, prefix: str, continuation: str) -> int:
        return len(prefix) + len(continuation)


def test_what_was_read_once_is_replayed_also_by_another_reader(tmp_path: Path) -> None:
    engine, path = Engine(), tmp_path / "record.jsonl"
    first = RecordedReader(path, "m", lambda: engine).continuation_logprobs(["a", "bbb"], "q")
    again = RecordedReader(path, "m", lambda: engine).continuation_logprobs(["bbb", "a"], "q")
    assert engine.read == ["a", "bbb"]
    assert first.logprobs == (-1.0, -3.0)
    assert again.logprobs == (-3.0, -1.0)
    assert again.usage == first.usage == Usage(evaluated=6, calls=1)
    assert RecordedReader(path, "m", lambda: engine).cost("bbb", "q") == 4


def test_another_model_or_query_is_read_anew(tmp_path: Path) -> None:
    engine, path = Engine(), tmp_path / "record.jsonl"
    RecordedReader(path, "m", lambda: engine).continuation_logprobs(["a"], "q")
    RecordedReader(path, "n", lambda: engine).continuation_logprobs(["a"], "q")
    RecordedReader(path, "m", lambda: engine).continuation_logprobs(["a"], "other")
    assert engine.read == ["a", "a", "a"]


def test_a_line_cut_short_is_read_again(tmp_path: Path) -> None:
    engine, path = Engine(), tmp_path / "record.jsonl"
    RecordedReader(path, "m", lambda: engine).continuation_logprobs(["a"], "q")
    path.write_text(path.read_text()[:-6])
    reader = RecordedReader(path, "m", lambda: engine)
    assert reader.continuation_logprobs(["a"], "q").logprobs == (-1.0,)
    assert (reader.read, reader.replayed) == (1, 0)
    after = RecordedReader(path, "m", lambda: engine)
    after.continuation_logprobs(["a"], "q")
    assert (after.read, after.replayed) == (0, 1)
