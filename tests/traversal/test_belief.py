from __future__ import annotations

import pytest

from lattice.traversal.belief import Belief
from lattice.traversal.calibration import Calibration
from lattice.traversal.prior import Prior, PriorHit
from lattice.traversal.stand_ins import MemoryTree
from tests.traversal.trees import full_tree

# Root 1; inner nodes 2, 3, 4; leaves 5-7 below 2, 8-10 below 3, 11-13 below 4.
NODES = full_tree(3, 2)
FLOOR = 0.1


def _belief(*hits: tuple[int, float], context: float = 0.0, prior_weight: float = 1.0) -> Belief:
    prior = Prior(tuple(PriorHit(leaf, expected) for leaf, expected in hits), FLOOR)
    return Belief(MemoryTree(NODES), prior, Calibration(prior_weight), 0.5, context)


def test_leaves_expect_what_the_prior_says_or_the_floor() -> None:
    belief = _belief((5, 0.6))
    belief.observe(2, [(6, 0.1)])
    assert belief.expectation(5) == 0.6
    assert belief.expectation(6) == FLOOR


def test_inner_nodes_expect_their_share_of_the_evidence_beyond_chance() -> None:
    # Above the floor .5 below node 2 and .25 below node 3, so q = 4/5 and 1/5; each holds a third of the leaves.
    belief = _belief((5, 0.6), (8, 0.35))
    assert belief.expectation(2) == pytest.approx(FLOOR + 0.9 * (4 / 5 - 1 / 3) / (2 / 3))
    assert belief.expectation(3) == pytest.approx(FLOOR)
    assert belief.expectation(1) == FLOOR


def test_nothing_found_expects_the_floor_everywhere() -> None:
    belief = _belief()
    assert belief.expectation(1) == FLOOR
    assert belief.frontier() == [1]


def test_a_judgement_replaces_the_priors_word_for_a_subtree() -> None:
    belief = _belief((5, 0.6), (8, 0.6), prior_weight=0.0)
    before = belief.expectation(2)
    belief.observe(None, [(5, 0.0)])
    assert belief.expectation(2) == FLOOR < belief.expectation(3)
    assert before == pytest.approx(FLOOR + 0.9 * (1 / 2 - 1 / 3) / (2 / 3))


def test_the_frontier_holds_ancestors_of_hits_and_children_of_opened_nodes() -> None:
    belief = _belief((5, 0.6))
    assert sorted(belief.frontier()) == [1, 2]
    belief.observe(1, [(2, 0.5), (3, 0.4), (4, 0.2)])
    assert sorted(belief.frontier()) == [2, 3, 4]
    belief.observe(2, [(5, 0.5), (6, 0.5), (7, 0.5)])
    assert sorted(belief.frontier()) == [3, 4]


def test_path_relevance_by_hand() -> None:
    belief = _belief(prior_weight=0.0)
    belief.observe(1, [(2, 0.8), (3, 0.2), (4, 0.2)])
    belief.observe(2, [(5, 0.6), (6, 0.6), (7, 0.6)])
    # p(2) = .5 + .4 = .9, p̂(2) = (.9 − .5) / .5; p(5) = .45 + .3 = .75, p̂(5) = (.75 − .25) / .75.
    assert belief.path(2) == pytest.approx(0.8)
    assert belief.path(5) == pytest.approx(2 / 3)


def test_context_lends_a_leaf_a_share_of_its_parents_path() -> None:
    belief = _belief(context=0.25, prior_weight=0.0)
    belief.observe(1, [(2, 0.8), (3, 0.2), (4, 0.2)])
    belief.observe(2, [(5, 0.6)])
    assert belief.relevance(5) == pytest.approx(0.75 * 0.6 + 0.25 * 0.8)


def test_the_root_lends_nothing_to_the_leaves_that_hang_on_it() -> None:
    flat = full_tree(3, 1)
    prior = Prior((PriorHit(2, 0.4), PriorHit(3, 0.3)), FLOOR)
    belief = Belief(MemoryTree(flat), prior, Calibration(1.0), 0.5, 0.25)
    assert belief.relevance(2) == pytest.approx(0.4)


def test_unread_seeds_come_best_first_and_leave_out_what_was_read() -> None:
    belief = _belief((5, 0.3), (8, 0.6), (11, 0.5))
    belief.observe(None, [(8, 0.9)])
    assert belief.unread_seeds(5) == [11, 5]


def test_leaves_and_inner_nodes_have_a_bias_each() -> None:
    alone = _belief((5, 0.5), (6, 0.5), prior_weight=1.0)
    alone.observe(None, [(5, 0.9), (6, 0.5)])
    beside = _belief((5, 0.5), (6, 0.5), prior_weight=1.0)
    beside.observe(1, [(2, 0.0), (3, 0.0), (4, 0.0)])
    beside.observe(None, [(5, 0.9), (6, 0.5)])
    # However low nodes score, a leaf is worth what it would be without them.
    assert [beside.latent(leaf) for leaf in (5, 6)] == pytest.approx([alone.latent(leaf) for leaf in (5, 6)])


def test_anchors_are_the_best_leaves_or_the_best_sibling() -> None:
    belief = _belief(prior_weight=0.0)
    belief.observe(1, [(2, 0.8), (3, 0.4), (4, 0.6)])
    assert belief.anchors(2, (5, 6, 7), 2) == ()
    belief.observe(2, [(5, 0.1), (6, 0.9), (7, 0.5)])
    assert belief.anchors(3, (8, 9, 10), 2) == (6, 7)
