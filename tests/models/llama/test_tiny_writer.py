"""What a model that writes must withstand: small contexts, long continuations, weights that are no numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lattice.errors import ModelUnusable
from lattice.models.llama.engine import LlamaEngine
from lattice.models.prompts import Part, Prompt
from lattice.models.settings import EngineSettings
from tests.models import tiny
from tests.models.conftest import Tiny
from tests.models.tiny import make_decoder

LONG = "bread needs flour and water " * 20
PROMPT = Prompt((Part(LONG),), (Part(" stars"),))


def _engine(path: Path, sequences: int, tokens: int, batch: int) -> LlamaEngine:
    size = EngineSettings(1, sequences, tokens, prompt_tokens=64, batch_tokens=batch)
    return LlamaEngine(path, size)


@pytest.mark.parametrize(("sequences", "tokens", "batch"), [(1, 16, 512), (2, 64, 512), (3, 100, 512), (2, 64, 16)])
def test_a_context_that_is_smaller_than_a_batch_reads_as_a_large_one(
    tiny_models: dict[str, Tiny], sequences: int, tokens: int, batch: int
) -> None:
    small, large = (
        _engine(tiny_models["writer"].path, *size) for size in ((sequences, tokens, batch), (sequences, 256, 256))
    )
    short = ["stars look like lines " * 4, "bread", "why"]
    found, expected = (engine.continuation_logprobs(short, " like lines").by_token for engine in (small, large))
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert np.isfinite(small.continuation_logprobs([LONG, LONG], " flour").by_token).all()
    assert np.isfinite(small.label_logits([PROMPT], ["a", "b"]).logprobs).all()
    assert small.generate(PROMPT, max_tokens=3).usage.generated <= 3
    small.close()
    large.close()


def test_a_continuation_that_is_longer_than_a_batch_is_cut_and_counted(tiny_models: dict[str, Tiny]) -> None:
    engine, other = (_engine(tiny_models["writer"].path, 1, 256, batch) for batch in (16, 256))
    reading = engine.continuation_logprobs(["bread", "why"], LONG)
    assert reading.by_token.shape == (2, 16)
    assert reading.usage.trimmed == 1
    np.testing.assert_allclose(
        reading.by_token, other.continuation_logprobs(["bread", "why"], LONG[:16]).by_token, atol=0.02
    )
    engine.close()
    other.close()


ASKED: tuple[Callable[[LlamaEngine], object], ...] = (
    lambda engine: engine.continuation_logprobs(["bread"], " flour"),
    lambda engine: engine.label_logits([PROMPT], ["a", "b"]),
    lambda engine: engine.generate(PROMPT, grammar='root ::= "a"+', max_tokens=3),
)


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weights_that_are_no_numbers_give_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weight: float
) -> None:
    monkeypatch.setattr(tiny, "_drawn", lambda _, *shape: np.full(shape, weight, dtype=np.float32))
    make_decoder(tmp_path / "damaged.gguf", None)
    engine = LlamaEngine(tmp_path / "damaged.gguf")
    for ask in ASKED:
        with pytest.raises(ModelUnusable, match=r"damaged\.gguf computes what are no numbers.*Download it again"):
            ask(engine)
    engine.close()


def test_a_word_that_the_vocabulary_cannot_write_is_told(
    tiny_models: dict[str, Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LlamaEngine(tiny_models["writer"].path)
    monkeypatch.setattr("lattice.models.llama.weights.Weights.tokenize", lambda *_, **__: [])
    with pytest.raises(ModelUnusable, match=r"no token for 'flour'\. Use another model"):
        engine.continuation_logprobs(["bread"], "flour")
    with pytest.raises(ModelUnusable, match=r"'a' is 0 tokens of writer\.gguf.*--judge likelihood"):
        engine.label_logits([PROMPT], ["a"])
    engine.close()
