from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.traversal.calibration import Calibration
from lattice.traversal.evidence import DEFAULT_MODEL, Evidence, Model, search_by_evidence
from lattice.traversal.prior import Prior, PriorHit
from lattice.traversal.search import SearchSettings
from lattice.traversal.stand_ins import MemoryTree, ScriptedJudge
from lattice.traversal.steps import Ranked, Step
from lattice.types import Node
from tests.traversal.trees import full_tree, lifted_scores

# Root 1; inner nodes 2, 3, 4; leaves 5-7 below 2, 8-10 below 3, 11-13 below 4.
NODES = full_tree(3, 2)
UNBOUNDED = SearchSettings(budget_tokens=None, beam=10_000, margin=None)
EXACT = replace(DEFAULT_MODEL, lift=1.0, blind=0.0)
DOUBTING = replace(EXACT, blind=0.3)


def _belief(*hits: int, nodes: list[Node] = NODES, model: Model = EXACT) -> Evidence:
    prior = Prior(tuple(PriorHit(leaf, 0.5) for leaf in hits))
    return Evidence(MemoryTree(nodes), prior, Calibration(1.0, 1.0), model)


def _run(
    judge: ScriptedJudge, nodes: list[Node], prior: Prior | None = None, how: SearchSettings = UNBOUNDED
) -> list[Step]:
    return list(search_by_evidence("query", MemoryTree(nodes), judge, prior or Prior(), how))


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(2, 4), st.integers(1, 4), st.integers(0, 10_000))
def test_oracle_a_perfect_judge_with_an_unbounded_beam_finds_what_exhaustive_judging_finds(
    branching: int, depth: int, seed: int
) -> None:
    nodes = full_tree(branching, depth)
    rng = np.random.default_rng(seed)
    leaves = [node.id for node in nodes if node.is_leaf]
    relevant = {int(leaf) for leaf in rng.choice(leaves, min(len(leaves) - 1, 3), replace=False)}
    truth = {leaf: 0.9 if leaf in relevant else 0.1 for leaf in leaves}
    last = _run(ScriptedJudge(lifted_scores(nodes, truth), slate_dependent=True), nodes)[-1]
    assert last.stopped == "exhausted"
    assert len(last.ranking) == len(leaves)
    assert all(one.judged for one in last.ranking)
    assert {one.node for one in last.ranking[: len(relevant)]} == relevant


def test_a_broad_and_a_narrow_beam_end_at_the_same_where_slates_are_the_same() -> None:
    nodes = full_tree(4, 3)
    rng = np.random.default_rng(6)
    scores = lifted_scores(nodes, {node.id: float(rng.random()) for node in nodes if node.is_leaf})
    ends = [
        _run(ScriptedJudge(scores, slate_dependent=True), nodes, how=replace(UNBOUNDED, beam=beam, anchors=0))[-1]
        for beam in (1, 10_000)
    ]
    assert [one.node for one in ends[0].ranking] == [one.node for one in ends[1].ranking]


def test_nothing_read_is_a_root_that_is_sure_and_nothing_to_rank() -> None:
    belief = _belief()
    assert belief.path(1) == 1.0
    assert belief.frontier() == [1]
    assert list(belief.ranking()) == []


def _posterior(scores: dict[int, float]) -> dict[int, float]:
    """Work the model out for the tree of nine leaves by trying every set of hot leaves: no messages are passed."""
    q = min(0.8, EXACT.branches / 3)
    bits = [[(i >> k) & 1 for k in range(9)] for i in range(1, 512)]
    weights = []
    for hot in bits:
        parents = [int(any(hot[3 * i : 3 * i + 3])) for i in range(3)]
        weight = math.prod(q if one else 1 - q for one in parents) / (1 - (1 - q) ** 3)
        for i in range(3):
            if parents[i]:
                below = math.prod(q if one else 1 - q for one in hot[3 * i : 3 * i + 3])
                weight *= below / (1 - (1 - q) ** 3)
        values = dict(zip(range(2, 14), [*parents, *hot], strict=True))
        weight *= math.prod(scores.get(node, 1.0) for node, one in values.items() if one)
        weights.append((weight, values))
    total = sum(weight for weight, _ in weights)
    return {node: sum(w for w, values in weights if values[node]) / total for node in range(2, 14)}


