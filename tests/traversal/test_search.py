from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.traversal.calibration import Calibration
from lattice.traversal.prior import Prior, PriorHit
from lattice.traversal.search import SearchSettings, search
from lattice.traversal.stand_ins import MemoryTree, ScriptedJudge
from lattice.traversal.steps import Step
from lattice.types import Judgement, OutOfTime, Slate, Usage
from tests.traversal.trees import full_tree, lifted_scores

UNBOUNDED = SearchSettings(budget_tokens=None, beam=10_000, context=0.0)


EVEN = Calibration(prior_weight=1.0, bias_weight=1.0)  # a judgement counts as much as the prior


def _run(
    judge: ScriptedJudge, tree: MemoryTree, prior: Prior | None = None, how: SearchSettings = UNBOUNDED
) -> list[Step]:
    return list(
        search("query", tree, judge, prior or Prior(), how, lambda _query, candidates: [judge.price] * len(candidates))
    )


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(2, 4), st.integers(1, 4), st.integers(0, 10_000))
def test_oracle_a_perfect_judge_with_an_unbounded_beam_equals_exhaustive_judging(
    branching: int, depth: int, seed: int
) -> None:
    nodes = full_tree(branching, depth)
    rng = np.random.default_rng(seed)
    leaves = {node.id: float(rng.random()) for node in nodes if node.is_leaf}
    prior = Prior(tuple(PriorHit(leaf, float(rng.random())) for leaf in list(leaves)[:3]))
    trusting = Calibration(prior_weight=0.0)
    how = SearchSettings(budget_tokens=None, beam=10_000, context=0.0, margin=None, calibration=trusting)
    last = _run(ScriptedJudge(lifted_scores(nodes, leaves)), MemoryTree(nodes), prior, how)[-1]
    assert last.stopped == "exhausted"
    assert [ranked.node for ranked in last.ranking] == sorted(leaves, key=lambda leaf: (-leaves[leaf], leaf))
    assert all(ranked.judged for ranked in last.ranking)


def test_no_node_is_read_twice_by_a_judge_without_slate_bias() -> None:
    nodes = full_tree(3, 3)
    judge = ScriptedJudge(lifted_scores(nodes, {nodes[-1].id: 0.9}))
    _run(judge, MemoryTree(nodes), Prior((PriorHit(nodes[-1].id, 0.5), PriorHit(nodes[-2].id, 0.4))))
    read = [node for slate in judge.seen for node in slate]
    assert len(read) == len(set(read)) == len(nodes) - 1


def test_the_walk_goes_straight_to_a_needle_that_the_prior_does_not_know() -> None:
    nodes = full_tree(5, 4)
    needle = next(node.id for node in nodes if node.passage == 444)
    judge = ScriptedJudge(lifted_scores(nodes, {needle: 0.95}))
    steps = _run(judge, MemoryTree(nodes), how=SearchSettings(budget_tokens=None, beam=1, iterations=4))
    assert steps[-1].ranking[0].node == needle
    assert len(judge.seen) == 4


def test_step_zero_is_the_prior_and_costs_nothing() -> None:
    nodes = full_tree(3, 2)
    prior = Prior((PriorHit(nodes[-1].id, 0.6), PriorHit(nodes[-2].id, 0.5)))
    first = _run(ScriptedJudge({}), MemoryTree(nodes), prior)[0]
    assert [ranked.node for ranked in first.ranking] == [nodes[-1].id, nodes[-2].id]
    assert first.usage.calls == 0
    assert first.stopped is None


def test_the_judge_overrules_the_prior() -> None:
    nodes = full_tree(3, 2)
    good, bad = nodes[-1].id, nodes[-2].id
    prior = Prior((PriorHit(bad, 0.6), PriorHit(good, 0.5)))
    last = _run(ScriptedJudge({good: 0.9, bad: 0.1}), MemoryTree(nodes), prior)[-1]
    assert last.ranking[0].node == good


def test_seed_slates_come_first_where_the_prior_is_sure() -> None:
    nodes = full_tree(4, 4)
    leaves = [node.id for node in nodes if node.is_leaf]
    prior = Prior(tuple(PriorHit(leaf, 0.6) for leaf in leaves[::9][:12]))
    how = SearchSettings(budget_tokens=None, seed_slate=12, iterations=1)
    steps = _run(ScriptedJudge({}), MemoryTree(nodes), prior, how)
    assert steps[1].slates[0].origin is None
    assert {scored.node for scored in steps[1].slates[0].scored} == set(leaves[::9][:12])


