"""With the real model: searching is read-only, re-entrant and deterministic, whatever was searched before."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lattice import Lattice, PaperSettings, SearchSettings
from lattice.answering import Answer

pytestmark = pytest.mark.model

EXAMPLE = Path(__file__).parents[1] / "examples" / "observatory"
QUESTIONS = ("ice crystals are growing on the chip", "who cleans the mirror, and how often")
# Enough to open branches, whose descriptions' states are then kept.
LONG = SearchSettings(budget_tokens=2500, margin=None, seed_slate=4)


@pytest.fixture(name="notes", scope="module")
def fixture_notes(observatory: Path) -> Iterator[Lattice]:
    with Lattice.open(observatory) as opened:
        yield opened


def _read(answer: Answer) -> list[tuple[int | None, tuple[int, ...]]]:
    """Give what was read since the last answer."""
    slates = answer.step.slates if answer.step else ()
    return [(slate.origin, tuple(one.node for one in slate.scored)) for slate in slates]


def _account(answers: list[Answer]) -> list[tuple[object, ...]]:
    return [
        (answer.stopped, tuple((hit.id, hit.relevance) for hit in answer.hits), tuple(_read(answer)))
        for answer in answers
    ]


def test_a_search_reads_the_same_cold_and_warm(notes: Lattice) -> None:
    cold, warm = (list(notes.iter_search(QUESTIONS[0], settings=LONG)) for _ in range(2))
    assert any(origin is not None for answer in cold for origin, _ in _read(answer))  # branches were opened
    assert _account(cold) == _account(warm)
    assert (cold[-1].usage.reused, warm[-1].usage.reused > 0) == (0, True)
    assert cold[-1].usage.evaluated == warm[-1].usage.evaluated + warm[-1].usage.reused


def test_another_search_in_between_changes_nothing(notes: Lattice) -> None:
    before = _account(list(notes.iter_search(QUESTIONS[1], settings=LONG)))
    notes.search(QUESTIONS[0], settings=PaperSettings(iterations=3))
    assert _account(list(notes.iter_search(QUESTIONS[1], settings=LONG))) == before


def test_two_searches_may_go_on_side_by_side(notes: Lattice) -> None:
    alone = [_account(list(notes.iter_search(question, settings=LONG))) for question in QUESTIONS]
    running = [notes.iter_search(question, settings=LONG) for question in QUESTIONS]
    together: list[list[Answer]] = [[], []]
    for pair in itertools.zip_longest(*running):
        for answers, answer in zip(together, pair, strict=True):
            answers.extend([answer] if answer is not None else [])
    assert [_account(answers) for answers in together] == alone


def test_searching_leaves_the_index_and_its_folder_as_they_are(observatory: Path, notes: Lattice) -> None:
    digest = hashlib.sha256(observatory.read_bytes()).hexdigest()
    beside = sorted(path.name for path in observatory.parent.iterdir())
    for how in (LONG, replace(LONG, beam=2), PaperSettings(iterations=2)):
        notes.search(QUESTIONS[0], settings=how)
    assert hashlib.sha256(observatory.read_bytes()).hexdigest() == digest
    assert sorted(path.name for path in observatory.parent.iterdir()) == beside


def test_another_process_gives_the_same_ranking(observatory: Path, notes: Lattice, tmp_path: Path) -> None:
    here = [(hit.id, hit.relevance) for hit in notes.search(QUESTIONS[1], settings=SearchSettings(budget_tokens=900))]
    command = [sys.executable, "-m", "lattice", "search", QUESTIONS[1], "--index", str(observatory), "--budget", "900"]
    model = ["--json", "--model", str(notes.model)]
    done = subprocess.run(
        [*command, *model], capture_output=True, check=True, env={**os.environ, "LATTICE_HOME": str(tmp_path)}
    )
    assert [(int(hit["id"][1:]), hit["relevance"]) for hit in json.loads(done.stdout)["hits"]] == here
