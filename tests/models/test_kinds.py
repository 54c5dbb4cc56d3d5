from __future__ import annotations

import pytest

from lattice.models.kinds import CLS, ENCODERS, LAST, MEAN, RANK, is_encoder, kind_of, pooling_of, refusal


@pytest.mark.parametrize(
    ("metadata", "kind", "pooling"),
    [
        ({"general.architecture": "llama"}, "generative", LAST),
        ({"general.architecture": "llama", "llama.pooling_type": "0"}, "generative", LAST),
        ({"general.architecture": "llama", "bert.pooling_type": "1"}, "generative", LAST),
        ({"general.architecture": "qwen3", "qwen3.pooling_type": "3"}, "embedding", LAST),
        ({"general.architecture": "llama", "llama.pooling_type": "1"}, "embedding", MEAN),
        ({"general.architecture": "bert", "bert.pooling_type": "2"}, "embedding", CLS),
        ({"general.architecture": "bert"}, "embedding", MEAN),
        ({"general.architecture": "bert", "bert.pooling_type": "0"}, "embedding", MEAN),
        ({"general.architecture": "bert", "bert.pooling_type": "4"}, "reranker", RANK),
        ({"general.architecture": "qwen3", "tokenizer.chat_template.rerank": "{query}{document}"}, "reranker", RANK),
        ({"general.architecture": "qwen3", "tokenizer.chat_template": "{{ messages }}"}, "generative", LAST),
        ({"general.architecture": "llama", "llama.pooling_type": "4294967295"}, "generative", LAST),
        ({"general.architecture": "bert", "bert.pooling_type": "mean"}, "embedding", MEAN),
        ({}, "generative", LAST),
    ],
)
def test_a_file_says_what_its_model_is_for(metadata: dict[str, str], kind: str, pooling: int) -> None:
    assert kind_of(metadata) == kind
    assert pooling_of(metadata, kind_of(metadata)) == pooling
    assert kind_of(metadata.get) == kind
    assert pooling_of(metadata.get, kind_of(metadata.get)) == pooling
    numbers = {key: int(value) if value.isdigit() else value for key, value in metadata.items()}
    assert kind_of(numbers) == kind  # as the file itself has them


def test_encoders_are_known_by_their_architecture() -> None:
    assert is_encoder({"general.architecture": "nomic-bert-moe"})
    assert not is_encoder({"general.architecture": "t5"})


def test_a_refusal_says_what_the_model_is_for_and_what_to_name() -> None:
    said = refusal("some.gguf", "embedding", "reranker")
    assert said.startswith("some.gguf is an embedding model: it turns texts into vectors.")
    assert "needs a reranker" in said
    assert said.endswith("Name the GGUF file of one.")


def test_an_encoder_with_a_classifier_and_no_pooling_ranks() -> None:
    assert kind_of({"general.architecture": "bert"}, has_head=True) == "reranker"
    assert kind_of({"general.architecture": "bert", "bert.pooling_type": 1}, has_head=True) == "embedding"
    assert kind_of({"general.architecture": "llama"}, has_head=True) == "generative"


def test_a_file_that_says_nothing_is_taken_for_one_that_writes() -> None:
    assert kind_of({}) == "generative"


def test_the_encoders_are_llama_cpps() -> None:
    import gguf

    assert set(gguf.MODEL_ARCH_NAMES.values()) >= ENCODERS
