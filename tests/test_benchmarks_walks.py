"""The benchmark of walks: its half-scripted judge, and a whole row on a small collection with the real model."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from lattice.evaluate.collection import load as load_collection
from lattice.models.registry import embedded_model
from lattice.types import Candidate, Judgement, Slate, Usage
from tests.conftest import Load
from tests.evaluate.collections import TOPICS, write_collection


@pytest.fixture(name="walks", scope="module")
def fixture_walks(load: Load) -> ModuleType:
    return load("walks")


class Real:
    """Scores every node .25; the query costs 5 tokens, a leaf 20 and a node 1."""

    def score(self, query: str, slate: Slate) -> Judgement:
        assert not any(one.is_leaf for one in slate.candidates)
        return Judgement((0.25,) * len(slate.candidates), Usage())

    def prices(self, query: str, candidates: list[Candidate]) -> list[int]:
        return [20 if one.is_leaf else 1 for one in candidates]

    def costs(self, query: str, candidates: list[Candidate]) -> list[int]:
        first, *rest = self.prices(query, candidates)
        return [first + 5, *rest]


def test_nodes_are_judged_for_real_and_leaves_by_the_script(walks: ModuleType) -> None:
    leaves = [Candidate(number, "text", is_leaf=True) for number in range(200)]
    node = Candidate(999, "node", is_leaf=False)
    judge = walks.HalfScripted(Real(), frozenset(range(100)))
    first = judge.score("query", Slate(1, (node, *leaves)))
    assert first.scores[0] == 0.25
    relevant, others = first.scores[1:101], first.scores[101:]
    assert sum(relevant) / 100 > sum(others) / 100 + 0.3
    assert first.usage.evaluated == 5 + 1 + 200 * 20
    again = judge.score("query", Slate(1, (node, *leaves)))
    assert again.scores == first.scores
    assert again.usage.evaluated == 1 + 200 * 20


@pytest.mark.model
def test_a_small_collection_is_walked_whole(walks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "WORK", tmp_path)
    monkeypatch.setattr(walks, "bf16_copy", embedded_model)
    fillers = {f"filler{i}": f"{word} " * 8 + f"item {i}" for i, word in enumerate(("apple", "river", "stone") * 12)}
    row = walks.measured(load_collection(write_collection(tmp_path / "c", {**TOPICS, **fillers})))
    assert row["read"] == dict.fromkeys(map(str, walks.ALPHAS), 1.0)
    assert row["collection"] in walks.table([row])