def test_messages_give_exactly_what_counting_every_case_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    ratios = {2: 3.0, 3: 0.5, 4: 1.5, 5: 0.2, 6: 4.0, 7: 0.3, 8: 0.4, 9: 0.9, 10: 6.0, 11: 0.1, 12: 0.2, 13: 0.3}
    belief = _belief()

    def own(self: Evidence) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        known = self._static
        return np.array([math.log(ratios.get(int(node), 1.0)) for node in known.ids[: known.count]])

    monkeypatch.setattr(Evidence, "_own_ratios", own)
    for origin, below in ((1, (2, 3, 4)), (2, (5, 6, 7)), (3, (8, 9, 10)), (4, (11, 12, 13))):
        belief.observe(origin, [(node, 0.5) for node in below])
    by_counting = _posterior(ratios)
    assert {node: belief.path(node) for node in by_counting} == pytest.approx(by_counting)


def test_an_unopened_node_is_worth_the_mean_of_its_leaves() -> None:
    nodes = full_tree(6, 2)
    belief = _belief(nodes=nodes)
    belief.observe(1, [(child, 0.5) for child in range(2, 8)])
    even = belief.path(2)
    assert even == pytest.approx(belief.path(3))
    leaf = next(node.id for node in nodes if node.parent == 2)
    belief.observe(None, [(leaf, 0.95), *((node.id, 0.1) for node in nodes if node.parent == 3)])
    assert belief.path(2) > even > belief.path(3)


def test_a_leaf_that_was_found_lifts_its_branch_and_one_in_vain_sinks_it() -> None:
    nodes = full_tree(4, 3)  # inner nodes 2-5, below them 6-21, leaves from 22
    belief = _belief(nodes=nodes)
    belief.observe(1, [(2, 0.5), (3, 0.5), (4, 0.5), (5, 0.5)])
    belief.observe(2, [(node, 0.5) for node in range(6, 10)])
    before = belief.path(7)
    belief.observe(6, [(22, 0.1), (23, 0.1), (24, 0.1), (25, 0.1), (2, 0.5)])
    assert belief.path(6) < before < belief.path(7)
    belief.observe(7, [(26, 0.95), (27, 0.1), (28, 0.1), (29, 0.1), (22, 0.1)])
    assert belief.path(7) > 0.9
    assert belief.ranking()[0].node == 26


def test_a_constant_added_to_a_slate_hardly_changes_it() -> None:
    plain, moved = _belief(), _belief()
    for belief, bias in ((plain, 0.0), (moved, 0.2)):
        belief.observe(1, [(2, 0.7), (3, 0.3), (4, 0.2)])
        belief.observe(2, [(5, 0.6 + bias), (6, 0.1 + bias), (7, 0.1 + bias), (3, 0.3 + bias)])
    assert [one.node for one in plain.ranking()] == [one.node for one in moved.ranking()]
    assert moved.path(5) == pytest.approx(plain.path(5), abs=0.1)


def test_hits_are_ranked_and_read_before_anything_where_they_promise_most() -> None:
    belief = _belief(12, 8)
    assert [one.node for one in belief.ranking()] == [12, 8]
    assert not belief.ranking()[0].judged
    found = belief.openings(8, 1)
    assert {one.origin for one in found} == {None, *[one.origin for one in found if one.origin]}
    assert next(one for one in found if one.origin is None).nodes == (12, 8)
    assert [one.promise for one in found] == sorted((one.promise for one in found), reverse=True)


