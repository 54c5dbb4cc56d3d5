from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.traversal.paper import PaperBelief, PaperSettings, search_as_published
from lattice.traversal.stand_ins import MemoryTree, ScriptedJudge
from lattice.traversal.steps import Step
from tests.traversal.trees import full_tree, lifted_scores

UNBOUNDED = PaperSettings(iterations=None, beam=10_000)


def _run(judge: ScriptedJudge, tree: MemoryTree, how: PaperSettings = UNBOUNDED) -> list[Step]:
    return list(
        search_as_published("query", tree, judge, how, lambda _query, candidates: [judge.price] * len(candidates))
    )


def _random_scores(branching: int, depth: int, seed: int) -> tuple[MemoryTree, dict[int, float], dict[int, float]]:
    nodes = full_tree(branching, depth)
    rng = np.random.default_rng(seed)
    leaves = {node.id: float(rng.random()) for node in nodes if node.is_leaf}
    return MemoryTree(nodes), leaves, lifted_scores(nodes, leaves)


def test_the_defaults_are_those_of_the_paper() -> None:
    how = PaperSettings()
    assert (how.beam, how.iterations, how.alpha, how.anchors) == (2, 20, 0.5, 10)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(2, 4), st.integers(1, 4), st.integers(0, 10_000), st.booleans())
def test_oracle_a_perfect_judge_with_an_unbounded_beam_equals_exhaustive_judging(
    branching: int, depth: int, seed: int, slate_dependent: bool
) -> None:
    tree, leaves, scores = _random_scores(branching, depth, seed)
    # Exhaustive judging ranks by path relevance; α = 0 leaves a leaf's own word alone.
    how = PaperSettings(iterations=None, beam=10_000, alpha=0.0)
    last = _run(ScriptedJudge(scores, slate_dependent), tree, how)[-1]
    assert last.stopped == "exhausted"
    assert [one.node for one in last.ranking] == sorted(leaves, key=lambda leaf: (-leaves[leaf], leaf))


def test_path_relevance_is_the_papers_with_its_certain_root() -> None:
    nodes = full_tree(2, 2)  # root 1; inner 2, 3; leaves 4, 5 and 6, 7
    judge = ScriptedJudge({2: 0.8, 3: 0.4, 4: 0.6, 5: 0.2, 6: 0.5, 7: 0.1})
    steps = _run(judge, MemoryTree(nodes), PaperSettings(beam=1))
    scored = {one.node: one for step in steps for slate in step.slates for one in slate.scored}
    assert scored[2].path == pytest.approx(0.5 * 1.0 + 0.5 * 0.8)
    assert scored[4].path == pytest.approx(0.5 * 0.9 + 0.5 * 0.6)
    assert [one.node for one in steps[-1].ranking] == [4, 6, 5, 7]
    assert steps[-1].ranking[1].relevance == pytest.approx(0.5 * 0.7 + 0.5 * 0.5)


def test_nothing_is_known_before_the_root_is_opened_and_two_branches_a_round_follow() -> None:
    tree, _, scores = _random_scores(4, 4, 1)
    steps = _run(ScriptedJudge(scores), tree, PaperSettings())
    assert steps[0].ranking == ()
    assert [slate.origin for slate in steps[1].slates] == [1]
    assert all(len(step.slates) == 2 for step in steps[2:-1])


def test_the_best_branches_by_path_relevance_are_opened() -> None:
    nodes = full_tree(4, 3)
    scores = {2: 0.9, 3: 0.7, 4: 0.5, 5: 0.1}
    steps = _run(ScriptedJudge(scores), MemoryTree(nodes), PaperSettings(iterations=2))
    assert [slate.origin for slate in steps[2].slates] == [2, 3]
    assert [one.node for one in steps[2].passed_over][:1] == [4]


def test_twenty_rounds_end_it_and_a_budget_ends_it_before() -> None:
    tree, _, scores = _random_scores(4, 5, 2)
    last = _run(ScriptedJudge(scores), tree, PaperSettings())[-1]
    assert (last.iteration, last.stopped) == (20, "iterations")
    short = _run(ScriptedJudge(scores), tree, PaperSettings(budget_tokens=100))[-1]
    assert short.stopped == "budget"
    assert 0 < short.usage.evaluated <= 100
    assert _run(ScriptedJudge(scores), tree, PaperSettings(seconds=0.0))[-1].stopped == "seconds"


def test_a_pointwise_judge_gets_no_anchors() -> None:
    tree, _, scores = _random_scores(3, 3, 3)
    judge = ScriptedJudge(scores)
    _run(judge, tree)
    read = [node for slate in judge.seen for node in slate]
    assert len(read) == len(set(read)) == 39


def test_leaf_slates_hold_ten_earlier_leaves_and_inner_slates_the_best_sibling() -> None:
    nodes = full_tree(5, 3)
    leaves = {node.id: 0.3 for node in nodes if node.is_leaf}
    judge = ScriptedJudge(lifted_scores(nodes, leaves) | {2: 0.9, 3: 0.8, 4: 0.7}, slate_dependent=True)
    _run(judge, MemoryTree(nodes), PaperSettings(beam=1))
    inner = next(slate for slate in judge.seen if 7 in slate)  # the children of node 2
    assert inner == (7, 8, 9, 10, 11, 3)
    leaf_slates = [slate for slate in judge.seen if slate[0] in leaves]
    assert [len(slate) for slate in leaf_slates[:4]] == [5, 10, 15, 15]
    assert set(leaf_slates[3][5:]) < {leaf for slate in leaf_slates[:3] for leaf in slate}


def test_anchors_are_drawn_in_proportion_to_latent_relevance() -> None:
    nodes = full_tree(4, 1)
    scores = [(2, 0.6), (3, 0.3), (4, 0.1), (5, 0.0)]
    drawn: list[int] = []
    for seed in range(600):
        belief = PaperBelief(MemoryTree(nodes), 0.5, seed, slate_dependent=True)
        belief.openings(1)
        belief.observe(1, scores)
        drawn += belief.anchors(1, (2, 3), 1)
    shares = [drawn.count(leaf) / len(drawn) for leaf, _ in scores]
    assert shares == pytest.approx([0.6, 0.3, 0.1, 0.0], abs=0.06)


def test_the_same_seed_draws_the_same() -> None:
    tree, _, scores = _random_scores(4, 4, 5)
    runs = [_run(ScriptedJudge(scores, slate_dependent=True), tree, PaperSettings()) for _ in range(2)]
    assert runs[0] == runs[1]
    other = _run(ScriptedJudge(scores, slate_dependent=True), tree, PaperSettings(seed=1))
    assert [step.slates for step in other] != [step.slates for step in runs[0]]


def test_the_refit_takes_the_bias_of_a_slate_away_and_leaves_the_scale() -> None:
    nodes = full_tree(2, 2)
    belief = PaperBelief(MemoryTree(nodes), 0.5, 0, slate_dependent=True)
    belief.openings(1)
    belief.observe(1, [(2, 0.6), (3, 0.4)])
    belief.openings(2)
    belief.observe(2, [(4, 0.5), (5, 0.3), (3, 0.6)])
    # Node 3 got .2 more in the second slate, so b = −.1, +.1 are the smallest biases that explain everything.
    assert belief.latent(3) == pytest.approx(0.5, abs=1e-4)
    assert belief.latent(2) == pytest.approx(0.7, abs=1e-4)
    assert [belief.latent(node) for node in (4, 5)] == pytest.approx([0.4, 0.2], abs=1e-4)
