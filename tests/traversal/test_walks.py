"""What holds for every walk: the default one, the one for judges with a slate bias, and the published one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lattice.traversal.paper import PaperSettings
from lattice.traversal.prior import Prior, PriorHit
from lattice.traversal.search import SearchSettings
from lattice.traversal.stand_ins import MemoryTree, ScriptedJudge
from lattice.traversal.steps import Ranking, Step
from lattice.traversal.walks import walk
from tests.traversal.trees import full_tree, lifted_scores

NODES = full_tree(4, 4)
LEAVES = [node.id for node in NODES if node.is_leaf]
SCORES = lifted_scores(NODES, {leaf: (leaf % 7) / 7 for leaf in LEAVES})
PRIOR = Prior(tuple(PriorHit(leaf, 0.5) for leaf in LEAVES[::3]))


def _walk(judge: ScriptedJudge, how: SearchSettings | PaperSettings) -> list[Step]:
    return list(walk("query", MemoryTree(NODES), judge, PRIOR, how, lambda _, read: [judge.price] * len(read)))


@pytest.mark.parametrize("slate_dependent", [False, True])
@pytest.mark.parametrize("beam", [1, 2, 3])
@pytest.mark.parametrize("budget", [0, 9, 10, 55, 200, 390, 1000])
@pytest.mark.parametrize("kind", [SearchSettings, PaperSettings])
def test_no_walk_reads_more_than_its_budget_anchors_included(
    kind: type[SearchSettings | PaperSettings], budget: int, beam: int, slate_dependent: bool
) -> None:
    judge = ScriptedJudge(SCORES, slate_dependent)
    how = kind(budget_tokens=budget, iterations=None, beam=beam)
    how = replace(how, margin=None) if isinstance(how, SearchSettings) else how
    last = _walk(judge, how)[-1]
    assert last.usage.evaluated <= budget
    assert last.stopped == "budget"
    assert sum(map(len, judge.seen)) * judge.price == last.usage.evaluated


def test_anchors_take_their_share_of_a_budget() -> None:
    judge = ScriptedJudge(SCORES, slate_dependent=True)
    _walk(judge, SearchSettings(budget_tokens=390))
    read = [node for slate in judge.seen for node in slate]
    assert len(set(read)) < len(read) <= 39  # some were read again, as anchors


def test_all_slates_of_a_round_have_the_anchors_that_were_known_before_it() -> None:
    judge = ScriptedJudge(SCORES, slate_dependent=True)
    _walk(judge, SearchSettings(budget_tokens=None, beam=2, iterations=1))
    first, second = judge.seen
    assert not set(first) & set(second)


def test_the_settings_and_the_judge_choose_the_walk() -> None:
    once, paper = SearchSettings(budget_tokens=None, iterations=1), PaperSettings(iterations=1)
    assert len(_walk(ScriptedJudge(SCORES), once)[0].ranking) == len(PRIOR.hits)
    assert isinstance(_walk(ScriptedJudge(SCORES, slate_dependent=True), once)[0].ranking, Ranking)
    assert not _walk(ScriptedJudge(SCORES), paper)[0].ranking  # nothing is known before something is read
    assert not _walk(ScriptedJudge(SCORES, slate_dependent=True), paper)[0].ranking
