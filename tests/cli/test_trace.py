from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click
import pytest

from lattice.cli.contract import step_json
from lattice.cli.render import passed_over_lines, step_lines
from lattice.store.store import Store
from lattice.traversal.steps import JudgedSlate, Scored, Step
from lattice.types import Usage
from tests.cli.conftest import Place
from tests.cli.folder import run

QUERY = ("search", "actor thread", "--trace", "--limit", "3")


@pytest.fixture(scope="module")
def shown(place: Place) -> str:
    done = run(place.home, *QUERY, module="tests.cli.slow_search")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def answer(place: Place) -> dict[str, Any]:
    done = run(place.home, *QUERY, "--json", module="tests.cli.slow_search")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_trace_says_what_was_opened_and_what_it_cost(shown: str) -> None:
    lines = shown.splitlines()
    assert lines[0] == "Iteration 1"
    assert any(line.startswith("  opened n1  ") for line in lines)
    assert any("100 tokens read, 0 reused, 0.5 s" in line for line in lines)
    assert "     raw  latent    path" in lines


def test_the_trace_gives_the_scores_of_each_candidate(shown: str) -> None:
    favourites = [line for line in shown.splitlines() if line.startswith("    0.95")]
    assert any("actors.md:" in line and "Scheduling" in line for line in favourites)


def test_the_hits_come_after_the_trace(shown: str) -> None:
    trace, hits = shown.split("\nHits\n")
    assert "Iteration" in trace
    assert "Scheduling" in hits.splitlines()[1]
    assert hits.splitlines()[-1].endswith(("stopped: exhausted", "stopped: budget"))


def test_the_trace_in_json_names_nodes_and_relevances(answer: dict[str, Any]) -> None:
    iterations = answer["trace"]["iterations"]
    assert [each["iteration"] for each in iterations] == list(range(1, len(iterations) + 1))
    slates = [slate for each in iterations for slate in each["slates"]]
    assert slates
    for slate in slates:
        assert slate.keys() == {"kind", "opened", "promise", "candidates", "usage"}
        assert (slate["opened"] is None) == (slate["kind"] == "seeds")
        assert slate["usage"]["evaluated"] == 100
        for candidate in slate["candidates"]:
            assert candidate["relevance"].keys() == {"raw", "latent", "path"}


def test_a_passage_in_the_trace_keeps_its_place_beside_its_scores(answer: dict[str, Any]) -> None:
    slates = [slate for each in answer["trace"]["iterations"] for slate in each["slates"]]
    passages = [one for slate in slates for one in slate["candidates"] if one["kind"] == "passage"]
    assert {one["path"] for one in passages} >= {"actors.md"}
    best = max(passages, key=lambda one: float(one["relevance"]["raw"]))
    assert best["id"] == answer["hits"][0]["id"]


def test_a_search_without_a_trace_has_none_in_json(place: Place) -> None:
    done = run(place.home, "search", "roses", "--no-model", "--json")
    assert "trace" not in json.loads(done.stdout)


SEEDS = Step(
    iteration=2,
    slates=(JudgedSlate(None, 0.4, (Scored(1, 0.9, 0.8, 0.7),), Usage(evaluated=50, calls=1, seconds=0.25)),),
    ranking=(),
    usage=Usage(),
    passed_over=tuple(Scored(1, 0.5, 0.25, 0.125) for _ in range(12)),
)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with Store.open(place.index) as opened:
        yield opened


def test_a_seed_slate_is_told_from_an_opened_branch(store: Store) -> None:
    lines = [click.unstyle(line) for line in step_lines(store, SEEDS)]
    assert lines[:4] == [
        "Iteration 2",
        "  read the best unread passages of lexical and vector search",
        "    promise 0.40, 50 tokens read, 0 reused, 0.2 s",
        "     raw  latent    path",
    ]
    assert lines[4].startswith("    0.90    0.80    0.70  n1  ")
    (slate,) = step_json(store, SEEDS)["slates"]
    assert (slate["kind"], slate["opened"]) == ("seeds", None)


def test_the_prior_alone_leaves_no_trace(store: Store) -> None:
    assert step_lines(store, replace(SEEDS, iteration=0, slates=())) == []
    assert passed_over_lines(store, replace(SEEDS, passed_over=())) == []


def test_the_first_branches_that_were_passed_over_are_named(store: Store) -> None:
    lines = [click.unstyle(line) for line in passed_over_lines(store, SEEDS)]
    assert (lines[0], len(lines), lines[-1]) == ("Passed over", 13, "  and 2 more")
    assert lines[2].startswith("    0.50    0.25    0.12  n1  ")
