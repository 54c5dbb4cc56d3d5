"""The rule for follow-up questions: what is carried over, when, and what never happens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.tokens import STOPWORDS, stem, tokens
from lattice.traversal.followups import MOST_CARRIED, needs_context, stand_alone

ROSES = "How do I prune the roses?"


@pytest.mark.parametrize(
    ("question", "history", "query", "carried"),
    [
        ("and in winter?", [ROSES], "prune roses in winter?", ("prune", "roses")),
        ("And, so, what about lilies", [ROSES], "prune roses lilies", ("prune", "roses")),
        ("how do I prune them", ["which roses climb"], "roses climb how do I prune them", ("roses", "climb")),
        ("why is that", ["roses wilt in June"], "roses wilt June why is that", ("roses", "wilt", "June")),
        ("in early winter", ["prune the roses"], "prune roses in early winter", ("prune", "roses")),
        ("lilies", [ROSES], "prune roses lilies", ("prune", "roses")),
        ("and?", [ROSES], "prune roses", ("prune", "roses")),
        ("its bark", ["the C++ compiler's parse_tree"], "C++ compiler's parse_tree its bark", None),
        # What it has itself is not said twice, in whatever form.
        ("and roses pruned late?", [ROSES], "And roses pruned late?", ()),
        (
            "what about a pruned rose in a pot",
            ["pots for roses and lilies"],
            "lilies a pruned rose in a pot",
            ("lilies",),
        ),
    ],
)
def test_what_a_follow_up_lacks_is_carried_over(
    question: str, history: list[str], query: str, carried: tuple[str, ...] | None
) -> None:
    found = stand_alone(question, history)
    if carried == ():
        assert found is None
        return
    assert found is not None
    assert found.query == query
    assert carried is None or found.carried == carried
    assert not found.rewritten
    assert found.usage.calls == 0


@pytest.mark.parametrize(
    "question",
    [
        "opening hours of the museum",
        "papers that compare vacuum pumps",
        "is it possible to grow tall yellow climbing roses indoors",
        "and how do I water tall yellow climbing roses in dry summers",
        "who wrote this novel about whaling and Nantucket ships in 1851",
        "全文搜索引擎怎样建立索引",
    ],
)
def test_a_question_with_a_subject_of_its_own_stands_as_it_is(question: str) -> None:
    assert not needs_context(question)
    assert stand_alone(question, [ROSES]) is None


def test_without_a_history_nothing_is_carried() -> None:
    assert stand_alone("and in winter?", []) is None
    assert stand_alone("and in winter?", ["", "  "]) is None
    assert stand_alone("  ", [ROSES]) is None


def test_a_chain_of_follow_ups_keeps_its_subject() -> None:
    history = [ROSES, "and in winter?", "what about lilies"]
    found = stand_alone("and their soil?", history)
    assert found is not None
    assert found.query == "prune roses winter lilies their soil?"


def test_a_new_subject_ends_what_is_carried() -> None:
    found = stand_alone("and on Sundays?", [ROSES, "opening hours of the museum"])
    assert found is not None
    assert found.carried == ("opening", "hours", "museum")


def test_a_pasted_paragraph_lends_its_beginning_alone() -> None:
    found = stand_alone("and why?", [" ".join(f"word{number}" for number in range(100))])
    assert found is not None
    assert found.carried == tuple(f"word{number}" for number in range(MOST_CARRIED))


WORDS = st.sampled_from(["roses", "prune", "winter", "it", "and", "the", "that", "in", "soil", "C++", "fooBar", "搜索"])
QUESTIONS = st.lists(WORDS, min_size=1, max_size=9).map(" ".join)


@settings(deadline=None)
@given(QUESTIONS, st.lists(QUESTIONS, max_size=4))
def test_whatever_is_asked_what_is_found_has_all_of_it_and_only_words_that_were_said(
    question: str, history: list[str]
) -> None:
    found = stand_alone(question, history)
    assert found == stand_alone(question, history)
    if found is None:
        return
    assert 0 < len(found.carried) <= MOST_CARRIED
    assert found.query.startswith(" ".join(found.carried))
    assert set(_content(question)) <= set(_content(found.query))
    said = set(_content(" ".join([question, *history])))
    assert set(_content(found.query)) <= said
    assert not {one for word in found.carried for one in _content(word)} & set(_content(question))


@settings(deadline=None)
@given(st.text(max_size=80), st.lists(st.text(max_size=80), max_size=3))
def test_no_text_is_too_strange(question: str, history: list[str]) -> None:
    found = stand_alone(question, history)
    assert found is None or found.query.strip()


def _content(text: str) -> list[str]:
    return [stem(token.word) for token in tokens(text) if token.word not in STOPWORDS]
