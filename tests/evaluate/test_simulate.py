from __future__ import annotations

import statistics
import tracemalloc

import numpy as np
import pytest

from lattice.evaluate.simulate import ArithmeticTree, Regime, SimulatedJudge, World, found
from lattice.traversal.prior import FLOOR, TOP
from lattice.types import Slate

CLEAN = Regime(noise=0.0, bias=0.0, position=0.0, fade=0.0, blur=0.0)


def _scores(world: World, *nodes: int) -> tuple[float, ...]:
    return SimulatedJudge(world).score("", Slate(None, world.tree.candidates(nodes))).scores


def test_a_tree_of_thirty_leaves_by_hand() -> None:
    tree = ArithmeticTree(30, 12)
    assert (tree.sizes, tree.first, tree.depth) == ([1, 3, 30], [1, 2, 5, 35], 2)
    assert [child.id for child in tree.children(1)] == [2, 3, 4]
    assert [child.leaves for child in tree.children(1)] == [12, 12, 6]
    assert [child.id for child in tree.children(4)] == list(range(29, 35))
    last = tree.node(34)
    assert (last.parent, last.depth, last.passage, last.kind, last.leaves) == (4, 2, 30, "passage", 1)
    assert tree.children(34) == ()
    assert (tree.root().leaves, tree.root().parent) == (30, None)


@pytest.mark.parametrize("leaves", [1, 2, 12, 13, 1000, 20_737])
def test_children_and_parents_agree_and_all_leaves_are_there(leaves: int) -> None:
    tree = ArithmeticTree(leaves)
    waiting, seen = [tree.root()], 0
    while waiting:
        node = waiting.pop()
        children = tree.children(node.id)
        assert all(child.parent == node.id and tree.node(child.id) == child for child in children)
        assert node.leaves == (1 if node.is_leaf else sum(child.leaves for child in children))
        seen += node.is_leaf
        waiting += children
    assert seen == leaves


def test_there_is_no_node_outside() -> None:
    tree = ArithmeticTree(30)
    for node in (0, -1, 35):
        with pytest.raises(KeyError):
            tree.node(node)


def test_an_inner_node_shows_its_best_leaf_faded_by_the_level() -> None:
    world = World(ArithmeticTree(1000), Regime(fade=0.1, blur=0.0), seed=3)
    best = world.relevant[0]
    parent = world.tree.node(best).parent
    assert parent is not None
    above = world.tree.node(parent).parent
    assert above is not None
    assert world.truth(best) == pytest.approx(0.85)
    assert world.truth(parent) == pytest.approx(FLOOR + 0.80 * 0.9)
    assert world.truth(above) == pytest.approx(FLOOR + 0.80 * 0.81)
    assert world.truth(1) == pytest.approx(FLOOR + 0.80 * 0.9**3)


def test_relevant_leaves_stand_out_and_some_stand_together() -> None:
    world = World(ArithmeticTree(10_000), Regime(), seed=1)
    assert len(set(world.relevant)) == 10
    assert min(map(world.truth, world.relevant)) == pytest.approx(0.6)
    others = np.sort(world.shown[-1])[:-10]
    assert others.max() <= 0.05 + 0.35 + 0.1 + 1e-6
    parents = [world.tree.node(leaf).parent for leaf in world.relevant]
    assert 1 < len(set(parents)) < 10


def test_few_leaves_are_all_relevant() -> None:
    world = World(ArithmeticTree(4), Regime(), seed=1)
    assert sorted(world.relevant) == [2, 3, 4, 5]


def test_a_perfect_judge_tells_the_truth() -> None:
    world = World(ArithmeticTree(1000), CLEAN, seed=2)
    nodes = (1, world.relevant[4], 90)
    assert _scores(world, *nodes) == pytest.approx([world.truth(node) for node in nodes])


def test_the_same_slate_gets_the_same_scores_whatever_was_read_before() -> None:
    world, again = (World(ArithmeticTree(1000), Regime(), seed=2) for _ in range(2))
    judge = SimulatedJudge(again)
    judge.score("", Slate(None, again.tree.candidates((5, 6))))
    slate = Slate(None, again.tree.candidates((2, 3, 4)))
    assert judge.score("", slate).scores == _scores(world, 2, 3, 4)
    assert judge.slates == 2
    assert _scores(World(ArithmeticTree(1000), Regime(), seed=7), 2, 3, 4) != _scores(world, 2, 3, 4)


def _deviation(regime: Regime, *, within: bool) -> float:
    """Measure how far scores lie from the truth: around their slate's mean, or the slates' means themselves."""
    tree = ArithmeticTree(300)
    errors = []
    for seed in range(100):
        world = World(tree, regime, seed)
        nodes = tuple(range(2, 9))  # never so near 0 or 1 that a score is cut
        slate = [score - world.truth(node) for score, node in zip(_scores(world, *nodes), nodes, strict=True)]
        mean = statistics.fmean(slate)
        errors += [one - mean for one in slate] if within else [mean]
    return statistics.pstdev(errors)


def test_noise_and_bias_are_as_large_as_said() -> None:
    noisy = Regime(noise=0.06, bias=0.0, position=0.0)
    assert _deviation(noisy, within=True) == pytest.approx(0.06 * (6 / 7) ** 0.5, rel=0.12)
    biased = Regime(noise=0.0, bias=0.06, position=0.0)
    assert _deviation(biased, within=True) == pytest.approx(0.0, abs=1e-9)
    assert _deviation(biased, within=False) == pytest.approx(0.06, rel=0.2)


def test_an_early_place_gains() -> None:
    world = World(ArithmeticTree(1000), Regime(noise=0.0, bias=0.0, position=0.1, blur=0.0), seed=2)
    first, last = _scores(world, 2, 3)
    assert first - world.truth(2) == pytest.approx(0.05)
    assert last - world.truth(3) == pytest.approx(-0.05)


def test_a_prior_knows_what_its_strength_says() -> None:
    tree = ArithmeticTree(10_000)
    shares = []
    for strength in (0.0, 1.0, 2.0, 4.0):
        known = 0
        for seed in range(10):
            world = World(tree, Regime(), seed)
            known += len({hit.leaf for hit in world.prior(strength).hits} & set(world.relevant))
        shares.append(known / 100)
    # 300 of 10,000 begin at z = 1.88: the normal's tails beyond 1.88 − d' are .03, .19, .55, .98.
    assert shares == pytest.approx([0.03, 0.19, 0.55, 0.98], abs=0.09)


def test_a_prior_is_on_the_scale_of_the_real_one() -> None:
    prior = World(ArithmeticTree(5000), Regime(), 4).prior(1.0)
    expected = [hit.expected for hit in prior.hits]
    assert (len(expected), prior.floor) == (300, FLOOR)
    assert expected == sorted(expected, reverse=True)
    assert expected[0] == pytest.approx(TOP)
    assert min(expected) >= FLOOR


def test_fewer_leaves_than_hits() -> None:
    assert len(World(ArithmeticTree(20), Regime(), 4).prior(1.0).hits) == 20


def test_found_counts_the_first_ten_times_relevant_places() -> None:
    world = World(ArithmeticTree(1000), Regime(relevant=2), 4)
    fillers = [leaf for leaf in range(world.tree.leaf(0), world.tree.leaf(40)) if leaf not in world.relevant]
    assert found([*fillers[:19], world.relevant[0], world.relevant[1]], world) == 1


def test_a_million_leaves_take_little_memory() -> None:
    tracemalloc.start()
    world = World(ArithmeticTree(1_000_000), Regime(), 5)
    _scores(world, *(child.id for child in world.tree.children(1)))
    world.prior(1.0)
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