def test_hits_that_were_read_in_vain_make_the_rest_less_believed() -> None:
    nodes = full_tree(6, 3)
    leaves = [node.id for node in nodes if node.is_leaf][::5]
    belief = _belief(*leaves, nodes=nodes)
    before = belief.path(leaves[-1])
    belief.observe(None, [(leaf, 0.05) for leaf in leaves[:5]] + [(leaf, 0.95) for leaf in leaves[5:6]])
    believed = belief.path(leaves[-1])
    doubting = _belief(*leaves, nodes=nodes)
    doubting.observe(None, [(leaf, 0.95) for leaf in leaves[:3]] + [(leaf, 0.05) for leaf in leaves[3:6]])
    assert believed < doubting.path(leaves[-1])
    assert before > 0.0


def test_a_judge_that_sees_nothing_leaves_the_priors_best_where_they_were() -> None:
    nodes = full_tree(6, 3)
    leaves = [node.id for node in nodes if node.is_leaf][::5]
    first = {}
    for model in (EXACT, DOUBTING):
        belief = _belief(*leaves, nodes=nodes, model=model)
        belief.observe(1, [(node.id, 0.4) for node in nodes if node.parent == 1])
        belief.observe(None, [(leaf, 0.4) for leaf in leaves[:8]])
        first[model] = belief.ranking()[0].node
    assert first[EXACT] not in leaves[:8]  # believed, what was read is cold and sinks
    assert first[DOUBTING] == leaves[0]


def test_a_judge_that_finds_what_must_be_there_is_believed() -> None:
    nodes = full_tree(6, 3)
    leaves = [node.id for node in nodes if node.is_leaf][::5]
    paths = {}
    for model in (EXACT, DOUBTING):
        belief = _belief(*leaves, nodes=nodes, model=model)
        belief.observe(None, [(leaves[4], 0.95), *((leaf, 0.1) for leaf in leaves[:4])])
        assert belief.ranking()[0].node == leaves[4]
        paths[model] = belief.path(leaves[4])
    assert paths[DOUBTING] == pytest.approx(paths[EXACT], rel=0.1)


def test_before_anything_was_read_doubt_changes_nothing() -> None:
    sure, doubting = _belief(12, 8), _belief(12, 8, model=DOUBTING)
    assert [one.node for one in doubting.ranking()] == [one.node for one in sure.ranking()]
    assert [one.relevance for one in doubting.ranking()] == pytest.approx([one.relevance for one in sure.ranking()])


def test_without_path_and_lift_only_a_slate_counts() -> None:
    belief = _belief(model=replace(EXACT, path=0.0, lift=0.0))
    belief.observe(1, [(2, 0.9), (3, 0.1), (4, 0.1)])
    before = belief.path(2)
    belief.observe(2, [(5, 0.1), (6, 0.1), (7, 0.1), (3, 0.1)])
    assert belief.path(2) == pytest.approx(before, abs=0.05)
    assert belief.path(5) + belief.path(6) + belief.path(7) >= 1.0


def test_anchors_are_the_best_of_the_level_or_else_the_best_sibling() -> None:
    belief = _belief()
    belief.openings(8, 3)
    belief.observe(1, [(2, 0.8), (3, 0.4), (4, 0.6)])
    belief.openings(8, 3)
    assert belief.anchors(2, (5, 6, 7), 2) == (4,)
    assert belief.anchors(2, (5, 6, 7), 0) == ()
    belief.observe(2, [(5, 0.1), (6, 0.9), (7, 0.5)])
    belief.openings(8, 3)
    assert belief.anchors(3, (8, 9, 10), 2) == (6, 7)


def test_the_walk_goes_straight_to_a_needle_that_the_prior_does_not_know() -> None:
    nodes = full_tree(5, 4)
    needle = next(node.id for node in nodes if node.passage == 444)
    judge = ScriptedJudge(lifted_scores(nodes, {needle: 0.95}), slate_dependent=True)
    steps = _run(judge, nodes, how=SearchSettings(budget_tokens=None, iterations=4))
    assert steps[-1].ranking[0].node == needle


