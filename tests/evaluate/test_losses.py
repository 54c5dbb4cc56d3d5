"""Every cause is brought about by a real search over a tree in memory, with a judge by the book."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lattice.evaluate.evaluation import measured
from lattice.evaluate.losses import CAUSES, Lost, documents_of, explain, shares, summary, trails_of
from lattice.evaluate.methods import Flat
from lattice.traversal.calibration import Calibration
from lattice.traversal.prior import Prior, PriorHit
from lattice.traversal.search import SearchSettings, search
from lattice.traversal.stand_ins import MemoryTree, ScriptedJudge
from lattice.traversal.steps import Step
from lattice.types import Node
from tests.store.snapshots import make_store

# Two branches with three leaves each: 1 → (2 → 4, 5, 6), (3 → 7, 8, 9). A leaf is a document of its own, "d4" to "d9".
LEAVES = range(4, 10)
NODES = [
    Node(1, None, "root", "all", 6, 0),
    Node(2, 1, "cluster", "left", 3, 1),
    Node(3, 1, "cluster", "right", 3, 1),
    *(Node(leaf, 2 + (leaf > 6), "passage", f"leaf {leaf}", 1, 2, passage=leaf) for leaf in LEAVES),
]
DOCUMENT_OF = {leaf: f"d{leaf}" for leaf in LEAVES}
TRAILS = {f"d{leaf}": {leaf: (2 + (leaf > 6), 1)} for leaf in LEAVES}
TRUSTED = Calibration(prior_weight=0.01, bias_weight=1.0)
SEEDS_ONLY = SearchSettings(budget_tokens=20, seed_slate=2, context=0.0)  # no branch can be opened
ALL_SEEDS = replace(SEEDS_ONLY, budget_tokens=50, seed_slate=5)


def _steps(
    scores: Mapping[int, float],
    expected: Sequence[tuple[int, float]],
    settings: SearchSettings,
    calibration: Calibration = TRUSTED,
) -> list[Step]:
    prior = Prior(tuple(PriorHit(leaf, value) for leaf, value in expected))
    chosen = replace(settings, calibration=calibration)
    whole = MemoryTree(NODES)
    tree = Flat(whole) if settings in {SEEDS_ONLY, ALL_SEEDS} else whole
    return list(search("q", tree, ScriptedJudge(scores), prior, chosen, lambda _, c: [10] * len(c)))


def _explained(steps: Sequence[Step], grades: Mapping[str, int], trails: object = None) -> dict[str, Lost]:
    found = explain(steps, grades, TRAILS if trails is None else trails, DOCUMENT_OF, "q")  # type: ignore[arg-type]
    return {one.document: one for one in found}


def test_a_document_that_is_not_indexed() -> None:
    steps = _steps({4: 1.0}, [(4, 0.7)], SEEDS_ONLY)
    lost = _explained(steps, {"d4": 1, "gone": 1}, {"d4": TRAILS["d4"], "gone": {}})["gone"]
    assert (lost.cause, lost.rank, lost.prior_rank, lost.node) == ("corpus", None, None, None)
    assert lost.share == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))


def test_a_document_that_nothing_led_to() -> None:
    lost = _explained(_steps({4: 0.1}, [(4, 0.7), (5, 0.6)], SEEDS_ONLY), {"d9": 1})["d9"]
    assert (lost.cause, lost.share, lost.rank) == ("unseen", 1.0, None)


def test_a_document_below_a_node_that_was_read_and_not_opened() -> None:
    # The root is opened first, both branches are read, and only the left one still fits.
    settings = SearchSettings(budget_tokens=50, seed_slate=2, context=0.0)
    lost = _explained(_steps({2: 0.9, 3: 0.2, 4: 0.8}, [], settings), {"d9": 1})["d9"]
    assert (lost.cause, lost.node, lost.origin, lost.slate) == ("description", 3, 1, 1)
    assert (lost.place, lost.slate_size, lost.raw) == (2, 2, 0.2)
    assert [(one.node, one.raw) for one in lost.preferred] == [(2, 0.9)]


def test_a_document_that_the_prior_knew_and_nobody_read() -> None:
    steps = _steps({4: 0.9, 5: 0.8}, [(4, 0.7), (5, 0.6), (9, 0.5)], SEEDS_ONLY)
    lost = _explained(steps, {"d9": 1})["d9"]
    assert (lost.cause, lost.rank, lost.prior_rank, lost.slate) == ("budget", 3, 3, None)
    assert (lost.node, lost.raw, lost.read_documents, lost.stopped) == (9, None, 2, "budget")
    assert [one.node for one in lost.above] == [4, 5]


def test_a_document_that_the_judge_scored_too_low() -> None:
    steps = _steps({4: 0.9, 5: 0.1}, [(5, 0.7), (4, 0.6)], SEEDS_ONLY)
    lost = _explained(steps, {"d5": 1})["d5"]
    assert (lost.cause, lost.rank, lost.prior_rank) == ("judge", 2, 1)
    assert (lost.slate, lost.origin, lost.place, lost.slate_size) == (1, None, 2, 2)
    assert [(one.node, one.raw) for one in lost.preferred] == [(4, 0.9)]
    assert lost.share == pytest.approx(1 - 1 / math.log2(3))


def test_a_document_that_the_prior_outweighed() -> None:
    believing = Calibration(prior_weight=5.0, bias_weight=1.0)
    steps = _steps({4: 0.4, 5: 0.6}, [(4, 0.75), (5, 0.1)], SEEDS_ONLY, believing)
    lost = _explained(steps, {"d5": 1})["d5"]
    assert (lost.cause, lost.rank, lost.place) == ("prior", 2, 1)


def test_a_document_whose_branch_weighs_less() -> None:
    settings = SearchSettings(budget_tokens=80, seed_slate=2, context=0.8)
    scores = {2: 1.0, 3: 0.3, 4: 0.7, 5: 0.7, 6: 0.7, 7: 0.8}
    lost = _explained(_steps(scores, [], settings), {"d7": 1})["d7"]
    assert lost.cause == "path"
    assert lost.raw is not None
    assert all(one.raw is not None and one.raw < lost.raw and one.latent < (lost.latent or 0) for one in lost.above)


def test_a_document_that_stands_where_it_should() -> None:
    lost = _explained(_steps({4: 0.9, 5: 0.1}, [(4, 0.7), (5, 0.6)], SEEDS_ONLY), {"d4": 1})["d4"]
    assert (lost.cause, lost.share) == ("found", 0.0)


def test_absent_documents_are_taken_out_of_the_ranking() -> None:
    steps = _steps({4: 0.9, 5: 0.1}, [(4, 0.7), (5, 0.6)], SEEDS_ONLY)
    without = {leaf: name for leaf, name in DOCUMENT_OF.items() if leaf != 4}
    (lost,) = explain(steps, {"d5": 1}, TRAILS, without)
    assert (lost.rank, lost.cause) == (1, "found")


def test_passages_of_one_document_are_no_rivals_of_each_other() -> None:
    # "d" has the passages 5 and 7, "e" has 6 and 8: all are read in one slate, and only 4 is not relevant.
    names = {4: "x", 5: "d", 6: "e", 7: "d", 8: "e", 9: "x"}
    trails = {"d": {5: (2, 1), 7: (3, 1)}, "e": {6: (2, 1), 8: (3, 1)}}
    steps = _steps({4: 0.9, 5: 0.5, 6: 0.4, 7: 0.5, 8: 0.4}, [(leaf, 0.5) for leaf in range(4, 9)], ALL_SEEDS)
    lost = {one.document: one for one in explain(steps, {"d": 1, "e": 1}, trails, names)}
    assert {name: (one.cause, one.node, one.rank) for name, one in lost.items()} == {
        "d": ("judge", 5, 2),
        "e": ("judge", 6, 3),
    }
    assert [[rival.node for rival in one.preferred] for one in lost.values()] == [[4], [4]]


def test_leaves_and_trails_come_from_the_index(tmp_path: Path) -> None:
    with make_store(tmp_path / "small.lattice") as store:
        root = store.root().id
        leaves = [leaf.id for leaf in store.leaves(store.passages_of("actors/memory.md")).values()]
        found = trails_of(store, ["actors/memory.md", "nowhere.md"])
        assert found == {
            "actors/memory.md": {leaf: (store.node(leaf).parent, root) for leaf in leaves},
            "nowhere.md": {},
        }
        assert documents_of(store, [root, *leaves]) == dict.fromkeys(leaves, "actors/memory.md")


def test_the_sums_add_up_to_what_is_lacking() -> None:
    steps = _steps({4: 0.9, 5: 0.1}, [(4, 0.7), (5, 0.6), (9, 0.5)], SEEDS_ONLY)
    grades = {"d5": 2, "d9": 1, "d7": 1}
    lost = explain(steps, grades, TRAILS, DOCUMENT_OF, "q")
    ranking = list(dict.fromkeys(DOCUMENT_OF[one.node] for one in steps[-1].ranking))
    (values,) = measured(grades, [ranking])
    sums = summary(lost, 2)  # a second query lost nothing
    assert sum(one.loss for one in sums) == pytest.approx((1 - values["nDCG@10"]) / 2)
    assert [one.loss for one in sums] == sorted((one.loss for one in sums), reverse=True)
    assert {one.cause: (one.documents, one.queries) for one in sums} == {
        "judge": (1, 1),
        "unseen": (1, 1),
        "found": (1, 1),
    }


def test_shares_by_hand() -> None:
    # Ideal: b (grade 2), a, c; actual: a, x, b. The best is 2 + 1/log2(3) + 1/2.
    found = shares({"a": 1, "b": 2, "c": 1, "x": 0}, ["a", "x", "b"])
    best = 2 + 1 / math.log2(3) + 0.5
    assert found["b"] == pytest.approx(2 * (1 - 0.5) / best)
    assert found["a"] == pytest.approx((1 / math.log2(3) - 1) / best)  # above its ideal place
    assert found["c"] == pytest.approx(0.5 / best)


@given(
    st.dictionaries(st.sampled_from("abcdefghijklmnop"), st.integers(0, 3), min_size=1),
    st.permutations("abcdefghijklmnopqrst"),
    st.integers(0, 20),
)
def test_shares_add_up_to_what_ndcg_lacks(grades: dict[str, int], order: list[str], length: int) -> None:
    ranking = order[:length]
    relevant = any(grade > 0 for grade in grades.values())
    expected = 1 - measured(grades, [ranking])[0]["nDCG@10"] if relevant else 0.0
    assert sum(shares(grades, ranking).values()) == pytest.approx(expected, abs=1e-6)


def test_every_cause_is_explained() -> None:
    assert list(CAUSES) == ["corpus", "unseen", "description", "budget", "judge", "prior", "path", "found"]
