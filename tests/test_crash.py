"""A build that is killed loses nothing: two kills here, twenty by `make crash`."""

from __future__ import annotations

from pathlib import Path

import pytest

from lattice.models.registry import embedded_model
from tests.crash import crash


@pytest.mark.model
def test_a_killed_build_goes_on_where_it_was(tmp_path: Path) -> None:
    model = embedded_model()
    assert model is not None
    told: list[str] = []
    outcome = crash(tmp_path, model, files=12, kills=2, seed=5, tell=told.append)
    assert outcome.kills == 2
    assert outcome.in_the_middle >= 1, told
    assert outcome.descriptions >= 4
