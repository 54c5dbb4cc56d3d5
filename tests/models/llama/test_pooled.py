"""Embedding models and rerankers, tiny ones, against what numpy computes from the same tensors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import llama_cpp
import numpy as np
import pytest

from lattice.errors import ModelUnusable
from lattice.models.llama.engine import LlamaEngine
from lattice.models.prompts import Part, Prompt
from lattice.models.settings import EngineSettings
from lattice.types import Matrix, OutOfTime
from tests.models import tiny
from tests.models.conftest import Tiny
from tests.models.oracle import (
    bert_head,
    bert_ids,
    bert_states,
    byte_ids,
    decoder_states,
    normalised,
    wordpiece_ids,
)
from tests.models.tiny import BYTE_PIECES, CLS, SEP, make_bert, make_decoder, make_qwen_reranker

Opened = Callable[[str], LlamaEngine]

TEXTS = ("stars look like lines", "bread", "bread needs flour and water and the stars", "why")
# ggml keeps keys and values of a decoder, and looks GELU up, in half precision.
CLOSE = 2e-3
# What a last bit makes of it where it falls between two of GELU's numbers; a decoder reads one text at a time.
COMPANY = {"last": 0.0, "mean of a decoder": 0.0, "qwen": 0.0}


@pytest.fixture(scope="module")
def opened(tiny_models: dict[str, Tiny]) -> Iterator[Opened]:
    engines: dict[str, LlamaEngine] = {}

    def of(name: str) -> LlamaEngine:
        if name not in engines:
            engines[name] = LlamaEngine(tiny_models[name].path, EngineSettings(sequences=3, batch_tokens=128))
        return engines[name]

    yield of
    for engine in engines.values():
        engine.close()


def _expected(name: str, model: Tiny, text: str) -> Matrix:
    if name in {"mean", "unsaid", "cls"}:
        states = bert_states(model.tensors, bert_ids(text))
        return normalised(states[0] if name == "cls" else states.mean(axis=0))
    states = decoder_states(model.tensors, [*byte_ids(text), BYTE_PIECES.index("<|endoftext|>")], halves=False)
    return normalised(states[-1] if name == "last" else states.mean(axis=0))


EMBEDDERS = ("mean", "cls", "unsaid", "last", "mean of a decoder")


@pytest.mark.parametrize("name", EMBEDDERS)
def test_vectors_are_those_that_numpy_computes(opened: Opened, tiny_models: dict[str, Tiny], name: str) -> None:
    engine = opened(name)
    rows = engine.embed(TEXTS)
    expected = np.array([_expected(name, tiny_models[name], text) for text in TEXTS])
    assert engine.kind == "embedding"
    assert rows.dtype == np.float32
    assert rows.shape == (4, tiny.WIDTH)
    np.testing.assert_allclose(rows, expected, atol=CLOSE)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_a_vector_does_not_depend_on_company_order_or_time(opened: Opened, name: str) -> None:
    engine, many = opened(name), [*TEXTS, *TEXTS[::-1]]
    together = engine.embed(many)
    alone = [engine.embed([text])[0] for text in many]
    np.testing.assert_allclose(together, alone, rtol=0, atol=COMPANY.get(name, 1e-4))
    np.testing.assert_allclose(together, together[::-1], rtol=0, atol=COMPANY.get(name, 1e-4))
    np.testing.assert_array_equal(together, engine.embed(many))


def test_encoders_do_not_differ_in_company_by_more_than_rounding(opened: Opened) -> None:
    random = np.random.default_rng(5)
    texts = [" ".join(random.choice(tiny.WORDS, random.integers(1, 28))) for _ in range(60)]
    together = opened("mean").embed(texts)
    differences = np.abs(together - [opened("mean").embed([text])[0] for text in texts])
    assert np.median(differences) < 1e-6
    assert differences.max() < 1e-4  # with flash attention .0004


@pytest.mark.parametrize("sequences", [1, 3, 7, 100])
def test_any_number_of_sequences_will_do(tiny_models: dict[str, Tiny], opened: Opened, sequences: int) -> None:
    engine = LlamaEngine(tiny_models["mean"].path, EngineSettings(sequences=sequences, batch_tokens=100))
    np.testing.assert_allclose(engine.embed(TEXTS), opened("mean").embed(TEXTS), atol=1e-4)
    engine.close()


def test_the_cost_of_vectors_is_told(opened: Opened) -> None:
    found = opened("mean").embed_counted(TEXTS)
    assert found.usage.evaluated == sum(len(bert_ids(text)) for text in TEXTS)
    assert (found.usage.calls, found.usage.trimmed) == (1, 0)
    assert found.usage.seconds > 0


def test_no_texts_give_no_rows(opened: Opened) -> None:
    assert opened("mean").embed([]).shape == (0, tiny.WIDTH)
    assert opened("reranker").score_pairs("stars", []).scores.shape == (0,)


def test_a_text_without_tokens_has_no_direction(tmp_path: Path) -> None:
    make_decoder(tmp_path / "bare.gguf", ends=False)
    engine = LlamaEngine(tmp_path / "bare.gguf")
    rows = engine.embed(["", "stars", ""])
    np.testing.assert_array_equal(rows[[0, 2]], 0)
    assert np.linalg.norm(rows[1]) == pytest.approx(1)
    engine.close()


def test_a_long_text_is_cut_after_a_word_and_counted(opened: Opened) -> None:
    engine = opened("mean")
    found = engine.embed_counted(["stars look " * 100, "bread"])
    assert found.usage.trimmed == 1
    assert found.usage.evaluated == 64 + 3  # what the model has positions for, between [CLS] and [SEP]
    np.testing.assert_allclose(found.rows[0], engine.embed(["stars look " * 31])[0], atol=1e-4)


# Pairs


def _pair(query: str, text: str) -> list[int]:
    return [CLS, *wordpiece_ids(query), SEP, *wordpiece_ids(text), SEP]


@pytest.mark.parametrize("flags", [True, False])
def test_scores_are_those_that_numpy_computes(tmp_path: Path, flags: bool) -> None:
    path = tmp_path / "reranker.gguf"
    tensors = make_bert(path, 4, head=True, flags=flags)
    engine = LlamaEngine(path)
    reading = engine.score_pairs("why stars", TEXTS)
    pairs = [_pair("why stars", text) for text in TEXTS]
    expected = [bert_head(tensors, bert_states(tensors, pair)[0])[0] for pair in pairs]
    assert engine.kind == "reranker"
    assert reading.scores.dtype == np.float32
    np.testing.assert_allclose(reading.scores, expected, atol=5 * CLOSE)
    assert reading.usage.evaluated == sum(map(len, pairs))
    engine.close()


def _filled(query: str, document: str) -> list[int]:
    ids: list[int] = []
    rest = tiny.RERANK_TEMPLATE.format(query=query, document=document)
    while rest:
        found = {rest.find(name): name for name in tiny.CONTROL if name in rest}
        begin = min(found, default=len(rest))
        ids += byte_ids(rest[:begin])
        ids += [BYTE_PIECES.index(found[begin])] if found else []
        rest = rest[begin + len(found.get(begin, "")) :]
    return ids


def test_a_yes_or_no_head_gives_the_difference_of_the_logits(opened: Opened, tiny_models: dict[str, Tiny]) -> None:
    tensors, texts = tiny_models["qwen"].tensors, ("a star", "bread", "  spaces")
    reading = opened("qwen").score_pairs("a query", texts)
    states = [decoder_states(tensors, _filled("a query", text), halves=True)[-1] for text in texts]
    yes, no = (np.array(states) @ tensors["cls.output.weight"].T).T
    np.testing.assert_allclose(reading.scores, yes - no, atol=0.02)
    assert reading.usage.evaluated == sum(len(_filled("a query", text)) for text in texts)


def test_the_labels_say_which_output_is_yes(tmp_path: Path, opened: Opened) -> None:
    make_qwen_reranker(tmp_path / "turned.gguf", labels=("No", "Yes"))
    engine = LlamaEngine(tmp_path / "turned.gguf")
    turned = engine.score_pairs("a query", ["bread"]).scores
    np.testing.assert_allclose(turned, -opened("qwen").score_pairs("a query", ["bread"]).scores, atol=1e-5)
    engine.close()


@pytest.mark.parametrize("name", ["reranker", "qwen"])
def test_a_score_does_not_depend_on_company_or_order(opened: Opened, name: str) -> None:
    engine, many = opened(name), [*TEXTS, *TEXTS[::-1]]
    together = engine.score_pairs("why", many).scores
    alone = [engine.score_pairs("why", [text]).scores[0] for text in many]
    np.testing.assert_allclose(together, alone, rtol=0, atol=10 * COMPANY.get(name, 1e-4))
    np.testing.assert_allclose(together, together[::-1], rtol=0, atol=10 * COMPANY.get(name, 1e-4))


@pytest.mark.parametrize("name", ["reranker", "qwen"])
def test_costs_are_told_exactly(opened: Opened, name: str) -> None:
    engine = opened(name)
    for query, text in (("why stars", "bread"), ("why", "flour " * 400), ("water " * 400, "bread"), ("", "")):
        assert engine.score_pairs(query, [text]).usage.evaluated == engine.pair_cost(query, text)


def test_a_document_is_cut_before_the_query_is(opened: Opened) -> None:
    engine = opened("reranker")
    whole = engine.score_pairs("why stars", ["flour " * 400, "bread"])
    assert (whole.usage.trimmed, whole.usage.evaluated) == (1, 64 + 6)
    fitting = engine.score_pairs("why stars", ["flour " * 59]).scores[0]
    assert whole.scores[0] == pytest.approx(fitting, abs=1e-3)


def test_a_query_leaves_half_of_the_room_to_the_document(opened: Opened) -> None:
    engine = opened("reranker")
    cut = engine.score_pairs("stars " * 400, ["bread", "flour"])
    assert cut.usage.trimmed == 1
    np.testing.assert_allclose(cut.scores, engine.score_pairs("stars " * 30, ["bread", "flour"]).scores, atol=1e-3)


def test_control_tokens_that_a_text_spells_out_stay_text(opened: Opened) -> None:
    engine = opened("qwen")
    assert engine.pair_cost("q", "<|im_end|>") == engine.pair_cost("q", "") + len("<|im_end|>")
    assert engine.pair_cost("{document}", "x") == engine.pair_cost("", "x") + len("{document}")


# What a model is not for


@pytest.mark.parametrize(
    ("name", "ask", "said"),
    [
        ("mean", lambda one: one.score_pairs("q", ["t"]), "an embedding model.*needs a reranker"),
        ("mean", lambda one: one.continuation_logprobs(["t"], "q"), "an embedding model.*needs a generative model"),
        ("last", lambda one: one.generate(Prompt((Part("t"),), ())), "an embedding model.*needs a generative model"),
        ("reranker", lambda one: one.embed(["t"]), "a reranker.*needs an embedding model"),
        ("qwen", lambda one: one.cost("t", "q"), "a reranker.*needs a generative model"),
        ("writer", lambda one: one.embed(["t"]), "a generative model.*needs an embedding model"),
        ("writer", lambda one: one.pair_cost("q", "t"), "a generative model.*needs a reranker"),
    ],
)
def test_what_a_model_is_not_for_is_refused(
    opened: Opened, name: str, ask: Callable[[LlamaEngine], object], said: str
) -> None:
    with pytest.raises(ModelUnusable, match=said):
        ask(opened(name))


def test_a_model_that_writes_still_reads(opened: Opened) -> None:
    engine = opened("writer")
    reading = engine.continuation_logprobs(["bread needs", "stars look like"], " flour")
    assert engine.kind == "generative"
    assert np.isfinite(reading.by_token).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: make_bert(path, 4), r"no head.*cls\.output\.weight"),
        (lambda path: make_qwen_reranker(path, head=False), "no head"),
        (lambda path: make_qwen_reranker(path, labels=("maybe",)), "tells apart maybe, and not yes and no"),
        (lambda path: make_bert(path, 4, head=True, labels=("news", "sport", "art")), "news, sport, art"),
        (lambda path: make_qwen_reranker(path, template="{query} alone"), r"leaves out \{document\}"),
        (lambda path: make_qwen_reranker(path, template=None), "neither a template for pairs nor separators"),
        (lambda path: make_bert(path, 1, context=2), "no room for a text: 2 tokens"),
    ],
)
def test_a_file_that_lacks_what_reading_needs_is_refused(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    make(tmp_path / "lacking.gguf")
    with pytest.raises(ModelUnusable, match=said):
        LlamaEngine(tmp_path / "lacking.gguf")


def test_missing_special_tokens_are_told_and_not_died_of(
    tiny_models: dict[str, Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_cpp, "llama_vocab_sep", lambda _: -1)
    with pytest.raises(ModelUnusable, match="lacks the SEP"):
        LlamaEngine(tiny_models["mean"].path)


def test_weights_that_are_no_numbers_give_no_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny, "_drawn", lambda _, *shape: np.full(shape, np.nan, dtype=np.float32))
    make_bert(tmp_path / "damaged.gguf", 1)
    engine = LlamaEngine(tmp_path / "damaged.gguf")
    with pytest.raises(ModelUnusable, match="damaged"):
        engine.embed(["stars"])
    engine.close()


def test_a_model_that_keeps_nothing_between_tokens_cannot_write(
    tiny_models: dict[str, Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama_cpp, "llama_get_memory", lambda _: None)  # as of one that writes by diffusion
    with pytest.raises(ModelUnusable, match="does not write from left to right"):
        LlamaEngine(tiny_models["writer"].path)


# Stopping


@pytest.mark.parametrize("name", ["mean", "last"])
def test_time_can_run_out_and_the_engine_is_fine_afterwards(opened: Opened, name: str) -> None:
    engine = opened(name)
    before = engine.embed(TEXTS)
    with pytest.raises(OutOfTime) as late:
        engine.embed_counted(["stars look like lines"] * 50, seconds=0.0)
    assert late.value.usage.calls == 1
    np.testing.assert_array_equal(engine.embed(TEXTS), before)


def test_time_for_pairs_can_run_out_too(opened: Opened) -> None:
    with pytest.raises(OutOfTime):
        opened("reranker").score_pairs("why", TEXTS, seconds=0.0)
    assert opened("reranker").score_pairs("why", TEXTS).scores.shape == (4,)


@pytest.mark.parametrize("name", ["mean", "last"])
def test_ctrl_c_stops_and_the_engine_is_fine_afterwards(opened: Opened, name: str) -> None:
    engine = opened(name)
    before = engine.embed(TEXTS)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        for _ in range(1000):
            engine.embed(["stars look like lines " * 5] * 60)
    timer.join()
    np.testing.assert_array_equal(engine.embed(TEXTS), before)


def test_a_closed_engine_says_so(tiny_models: dict[str, Tiny]) -> None:
    engine = LlamaEngine(tiny_models["mean"].path)
    engine.close()
    engine.close()
    with pytest.raises(ModelUnusable, match="closed"):
        engine.embed(["stars"])


HOSTILE = r"""
import sys
from pathlib import Path
from lattice.models.llama.engine import LlamaEngine
from lattice.models.settings import EngineSettings
texts = ["", "\0", "a\0b", "\ud800", "x" * 100_000, "word " * 20_000, " " * 100_000, "赤道仪" * 30_000,
         "\n" * 5_000 + "end", "<|im_end|>", "[SEP]", "{query}", "\u202e\ufeff\ufffd", "e\u0301" * 20_000]
for path in map(Path, sys.argv[1:]):
    engine = LlamaEngine(path)
    if engine.kind == "embedding":
        assert engine.embed(texts).shape == (len(texts), 64) and engine.embed([]).shape == (0, 64)
    else:
        for query in ("", "\0\ud800", "x" * 100_000, "word " * 20_000):
            assert engine.score_pairs(query, texts).scores.shape == (len(texts),)
            assert len(engine.score_pairs(query, []).scores) == 0
    engine.close()
"""


@pytest.mark.parametrize("name", ["mean", "last", "mean of a decoder", "reranker", "qwen"])
def test_hostile_texts_neither_abort_nor_hang(tiny_models: dict[str, Tiny], name: str) -> None:
    command = [sys.executable, "-c", HOSTILE, str(tiny_models[name].path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
