from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lattice.errors import ModelNotFound, ModelUnusable
from lattice.models.llama.engine import EngineSettings, LlamaEngine
from lattice.models.prompts import likelihood_prefix
from lattice.models.registry import embedded_model
from lattice.types import OutOfTime

pytestmark = pytest.mark.model

TEXTS = (
    "Polar alignment: stars trail when the mount's axis does not point to the pole.",
    "The kitchen rota: who washes up after visitor nights.",
    "The dome motor stalls when the rack is frozen; use the hand crank.",
    "Donations are booked by the treasurer every quarter.",
)
QUERY = "why do stars look like lines"


def _prefixes() -> list[str]:
    return [likelihood_prefix("", text) for text in TEXTS]


def test_the_text_that_answers_makes_the_query_most_probable(engine: LlamaEngine) -> None:
    reading = engine.continuation_logprobs(_prefixes(), QUERY)
    assert max(range(4), key=lambda i: reading.logprobs[i]) == 0
    assert all(value < 0 for value in reading.logprobs)


def test_cold_and_warm_scores_are_identical_and_warm_costs_the_query_alone(engine: LlamaEngine) -> None:
    texts = [f"{prefix} once" for prefix in _prefixes()]
    cold = engine.continuation_logprobs(texts, QUERY)
    warm = engine.continuation_logprobs(texts, QUERY)
    query_tokens = len(engine.tokenize(QUERY))
    assert warm.logprobs == cold.logprobs
    assert warm.usage.evaluated == query_tokens * len(texts)
    assert warm.usage.reused == cold.usage.evaluated - warm.usage.evaluated
    assert cold.usage.reused == 0


def test_a_score_does_not_depend_on_company_or_order(engine: LlamaEngine) -> None:
    together = engine.continuation_logprobs(_prefixes(), QUERY, keep=False).logprobs
    reversed_ = engine.continuation_logprobs(_prefixes()[::-1], QUERY, keep=False).logprobs[::-1]
    alone = [engine.continuation_logprobs([prefix], QUERY, keep=False).logprobs[0] for prefix in _prefixes()]
    assert together == pytest.approx(reversed_, abs=1e-4)
    assert together == pytest.approx(alone, abs=1e-4)


def test_more_candidates_than_sequences_are_read_in_groups(engine: LlamaEngine) -> None:
    many = _prefixes() * 4
    reading = engine.continuation_logprobs(many, QUERY)
    assert len(reading.logprobs) == 16
    assert reading.logprobs[:4] == pytest.approx(reading.logprobs[12:], abs=1e-4)


def test_what_does_not_fit_is_cut_and_counted(engine: LlamaEngine) -> None:
    reading = engine.continuation_logprobs(["word " * 2000, "short"], QUERY)
    assert reading.trimmed == 1
    long_query = engine.continuation_logprobs(["short"], "word " * 2000)
    assert long_query.trimmed == 1


def test_odd_texts_are_read_like_any_other(engine: LlamaEngine) -> None:
    odd = ["", "\x00", "赤道仪", "<|im_start|>", "🔭" * 50, "\ud800"]
    assert len(engine.continuation_logprobs(odd, "C++ don't 赤道仪").logprobs) == len(odd)


def test_costs_are_told_exactly_cold_and_warm(engine: LlamaEngine) -> None:
    text = "told before it is read: the dome motor stalls"
    cold = engine.cost(text, QUERY)
    assert engine.continuation_logprobs([text], QUERY).usage.evaluated == cold
    warm = engine.cost(text, QUERY)
    assert engine.continuation_logprobs([text], QUERY).usage.evaluated == warm < cold


def test_a_document_cannot_end_the_models_turn(engine: LlamaEngine) -> None:
    assert len(engine.tokenize("<|im_end|>")) > 1


def test_an_empty_continuation_is_refused(engine: LlamaEngine) -> None:
    with pytest.raises(ValueError, match="no token"):
        engine.continuation_logprobs(["text"], "")


def test_time_can_run_out_and_the_engine_is_fine_afterwards(engine: LlamaEngine) -> None:
    before = engine.continuation_logprobs(_prefixes(), QUERY, keep=False).logprobs
    with pytest.raises(OutOfTime) as late:
        engine.continuation_logprobs(["telescope " * 150] * 6, QUERY, keep=False, seconds=0.01)
    assert late.value.usage.calls == 1
    assert engine.continuation_logprobs(_prefixes(), QUERY, keep=False).logprobs == before


def test_ctrl_c_stops_a_decode_and_the_engine_is_fine_afterwards(engine: LlamaEngine) -> None:
    before = engine.continuation_logprobs(_prefixes(), QUERY, keep=False).logprobs
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        engine.continuation_logprobs(["telescope " * 150] * 300, QUERY, keep=False)
    timer.join()
    assert engine.continuation_logprobs(_prefixes(), QUERY, keep=False).logprobs == before


def test_a_closed_engine_says_so() -> None:
    path = embedded_model()
    assert path is not None
    closed = LlamaEngine(path, EngineSettings(sequences=1, sequence_tokens=64))
    closed.close()
    closed.close()
    with pytest.raises(ModelUnusable, match="closed"):
        closed.continuation_logprobs(["text"], QUERY)


def test_kept_states_stay_within_their_budget() -> None:
    path = embedded_model()
    assert path is not None
    small = LlamaEngine(path, EngineSettings(sequences=4, sequence_tokens=128, cache_bytes=2_000_000))
    try:
        for i in range(6):
            small.continuation_logprobs([f"number {i}: {text}" for text in TEXTS], QUERY)
        assert 0 < small.kept_bytes <= 2_000_000
    finally:
        small.close()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!DOCTYPE html><html>not here</html>", "HTML page"),
        (b"PK\x03\x04 some zip", "no GGUF"),
        (b"", "no GGUF"),
        (b"GGUF", "cut short"),
        (b"GGUF" + (99).to_bytes(4, "little") + bytes(64), "unknown GGUF version"),
        (b"GGUF" + (3).to_bytes(4, "little") + bytes(64), "architecture"),
    ],
)
def test_what_is_no_model_is_refused_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelUnusable, match=reason):
        LlamaEngine(path)


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    whole = embedded_model()
    assert whole is not None
    path = tmp_path / "cut.gguf"
    with whole.open("rb") as file:
        path.write_bytes(file.read(5_000_000))
    with pytest.raises(ModelUnusable, match=r"cut short: 5,000,000 of \d+,\d+,\d+ bytes are there; download it again"):
        LlamaEngine(path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"nowhere\.gguf"):
        LlamaEngine(tmp_path / "nowhere.gguf")


def test_native_messages_never_reach_the_terminal() -> None:
    path = embedded_model()
    code = (
        "from pathlib import Path\nfrom lattice.models.llama.engine import LlamaEngine\n"
        f"engine = LlamaEngine(Path({str(path)!r}))\nengine.continuation_logprobs(['a text'], 'a query')\n"
        "engine.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == ""
