from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lattice.errors import IndexProblem
from lattice.store.cache import ResultCache, cache_of, kept_results, kept_usage
from lattice.types import Usage

USAGE = Usage(evaluated=7, reused=3, generated=2, calls=1, seconds=0.5)


def test_results_are_kept_and_pruned(tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    path = cache_of(index)
    assert (path.name, kept_results(index)) == ("notes.lattice.llm", 0)
    assert not path.exists(), "asking makes no file"
    with ResultCache(path) as cache:
        assert cache.get("a") is None
        cache.put("a", "alpha\n潮", USAGE)
        cache.put("b", "beta", USAGE)
        assert cache.get("a") == "alpha\n潮"
    assert kept_results(index) == 2
    with ResultCache(path) as cache:
        assert cache.get("b") == "beta"
        cache.put("c", "gamma", USAGE)
        cache.prune()
        assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (None, "beta", "gamma", 2)
        assert cache.problem is None


def test_what_the_results_cost_is_known_as_long_as_they_are_kept(tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    assert kept_usage(index) == Usage()
    assert not cache_of(index).exists(), "asking makes no file"
    with ResultCache(cache_of(index)) as cache:
        assert cache.usage() == Usage()
        cache.put("a", "alpha", USAGE)
        cache.put("b", "beta", USAGE)
    assert kept_usage(index) == USAGE + USAGE
    with ResultCache(cache_of(index)) as cache:
        cache.get("b")
        cache.prune()
    assert kept_usage(index) == USAGE


def test_each_result_survives_the_death_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "x.llm"
    program = (
        "import os, signal, sys; from pathlib import Path; from lattice.store.cache import ResultCache; "
        "from lattice.types import Usage; cache = ResultCache(Path(sys.argv[1])); cache.put('a', 'alpha', Usage()); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    with ResultCache(path) as cache:
        assert cache.get("a") == "alpha"


def test_a_result_that_was_paid_for_twice_shows(tmp_path: Path) -> None:
    path = tmp_path / "x.llm"
    with ResultCache(path) as cache:
        cache.put("a", "one", USAGE)
        cache.put("a", "two", USAGE)
        assert cache.get("a") == "two"
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT evaluated, reused, generated, seconds, computed FROM results").fetchone()
    assert row == (7, 3, 2, 0.5, 2)


@pytest.mark.parametrize("damage", ["noise", "torn", "other"])
def test_a_damaged_file_is_told_set_aside_and_begun_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.llm"
    if damage == "other":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE results (something INTEGER)")
    else:
        with ResultCache(path) as cache:
            for number in range(100):
                cache.put(f"{number}", "text " * 50, USAGE)
        raw = path.read_bytes()
        path.write_bytes(b"noise" * 2000 if damage == "noise" else raw[: len(raw) // 2 // 4096 * 4096])
    before = path.read_bytes()
    with ResultCache(path) as cache:
        assert cache.problem is not None
        assert "x.llm.damaged" in cache.problem
        cache.put("a", "alpha", USAGE)
        assert len(cache) == 1
    assert (tmp_path / "x.llm.damaged").read_bytes() == before
    with ResultCache(path) as cache:
        assert cache.problem is None


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(IndexProblem, match="cannot be kept"):
        ResultCache(tmp_path / "missing" / "x.llm")
    (tmp_path / "notes.lattice.llm").mkdir()
    assert kept_results(tmp_path / "notes.lattice") == 0
