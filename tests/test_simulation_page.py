"""The page about the simulation shows the committed record, and the record what was asked of the search."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
RECORD: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / "simulate.json").read_text())


def test_the_tables_are_those_of_the_record() -> None:
    command = [sys.executable, "benchmarks/report_simulation.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("size", ["1000", "10000", "100000"])
def test_without_a_prior_ours_is_not_below_the_published_search(size: str) -> None:
    for row in RECORD["strengths"]["0"][size]["recall"].values():
        assert row["difference"] >= -row["error"]


@pytest.mark.parametrize("strength", ["1", "2"])
@pytest.mark.parametrize("size", ["10000", "100000"])
def test_with_a_prior_ours_is_clearly_above_it(strength: str, size: str) -> None:
    for row in RECORD["strengths"][strength][size]["recall"].values():
        assert row["difference"] > 2 * row["error"]


def test_a_refit_and_the_loop_keep_to_their_time_and_memory() -> None:
    assert RECORD["refit_ms"]["fit"] < 3.0
    assert RECORD["loop"]["peak_mb"] < 1000
