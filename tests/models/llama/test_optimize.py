from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lattice.errors import ModelUnusable
from lattice.models.gguf import check_gguf
from lattice.models.llama import bench, optimize
from lattice.models.llama.optimize import AS_IT_IS, Trial, same_ranking
from lattice.models.llama.probe import QUESTIONS
from lattice.models.registry import embedded_model


def test_pairs_that_stand_apart_must_keep_their_order() -> None:
    reference = np.array([[-1.0, -2.0, -1.05]])
    assert same_ranking(reference + 0.5, reference)
    assert same_ranking(np.array([[-1.06, -2.0, -1.0]]), reference)  # a swap of what was close
    assert not same_ranking(np.array([[-1.0, -0.9, -1.05]]), reference)


def test_only_what_says_the_same_may_take_part() -> None:
    assert Trial("BF16", 900.0, 0.03, same_ranking=True).is_faithful
    assert not Trial("Q4_0", 990.0, 0.031, same_ranking=True).is_faithful
    assert not Trial("Q4_0", 990.0, 0.001, same_ranking=False).is_faithful


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The embedded model, tried on one question and in two types."""
    monkeypatch.setattr(optimize, "QUESTIONS", QUESTIONS[:1])
    monkeypatch.setattr(optimize, "TYPES", {"F16": 1, "Q4_0": 2})
    path = embedded_model()
    assert path is not None
    return path


@pytest.mark.model
def test_the_fastest_faithful_type_is_written(quick: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    made = optimize.optimize(quick, tmp_path / "deep" / "copy.gguf", lambda _, done, __: seen.append(done))
    trials = {trial.type: trial for trial in made.trials}
    assert trials.keys() == {"F16", "Q4_0", AS_IT_IS}
    assert trials["F16"].difference == 0.0
    assert trials["Q4_0"].difference > optimize.WORST_DIFFERENCE  # too far off, however fast it is
    assert made.chosen in {"F16", AS_IT_IS}
    assert seen == [0, 1, 2]
    if made.chosen == "F16":
        check_gguf(made.path)
    assert sorted(tmp_path.rglob("*.gguf")) == ([made.path] if made.chosen == "F16" else [])


@pytest.mark.model
def test_a_model_that_nothing_beats_stays_as_it_is(
    quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "is_faithful", False)
    made = optimize.optimize(quick, tmp_path / "copy.gguf")
    assert (made.chosen, made.path) == (AS_IT_IS, quick)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.model
def test_a_large_model_is_left_alone(quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimize, "LARGEST", 1_000_000)
    with pytest.raises(ModelUnusable, match=r"0\.1 billion parameters"):
        optimize.optimize(quick, tmp_path / "copy.gguf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.model
def test_a_model_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    path = embedded_model()
    assert path is not None
    monkeypatch.setattr(bench, "QUESTIONS", QUESTIONS[:1])
    found = bench.measure(path)
    assert found.read_rate > found.write_rate > 0
    # 30 layers, 3 heads of 64 for keys and for values, two bytes each.
    assert found.kv_bytes_a_token == pytest.approx(30 * 3 * 64 * 2 * 2, rel=0.05)
    assert 100e6 < found.parameters < 200e6
