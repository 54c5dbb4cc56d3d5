from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from lattice.models.llama.engine import LlamaEngine
from lattice.models.llama.expecting import _lifts
from lattice.models.prompts import EXPECTING
from lattice.models.registry import embedded_model
from lattice.models.settings import EngineSettings

PIECES = [" bees", "bees", " Bee", " the", " x", " 12", " a b", "蜂蜜", "蜂", " hive", "ing"]


class Vocabulary:
    """Stands for the weights: only their pieces are asked for."""

    def piece(self, token: int) -> bytes:
        return PIECES[token].encode()


def lifts(text: list[float], most: int = 99) -> dict[str, float]:
    logits = np.log(np.array([text, [1.0] * len(text)], dtype=np.float32))
    return _lifts(Vocabulary(), logits, most)  # type: ignore[arg-type]


def test_only_whole_words_are_expected_and_of_one_stem_the_likeliest() -> None:
    # In all 24, where nothing makes each of the eleven as likely.
    found = lifts([6.0, 1.0, 3.0, 3.0, 3.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert found == {"bee": pytest.approx(math.log(6 / 24 * 11))}


def test_words_are_told_by_how_much_likelier_they_are() -> None:
    found = lifts([40.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 30.0, 0.1, 20.0, 0.1])
    assert list(found) == ["bee", "蜂蜜", "hive"]
    assert found["bee"] - found["hive"] == pytest.approx(math.log(2.0), abs=1e-5)
    assert list(lifts([40.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 30.0, 0.1, 20.0, 0.1], most=2)) == ["bee", "蜂蜜"]


@pytest.fixture(name="engine", scope="module")
def fixture_engine() -> Iterator[LlamaEngine]:
    path = embedded_model()
    assert path is not None
    engine = LlamaEngine(path, EngineSettings(threads=2))
    yield engine
    engine.close()


@pytest.mark.model
def test_a_model_expects_words_that_the_query_does_not_hold(engine: LlamaEngine) -> None:
    query = "which animals make honey in a hive"
    read = engine.expected_words(query, EXPECTING, 60)
    assert "bee" in read.lifts
    assert len(read.lifts) == 60
    assert sorted(read.lifts.values(), reverse=True) == list(read.lifts.values())
    assert read.usage.evaluated + read.usage.reused == engine.expected_cost(query, EXPECTING)


@pytest.mark.model
def test_what_was_read_before_changes_nothing(engine: LlamaEngine) -> None:
    first = engine.expected_words("bees and honey", EXPECTING, 500)
    engine.continuation_logprobs(["a text"], "a query")
    engine.expected_words("ships at sea", EXPECTING, 500)
    again = engine.expected_words("bees and honey", EXPECTING, 500)
    assert again.lifts == first.lifts
    assert again.usage.evaluated <= first.usage.evaluated
