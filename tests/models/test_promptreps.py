"""What PromptReps makes of texts: with SmolLM2 against llama.cpp read directly, and what of it a tiny model shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import numpy as np
import pytest

from lattice.errors import ModelNotFound, ModelUnusable
from lattice.models.gguf_embedder import Made, asks, find_embedding_model
from lattice.models.llama.engine import LlamaEngine
from lattice.models.llama.texts import framed_tokens
from lattice.models.promptreps import ENGINE, MOST_TERMS, PromptReps, _frame, load_embedder
from lattice.models.prompts import Frame, Part
from lattice.models.settings import EngineSettings
from lattice.tokens import STOPWORDS, words
from lattice.types import Matrix
from tests.models import oracle, tiny

PASSAGE = "The tide comes back to the harbour in the grey morning, and the gulls sleep on its wall."
TEXTS = [PASSAGE, "Bread needs flour and water.", "", "Tide tables for sailors. " * 6]


@pytest.fixture(name="model")
def fixture_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "home"))
    tiny.make_decoder(tmp_path / "tiny.gguf", None, context=1024)
    return tmp_path / "tiny.gguf"


@pytest.fixture(name="smol", scope="module")
def fixture_smol() -> Iterator[PromptReps]:
    found, _ = find_embedding_model("promptreps:smollm2", ("", ""), os.environ)
    embedder = PromptReps.load(found, os.environ)
    yield embedder
    embedder.close()


def read_directly(embedder: PromptReps, text: str) -> tuple[Matrix, Matrix]:
    """Read the framed text in one pass of a context of its own; its last hidden state, normalised, and logits."""
    weights = embedder._engine._open()
    tokens, _ = framed_tokens(weights, embedder._passages, text, 600)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 640
    params.embeddings, params.pooling_type = True, llama_cpp.LLAMA_POOLING_TYPE_NONE
    context = llama_cpp.llama_init_from_model(weights.handle, params)
    held = (llama_cpp.llama_token * len(tokens))(*tokens)
    batch = llama_cpp.llama_batch_get_one(held, len(tokens))
    assert llama_cpp.llama_decode(context, batch) == 0
    width = llama_cpp.llama_model_n_embd(weights.handle)
    state = np.ctypeslib.as_array(llama_cpp.llama_get_embeddings_ith(context, -1), (width,)).copy()
    logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(context, -1), (weights.vocabulary_size,)).copy()
    llama_cpp.llama_free(context)
    return state / np.linalg.norm(state), logits


@pytest.mark.model
def test_the_vector_is_the_last_tokens_state_and_the_terms_are_the_words_logits(smol: PromptReps) -> None:
    made = smol.embed_passage(PASSAGE)
    state, logits = read_directly(smol, PASSAGE)
    assert float(made.vector @ state) > 0.999
    assert float(np.linalg.norm(made.vector)) == pytest.approx(1, abs=1e-5)
    own = {smol._engine.tokenize(word)[0] for word in set(words(PASSAGE)) - STOPWORDS}
    assert set(made.terms.ids.tolist()) <= own
    assert len(made.terms.ids) > len(own) / 2
    expected = 100 * np.log1p(np.maximum(logits[made.terms.ids], 0))
    np.testing.assert_allclose(made.terms.weights, expected, atol=4)


@pytest.mark.model
def test_a_vector_depends_on_its_text_alone(smol: PromptReps) -> None:
    first = [smol.embed_passage(text).vector.tobytes() for text in TEXTS]
    assert [smol.embed_passage(text).vector.tobytes() for text in reversed(TEXTS)] == first[::-1]
    together = LlamaEngine(smol._engine.path, EngineSettings(sequences=4))
    rows = together.represent(TEXTS, smol._passages).hidden
    together.close()
    for row, text in zip(rows, TEXTS, strict=True):
        assert float(row @ smol.embed_passage(text).vector) / float(np.linalg.norm(row)) > 0.999


def _loaded(model: Path) -> PromptReps:
    found, _ = find_embedding_model(f"promptreps:{model}", ("", ""), os.environ)
    embedder = load_embedder(found, os.environ)
    assert isinstance(embedder, PromptReps)
    return embedder


def same(one: Made, other: Made) -> bool:
    return all(
        np.array_equal(mine, others)
        for mine, others in (
            (one.vector, other.vector),
            (one.terms.ids, other.terms.ids),
            (one.terms.weights, other.terms.weights),
        )
    )


def test_what_is_made_again_is_the_same_whether_the_instruction_is_kept_or_not(model: Path) -> None:
    embedder = _loaded(model)
    cold = embedder.embed_passage("stars look like lines")
    warm = embedder.embed_passage("stars look like lines")
    assert same(cold, warm)
    assert not same(cold, embedder.asked("stars look like lines"))
    read = embedder._engine.represent(["stars look like lines"], embedder._passages).usage
    assert read.reused > read.evaluated / 2
    assert embedder.dimensions == tiny.WIDTH
    assert embedder.embed([]).shape == (0, tiny.WIDTH)
    assert embedder.embed(["why", "stars"]).shape == (2, tiny.WIDTH)
    embedder.close()


def test_state_and_logits_are_those_that_the_tensors_give(tmp_path: Path) -> None:
    tensors = tiny.make_decoder(tmp_path / "tiny.gguf", None)
    engine = LlamaEngine(tmp_path / "tiny.gguf", ENGINE)
    found = engine.represent(["stars look"], Frame((Part("why "),), (Part(" like"),)))
    states = oracle.decoder_states(tensors, oracle.byte_ids("why stars look like"), halves=False)
    np.testing.assert_allclose(found.hidden[0], states[-1], atol=0.02)
    np.testing.assert_allclose(found.logits[0], tensors["token_embd.weight"] @ states[-1], atol=0.05)
    engine.close()


def test_several_texts_are_read_together_as_one_by_one(model: Path) -> None:
    embedder = _loaded(model)
    together = LlamaEngine(model, EngineSettings(sequences=3))
    frame = _frame(together, "passage")
    texts = ["stars", "bread needs flour and water", "", '"', "a polar alignment", "why"]
    found = together.represent(texts, frame)
    for i, text in enumerate(texts):
        alone = embedder._engine.represent([text], frame)
        np.testing.assert_allclose(found.hidden[i], alone.hidden[0], atol=0.02)
        np.testing.assert_allclose(found.logits[i], alone.logits[0], atol=0.05)
    together.close()
    embedder.close()


def test_terms_are_few_and_begin_words_of_the_text(model: Path) -> None:
    embedder = _loaded(model)
    made = embedder.embed_passage("Stars and the stars of bread")
    first = {embedder._engine.tokenize(word)[0] for word in ("stars", "bread")}
    assert set(made.terms.ids.tolist()) <= first
    assert (made.terms.weights > 0).all()
    assert not len(embedder.embed_passage("and the of").terms.ids)
    assert len(embedder.embed_passage(" ".join(chr(0x400 + i) * 3 for i in range(300))).terms.ids) <= MOST_TERMS
    embedder.close()


def test_a_long_text_loses_its_end_and_that_is_counted(model: Path) -> None:
    embedder = _loaded(model)
    assert not embedder.embed_passage("stars").was_cut
    made = embedder.embed_passage("stars " * ENGINE.sequence_tokens)
    assert made.was_cut
    assert np.isfinite(made.vector).all()
    embedder.close()


def test_a_model_that_is_loaded_anyway_is_used_and_left_open(model: Path) -> None:
    found, _ = find_embedding_model(f"promptreps:{model}", ("", ""), os.environ)
    engine = LlamaEngine(model)
    embedder = PromptReps.load(found, os.environ, lambda path: engine if path == model else None)
    assert embedder._engine is engine
    embedder.close()
    assert engine.tokenize("stars")
    engine.close()


def test_the_record_tells_what_asked_from_what_embeds(model: Path) -> None:
    found, path = find_embedding_model(f"promptreps:{model}", ("", ""), os.environ)
    assert (path, found.name, found.shown, found.kind) == (model, "tiny", "promptreps by tiny", "generative")
    assert asks("promptreps")
    assert not asks("promptreps.gguf")


def test_what_cannot_be_asked_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.make_bert(model)
    with pytest.raises(ModelUnusable, match=r"is an embedding model.*--embedder tfidf"):
        find_embedding_model(f"promptreps:{model}", ("", ""), os.environ)
    with pytest.raises(ModelNotFound, match="no such file"):
        find_embedding_model("promptreps:gone.gguf", ("", ""), os.environ)
    monkeypatch.setattr("lattice.models.registry.embedded_model", lambda: None)
    with pytest.raises(ModelNotFound, match="asks a model that writes"):
        find_embedding_model("promptreps", ("", ""), {})
