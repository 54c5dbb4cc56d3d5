from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import llama_cpp
import pytest

from lattice.errors import ModelNotFound, ModelUnusable, UsageError
from lattice.models.llama.engine import LlamaEngine
from lattice.models.prompts import LIKELIHOOD, Part, Prompt
from lattice.models.registry import embedded_model
from lattice.models.settings import EngineSettings
from lattice.types import OutOfTime

pytestmark = pytest.mark.model

TEXTS = (
    "Polar alignment: stars trail when the mount's axis does not point to the pole.",
    "The kitchen rota: who washes up after visitor nights.",
    "The dome motor stalls when the rack is frozen; use the hand crank.",
    "Donations are booked by the treasurer every quarter.",
)
QUERY = "why do stars look like lines"


def _framed(text: str) -> str:
    return text + LIKELIHOOD.after[0].text


def _prefixes() -> list[str]:
    return [_framed(text) for text in TEXTS]


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
    assert reading.usage.trimmed == 1
    long_query = engine.continuation_logprobs(["short"], "word " * 2000)
    assert long_query.usage.trimmed == 1


def test_a_long_text_is_cut_after_a_word_and_the_request_behind_it_stays(engine: LlamaEngine) -> None:
    long = " ".join(f"telescope{i} mount" for i in range(500))
    room = engine._streams.capacity - len(engine.tokenize(QUERY))
    longest = max(n for n in range(1, 200) if len(engine.tokenize(_framed(" ".join(long.split()[:n])))) <= room)
    cut = engine.continuation_logprobs([long], QUERY, frame=LIKELIHOOD)
    whole = engine.continuation_logprobs([" ".join(long.split()[:longest])], QUERY, frame=LIKELIHOOD)
    assert cut.logprobs == whole.logprobs
    assert (cut.usage.trimmed, whole.usage.trimmed) == (1, 0)


def test_a_text_without_spaces_is_cut_all_the_same(engine: LlamaEngine) -> None:
    endless = engine.continuation_logprobs(["赤道仪" * 100_000], QUERY, frame=LIKELIHOOD)
    assert endless.usage.trimmed == 1
    assert 100 < endless.usage.evaluated <= engine._streams.capacity


def test_odd_texts_are_read_like_any_other(engine: LlamaEngine) -> None:
    odd = ["", "\x00", "赤道仪", "<|im_start|>", "🔭" * 50, "\ud800"]
    assert len(engine.continuation_logprobs(odd, "C++ don't 赤道仪").logprobs) == len(odd)


def test_costs_are_told_exactly_and_do_not_depend_on_what_is_kept(engine: LlamaEngine) -> None:
    text = "told before it is read: the dome motor stalls"
    cold = engine.cost(text, QUERY)
    assert engine.continuation_logprobs([text], QUERY).usage.evaluated == cold
    usage = engine.continuation_logprobs([text], QUERY).usage
    assert usage.evaluated < usage.evaluated + usage.reused == engine.cost(text, QUERY) == cold


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


def test_texts_of_any_length_are_read_alike_whatever_they_are_padded_with(engine: LlamaEngine) -> None:
    lengths = (1, 3, 40, 41, 44, 90)
    texts = [" ".join(f"{TEXTS[i % 4]} {i}".split() * 9)[: 4 * length] for i, length in enumerate(lengths)]
    together = engine.continuation_logprobs(texts, QUERY)
    warm = engine.continuation_logprobs(texts[::-1], QUERY)
    alone = [engine.continuation_logprobs([text], QUERY, keep=False).logprobs[0] for text in texts]
    assert warm.logprobs[::-1] == together.logprobs
    assert together.logprobs == pytest.approx(alone, abs=1e-4)
    assert together.usage.evaluated == sum(len(engine.tokenize(text)) - 1 for text in texts) + 6 * len(
        engine.tokenize(QUERY)
    )


def test_kept_and_new_texts_can_be_read_together(engine: LlamaEngine) -> None:
    texts = [f"mixed company {i}: {text}" for i, text in enumerate(TEXTS)]
    cold = engine.continuation_logprobs(texts, QUERY, keep=False)
    engine.continuation_logprobs(texts[1::2], QUERY)
    mixed = engine.continuation_logprobs(texts, QUERY, keep=False)
    assert 0 < mixed.usage.reused < cold.usage.evaluated
    assert mixed.logprobs == pytest.approx(cold.logprobs, abs=1e-6)


def _on_disk(folder: Path) -> LlamaEngine:
    path = embedded_model()
    assert path is not None
    return LlamaEngine(path, EngineSettings(sequences=4, sequence_tokens=128, disk_cache=folder, disk_bytes=10**8))


def test_states_outlive_the_process_and_give_the_same_scores(tmp_path: Path) -> None:
    first, second = _on_disk(tmp_path), _on_disk(tmp_path)
    try:
        cold = first.continuation_logprobs(TEXTS, QUERY, frame=LIKELIHOOD)
        warm = second.continuation_logprobs(TEXTS, QUERY, frame=LIKELIHOOD)
        assert warm.logprobs == cold.logprobs
        assert warm.usage.evaluated == len(TEXTS) * len(second.tokenize(QUERY))
    finally:
        first.close()
        second.close()


def test_a_damaged_state_on_disk_is_read_anew(tmp_path: Path) -> None:
    first = _on_disk(tmp_path)
    cold = first.continuation_logprobs(TEXTS, QUERY, frame=LIKELIHOOD)
    first.close()
    for path in tmp_path.glob("*.kv"):
        content = bytearray(path.read_bytes())
        content[-100] ^= 1
        path.write_bytes(content)
    second = _on_disk(tmp_path)
    again = second.continuation_logprobs(TEXTS, QUERY, frame=LIKELIHOOD)
    second.close()
    assert again.logprobs == cold.logprobs
    assert again.usage == replace(cold.usage, seconds=again.usage.seconds)


def test_a_folder_for_states_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ModelUnusable, match="cannot be kept"):
        _on_disk(tmp_path / "file")


@pytest.mark.parametrize(
    "wrong", [{"threads": -1}, {"sequences": 0}, {"batch_tokens": 1}, {"sequences": 64, "batch_tokens": 32}]
)
def test_settings_that_llama_cpp_would_not_survive_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        EngineSettings(**wrong)  # type: ignore[arg-type]


def test_no_kv_cell_is_left_behind(engine: LlamaEngine) -> None:
    for number in range(40):
        engine.continuation_logprobs([f"text {number}", "another"], f"query {number}", keep=number % 2 == 0)
    engine.generate(Prompt((Part("Bees"),), (Part(" make"),)), max_tokens=4)
    for decoder in (engine._streams, engine._prompts):
        assert decoder is not None
        memory = llama_cpp.llama_get_memory(decoder.handle)
        assert {llama_cpp.llama_memory_seq_pos_max(memory, i) for i in range(decoder.sequences)} == {-1}


def test_an_engine_does_not_work_in_a_forked_child(engine: LlamaEngine) -> None:
    engine._process += 1
    try:
        with pytest.raises(ModelUnusable, match="forked"):
            engine.continuation_logprobs(TEXTS, QUERY)
    finally:
        engine._process -= 1


def test_another_thread_can_end_the_reading_until_it_is_allowed_again(engine: LlamaEngine) -> None:
    before = engine.continuation_logprobs(_prefixes(), QUERY).logprobs
    engine.stop()
    try:
        with pytest.raises(OutOfTime):
            engine.continuation_logprobs(_prefixes(), QUERY)
    finally:
        engine.resume()
    assert engine.continuation_logprobs(_prefixes(), QUERY).logprobs == before
