from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.models.gguf_files import model_bytes
from tests.models.hub_server import Hub, hub_of

FILE = "q8/small.gguf"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on the loopback that has one model of 400 KB."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with hub_of({FILE: model_bytes(100_000)}) as running:
        yield running