@pytest.mark.parametrize(("leaf_share", "first"), [(0.9, 1), (0.1, None)])
def test_a_node_promises_its_share_beside_leaves_that_are_expected(leaf_share: float, first: int | None) -> None:
    nodes = full_tree(4, 4)
    leaves = [node.id for node in nodes if node.is_leaf]
    prior = Prior(tuple(PriorHit(leaf, 0.5) for leaf in leaves[::9][:12]))
    how = SearchSettings(budget_tokens=None, iterations=1, leaf_share=leaf_share)
    assert _run(ScriptedJudge({}), MemoryTree(nodes), prior, how)[1].slates[0].origin == first


def test_a_relevant_leaf_lifts_the_node_that_holds_it() -> None:
    nodes = full_tree(4, 3)
    leaves = [node.id for node in nodes if node.is_leaf]
    found, sibling = leaves[20], leaves[21]
    parent = next(node.parent for node in nodes if node.id == found)
    prior = Prior(tuple(PriorHit(leaf, 0.4) for leaf in leaves[::5]))
    judge = ScriptedJudge({found: 0.95, sibling: 0.95})
    steps = _run(
        judge,
        MemoryTree(nodes),
        prior,
        SearchSettings(budget_tokens=None, beam=1, iterations=4, margin=None, calibration=EVEN),
    )
    opened = [slate.origin for step in steps for slate in step.slates]
    assert parent in opened
    assert {ranked.node for ranked in steps[-1].ranking[:2]} == {found, sibling}


@pytest.mark.parametrize("budget", [0, 9, 10, 55, 200, 1000])
def test_a_budget_in_tokens_is_never_exceeded_and_named_as_the_end(budget: int) -> None:
    nodes = full_tree(4, 4)
    leaves = [node.id for node in nodes if node.is_leaf]
    prior = Prior(tuple(PriorHit(leaf, 0.5) for leaf in leaves[::3]))
    last = _run(
        ScriptedJudge({}, price=10), MemoryTree(nodes), prior, SearchSettings(budget_tokens=budget, margin=None)
    )[-1]
    assert last.usage.evaluated <= budget
    assert last.stopped == "budget"
    assert last.ranking


def test_iterations_and_seconds_end_a_search_and_say_so() -> None:
    nodes = full_tree(4, 4)
    tree = MemoryTree(nodes)
    assert _run(ScriptedJudge({}), tree, how=SearchSettings(budget_tokens=None, iterations=2))[-1].iteration == 2
    assert _run(ScriptedJudge({}), tree, how=SearchSettings(iterations=2))[-1].stopped == "iterations"
    assert _run(ScriptedJudge({}), tree, how=SearchSettings(seconds=0.0))[-1].stopped == "seconds"


def test_a_judge_that_runs_out_of_time_leaves_what_was_found() -> None:
    class Late(ScriptedJudge):
        def score(self, query: str, slate: Slate) -> Judgement:
            if len(self.seen) == 1:
                raise OutOfTime(Usage(evaluated=7, calls=1))
            return ScriptedJudge.score(self, query, slate)

    nodes = full_tree(3, 3)
    how = SearchSettings(budget_tokens=None, beam=1)
    last = _run(Late(lifted_scores(nodes, {nodes[-1].id: 0.9})), MemoryTree(nodes), how=how)[-1]
    assert last.stopped == "seconds"
    assert (last.usage.calls, last.usage.evaluated) == (2, 10 * 3 + 7)


def test_a_tree_of_a_root_alone_is_exhausted_at_once() -> None:
    last = _run(ScriptedJudge({}), MemoryTree(full_tree(2, 0)[:1]))[-1]
    assert last.stopped == "exhausted"


def test_the_same_search_twice_is_the_same() -> None:
    nodes = full_tree(4, 4)
    rng = np.random.default_rng(1)
    scores = lifted_scores(nodes, {node.id: float(rng.random()) for node in nodes if node.is_leaf})
    prior = Prior(tuple(PriorHit(node.id, 0.3) for node in nodes if node.is_leaf and node.id % 7 == 0))
    how = SearchSettings(budget_tokens=600)
    runs = [_run(ScriptedJudge(scores), MemoryTree(nodes), prior, how) for _ in range(2)]
    assert runs[0] == runs[1]


