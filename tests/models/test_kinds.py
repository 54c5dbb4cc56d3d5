from __future__ import annotations

import pytest

from lattice.models.kinds import ENCODERS, Kind, kind_of


@pytest.mark.parametrize(
    ("architecture", "more", "kind"),
    [
        ("llama", {}, "generative"),
        ("llama", {"llama.pooling_type": 0}, "generative"),
        ("qwen3", {"qwen3.pooling_type": 3}, "embedding"),
        ("qwen3", {"qwen3.pooling_type": 4}, "reranker"),
        ("qwen3", {"tokenizer.chat_template.rerank": "{query}"}, "reranker"),
        ("qwen3", {"bert.pooling_type": 1}, "generative"),  # another architecture's key says nothing
        ("bert", {"bert.pooling_type": 2}, "embedding"),
        ("bert", {"bert.pooling_type": 4}, "reranker"),
        ("bert", {"bert.pooling_type": 0}, "embedding"),
        ("t5encoder", {}, "embedding"),
    ],
)
def test_the_kind_is_read_from_the_metadata(architecture: str, more: dict[str, object], kind: Kind) -> None:
    metadata = {"general.architecture": architecture, **more}
    assert kind_of(metadata) == kind
    assert kind_of({key: str(value) for key, value in metadata.items()}) == kind  # as llama.cpp gives it


def test_an_encoder_with_a_classifier_and_no_pooling_ranks() -> None:
    assert kind_of({"general.architecture": "bert"}, has_head=True) == "reranker"
    assert kind_of({"general.architecture": "bert", "bert.pooling_type": 1}, has_head=True) == "embedding"
    assert kind_of({"general.architecture": "llama"}, has_head=True) == "generative"


def test_a_file_that_says_nothing_is_taken_for_one_that_writes() -> None:
    assert kind_of({}) == "generative"


def test_the_encoders_are_llama_cpps() -> None:
    import gguf

    assert set(gguf.MODEL_ARCH_NAMES.values()) >= ENCODERS
