from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lattice import Lattice, SearchSettings

EXAMPLES = Path(__file__).parents[1] / "examples"
QUESTIONS = json.loads((EXAMPLES / "questions.json").read_text())


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples") / "observatory.lattice"
    Lattice.index(EXAMPLES / "observatory", path=path, model=None).close()
    return path


def _first_rank(notes: Lattice, item: dict[str, object], settings: SearchSettings | None = None) -> float:
    hits = notes.search(str(item["question"]), 50, settings=settings)
    paths = list(dict.fromkeys(hit.path for hit in hits))
    relevant = item["relevant"]
    assert isinstance(relevant, list)
    return min((paths.index(path) + 1 for path in relevant if path in paths), default=float("inf"))


def test_the_example_script_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "ask.py"), "who cleans the mirror?"],
        env={**os.environ, "LATTICE_NO_MODEL": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "telescope/mirror_cleaning.md" in done.stdout
    assert "The tree has" in done.stdout


def test_every_question_names_files_that_are_there() -> None:
    assert len(QUESTIONS) == 24
    for item in QUESTIONS:
        assert all((EXAMPLES / "observatory" / path).is_file() for path in item["relevant"])


def test_what_is_ignored_or_broken_is_not_in_the_index(index: Path) -> None:
    with Lattice.open(index, model=None) as notes:
        paths = set(notes.store.files())
        assert not {path for path in paths if path.startswith("drafts/") or path.endswith("_private.txt")}
        assert [skipped.path for skipped in notes.store.skipped()] == ["scans/damaged.pdf"]
        for secret in ("marmalade cat on the pier", "tin behind the fuse board"):
            assert all(secret not in hit.snippet for hit in notes.search(secret))


def test_ordinary_questions_are_answered_without_a_model(index: Path) -> None:
    with Lattice.open(index, model=None) as notes:
        ranks = [_first_rank(notes, item) for item in QUESTIONS[12:]]
    assert sum(rank <= 3 for rank in ranks) >= 11


@pytest.mark.model
def test_the_model_keeps_what_words_have_found(index: Path) -> None:
    settings = SearchSettings(budget_tokens=700)
    with Lattice.open(index) as notes:
        ranks = [_first_rank(notes, item, settings) for item in QUESTIONS[12:16]]
    assert max(ranks) <= 3