def test_what_was_judged_but_never_opened_is_passed_over() -> None:
    nodes = full_tree(3, 3)
    scores = lifted_scores(nodes, {nodes[-1].id: 0.9})
    last = _run(ScriptedJudge(scores), MemoryTree(nodes), how=SearchSettings(budget_tokens=None, beam=1, iterations=2))
    passed = last[-1].passed_over
    assert passed
    assert all(scored.raw == scores[scored.node] for scored in passed)
    opened = {slate.origin for step in last for slate in step.slates}
    assert not opened & {scored.node for scored in passed}


def test_anchors_and_calibration_take_the_slate_bias_of_a_listwise_judge_away() -> None:
    nodes = full_tree(6, 3)
    leaves = [node.id for node in nodes if node.is_leaf]
    rng = np.random.default_rng(4)
    relevance = {leaf: float(rng.uniform(0.2, 0.7)) for leaf in leaves}
    biases = rng.normal(0.0, 0.12, 10_000)

    def correlation(anchors: int, bias_weight: float) -> float:
        judge = ScriptedJudge(lifted_scores(nodes, relevance), True, lambda slate, _node: float(biases[slate]))
        how = SearchSettings(
            budget_tokens=None,
            beam=1,
            context=0.0,
            anchors=anchors,
            calibration=Calibration(prior_weight=0.01, bias_weight=bias_weight),
        )
        ranking = _run(judge, MemoryTree(nodes), how=how)[-1].ranking
        return float(np.corrcoef([relevance[one.node] for one in ranking], [one.relevance for one in ranking])[0, 1])

    assert correlation(anchors=8, bias_weight=0.05) > correlation(anchors=0, bias_weight=np.inf) + 0.03


def test_relevance_stays_between_zero_and_one() -> None:
    nodes = full_tree(3, 3)
    scores = lifted_scores(nodes, {node.id: 1.0 for node in nodes if node.is_leaf})
    ranking = _run(ScriptedJudge(scores), MemoryTree(nodes), how=SearchSettings(budget_tokens=None))[-1].ranking
    assert all(0.0 <= ranked.relevance <= 1.0 for ranked in ranking)


def _settling(margin: float | None, expected: list[float], scores: dict[int, float]) -> Step:
    """Search among twelve leaves below two nodes; leaf 4 + i is expected and scored as given."""
    nodes = full_tree(4, 2)
    leaves = [node.id for node in nodes if node.is_leaf]
    prior = Prior(tuple(PriorHit(leaf, value) for leaf, value in zip(leaves, expected, strict=False)))
    how = SearchSettings(budget_tokens=None, seed_slate=4, margin=margin, settled_depth=3)
    return _run(ScriptedJudge({leaves[i]: value for i, value in scores.items()}), MemoryTree(nodes), prior, how)[-1]


def test_a_search_ends_where_nothing_unread_can_come_near_the_first_hits() -> None:
    sure = _settling(0.02, [0.7, 0.7, 0.7, 0.7, 0.1, 0.1], {0: 0.9, 1: 0.9, 2: 0.9, 3: 0.9})
    assert sure.stopped == "settled"
    assert sure.usage.evaluated == 40


def test_it_goes_on_while_an_unread_leaf_is_expected_close_by() -> None:
    close = _settling(0.3, [0.7, 0.7, 0.7, 0.7, 0.6, 0.6], {0: 0.9, 1: 0.9, 2: 0.9, 3: 0.9})
    assert close.usage.evaluated > 40


def test_it_goes_on_while_one_of_the_first_hits_is_unread() -> None:
    doubtful = _settling(0.0, [0.7, 0.7, 0.7, 0.7, 0.69, 0.69], {0: 1.0, 1: 0.0, 2: 0.0, 3: 0.0})
    assert doubtful.usage.evaluated > 40


def test_without_a_margin_it_is_never_settled() -> None:
    assert _settling(None, [0.7] * 4, dict.fromkeys(range(4), 0.9)).stopped == "exhausted"


def test_fewer_leaves_than_first_hits_are_never_settled() -> None:
    nodes = full_tree(2, 1)
    how = SearchSettings(budget_tokens=None, settled_depth=10, margin=0.0)
    assert _run(ScriptedJudge({}), MemoryTree(nodes), how=how)[-1].stopped == "exhausted"