def test_a_budget_is_kept_and_the_same_search_twice_is_the_same() -> None:
    nodes = full_tree(4, 4)
    rng = np.random.default_rng(1)
    scores = lifted_scores(nodes, {node.id: float(rng.random()) for node in nodes if node.is_leaf})
    prior = Prior(tuple(PriorHit(node.id, 0.3) for node in nodes if node.is_leaf and node.id % 7 == 0))
    how = SearchSettings(budget_tokens=None, iterations=12)
    runs = [_run(ScriptedJudge(scores, slate_dependent=True), nodes, prior, how) for _ in range(2)]
    assert runs[0] == runs[1]
    assert all(0.0 <= one.relevance <= 1.0 for one in runs[0][-1].ranking)
    read = [node for slate in runs[0][-1].slates for node in slate.scored]
    assert read


def test_a_wide_node_does_not_overflow() -> None:
    nodes = full_tree(300, 1)
    judge = ScriptedJudge({node.id: 1.0 if node.id % 2 else 0.0 for node in nodes}, slate_dependent=True)
    last = _run(judge, nodes)[-1]
    assert all(0.0 <= one.relevance <= 1.0 for one in last.ranking)
    assert all(one.node % 2 for one in last.ranking[:100])


def test_a_ranking_in_arrays_is_a_sequence_like_any_other() -> None:
    belief = _belief(12, 8, 5)
    ranking = belief.ranking()
    assert len(ranking) == 3
    assert ranking[1] == list(ranking)[1] == ranking[1:][0]
    assert isinstance(ranking[-1], Ranked)
    assert ranking == tuple(ranking)
    assert hash(ranking) == hash(belief.ranking())
    assert ranking != (ranking[0],)


def test_a_search_is_settled_where_no_slate_is_expected_to_lead_anywhere() -> None:
    nodes = full_tree(4, 4)
    found = [node.id for node in nodes if node.is_leaf][:2]
    scores = lifted_scores(nodes, {node.id: 0.95 if node.id in found else 0.05 for node in nodes if node.is_leaf})
    ends = {
        margin: _run(ScriptedJudge(scores, slate_dependent=True), nodes, how=replace(UNBOUNDED, beam=1, margin=margin))
        for margin in (0.03, None)
    }
    assert [ends[margin][-1].stopped for margin in (0.03, None)] == ["settled", "exhausted"]
    assert ends[0.03][-1].usage.evaluated < ends[None][-1].usage.evaluated / 2
    assert {one.node for one in ends[0.03][-1].ranking[:2]} == set(found)


def test_what_is_enough_decides_how_soon() -> None:
    nodes = full_tree(4, 4)
    scores = lifted_scores(nodes, {node.id: (node.id % 5) / 6 for node in nodes if node.is_leaf})
    how = replace(UNBOUNDED, beam=1, margin=0.03)

    def slates(enough: float) -> int:
        judge = ScriptedJudge(scores, slate_dependent=True)
        model = replace(DEFAULT_MODEL, enough=enough)
        return list(search_by_evidence("q", MemoryTree(nodes), judge, Prior(), how, model=model))[-1].iteration

    assert slates(0.5) <= slates(0.01) <= slates(0.0)
    assert slates(0.5) < slates(0.0)


@given(st.integers(2, 4), st.integers(2, 3), st.integers(0, 10_000))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_what_a_blind_judge_leaves_believed_is_followed_as_if_worked_out_anew(
    branching: int, depth: int, seed: int
) -> None:
    nodes, rng = full_tree(branching, depth), np.random.default_rng(seed)
    leaves = [node.id for node in nodes if node.is_leaf]
    hits = [int(leaf) for leaf in rng.choice(leaves, int(rng.integers(0, 4)), replace=False)]
    belief = _belief(*hits, nodes=nodes, model=DOUBTING)
    opened = 1
    for _ in range(4):
        children = [node.id for node in nodes if node.parent == opened]
        belief.observe(opened, [(child, float(rng.random())) for child in children])
        anew, evidence = belief._by_the_prior()
        assert belief._unseen == pytest.approx(anew, rel=1e-12)
        assert belief._expected == pytest.approx(evidence, abs=1e-12)
        if not belief.frontier():
            break
        opened = int(rng.choice(belief.frontier()))
