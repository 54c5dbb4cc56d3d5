from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lattice.traversal.prior import FLOOR, TOP, Found, Shares, added, fuse, prior_of


def test_fusion_by_hand() -> None:
    passages = Found([(1, 8.0), (2, 4.0)], [(2, 0.5), (3, 0.25)])
    documents = Found([(10, 6.0), (20, 3.0)], [(20, 0.4)])
    fused = fuse(passages, documents, {1: 10, 2: 10, 3: 20}, 10, Shares(words=0.6, documents=0.25))
    of_10, of_20 = 0.25 * 0.6, 0.25 * (0.6 / 2 + 0.4)
    expected = {1: 0.75 * 0.6 + of_10, 2: 0.75 * (0.3 + 0.4) + of_10, 3: 0.75 * 0.2 + of_20}
    assert dict(fused) == pytest.approx(expected)
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


def test_a_document_that_has_all_the_words_lifts_its_passages() -> None:
    passages = Found([(1, 1.0), (2, 1.0), (3, 1.0)])
    apart, together = fuse(passages, Found([(7, 9.0), (8, 4.0)]), {1: 8, 2: 7, 3: 8}, 10)[1:], 2
    assert fuse(passages, Found([(7, 9.0), (8, 4.0)]), {1: 8, 2: 7, 3: 8}, 10)[0][0] == together
    assert [passage for passage, _ in apart] == [1, 3]


def test_ties_go_by_id_and_the_limit_holds() -> None:
    found = fuse(Found([(5, 1.0), (3, 1.0), (4, 1.0)]), Found(), {5: 1, 3: 1, 4: 1}, 2)
    assert [passage for passage, _ in found] == [3, 4]


def test_nothing_found_and_worthless_scores() -> None:
    assert fuse(Found(), Found(), {}, 10) == []
    assert fuse(Found([(1, 0.0)], [(2, -0.3)]), Found([(9, 1.0)]), {1: 9, 2: 9}, 10) == []


def test_the_expectation_runs_from_the_floor_to_the_top() -> None:
    prior = prior_of([(4, 1.0), (9, 0.0)], {4: 40, 9: 90})
    assert [hit.leaf for hit in prior.hits] == [40, 90]
    assert [hit.expected for hit in prior.hits] == pytest.approx([TOP, FLOOR])


def test_words_that_were_added_weigh_their_share_of_the_best_own() -> None:
    found = added([(1, 8.0), (2, 4.0)], [(2, 30.0), (3, 15.0)], 0.5)
    assert dict(found) == pytest.approx({1: 8.0, 2: 4.0 + 4.0, 3: 2.0})
    assert [one for one, _ in found] == [1, 2, 3]
    assert dict(added([], [(3, 2.0), (4, 1.0)], 0.5)) == pytest.approx({3: 0.5, 4: 0.25})
    assert added([(1, 8.0)], [], 0.5) == [(1, 8.0)]


SCORES = st.dictionaries(st.integers(1, 9), st.floats(0.01, 100.0), max_size=6).map(lambda found: list(found.items()))


@given(SCORES, SCORES, st.floats(0.0, 1.0))
def test_added_words_never_outdo_the_best_match_of_the_users_own(
    own: list[tuple[int, float]], more: list[tuple[int, float]], share: float
) -> None:
    found = dict(added(own, more, share))
    assert found.keys() == dict(own).keys() | dict(more).keys()
    best = max((score for _, score in own), default=1.0)
    for one, score in found.items():
        before = dict(own).get(one, 0.0)
        assert before <= score <= (before + share * best) * (1 + 1e-9)
