"""Kills builds whose descriptions an LLM writes, at random moments, and checks what is left and what comes of it.

By hand: make crash, or make crash CRASH="--kills 5 --seed 3 --model PATH". The suite kills two (`test_crash`).
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lattice import Lattice
from lattice.models.registry import find_model
from lattice.store.cache import cache_of
from lattice.store.store import Store
from lattice.types import Node

SUBJECTS = ("bees", "tides", "bread", "comets", "violins", "moss", "trams", "glaciers")
WORDS = ("keep", "old", "winter", "careful", "morning", "measure", "north", "quiet", "repair", "salt", "open", "weight")
LONGEST_JITTER = 1.5  # seconds behind the moment that was drawn: about what one description takes
STRIDE = 4  # results that one kill lets through at most, so that most kills meet a build that was killed before
PATIENCE = 900.0  # seconds for one build


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: kills, how many of them left results of an unfinished build, and descriptions in all."""

    kills: int
    in_the_middle: int
    descriptions: int


@dataclass(frozen=True, slots=True)
class Site:
    """Where is built, by which model."""

    folder: Path
    index: Path
    model: Path

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Begin a build in a process of its own."""
        command = [sys.executable, "-m", "lattice", "index", str(self.folder), "--index", str(self.index), *options]
        environ = {**os.environ, "LATTICE_HOME": str(self.index.parent / "home")}
        return subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def start_writing(self) -> subprocess.Popen[bytes]:
        """Begin a build whose descriptions the model writes."""
        return self.start("--descriptions", "llm", "--model", str(self.model), "--branching", "4")

    def nodes(self) -> list[Node]:
        """Give the tree that is there."""
        with Store.open(self.index) as store:
            return store.nodes()


def write_folder(folder: Path, files: int, seed: int) -> Path:
    """Write short files about few subjects."""
    rng = random.Random(seed)
    folder.mkdir(parents=True)
    for number in range(files):
        subject = SUBJECTS[number % len(SUBJECTS)]
        words = " ".join(rng.choice([*WORDS, subject]) for _ in range(30))
        (folder / f"{subject}-{number:02}.md").write_text(
            f"# {subject.title()} {number}\n\nAbout {subject}: {words}.\n"
        )
    return folder


def crash(place: Path, model: Path, *, files: int, kills: int, seed: int, tell: Callable[[str], object]) -> Outcome:
    """Kill builds below `place`; AssertionError where an index is lost, a result repeated or a tree another one."""
    folder = write_folder(place / "folder", files, seed)
    undisturbed = Site(folder, place / "undisturbed.lattice", model)
    _finish(undisturbed.start_writing())
    expected, total = undisturbed.nodes(), len(_computed(undisturbed.index))
    site = Site(folder, place / "killed.lattice", model)
    old = _begin(site)
    rng, done, in_the_middle = random.Random(seed), 0, 0
    while done < kills:
        before = _computed(site.index)
        wanted = rng.randint(len(before), min(total, len(before) + STRIDE))
        process = site.start_writing()
        was_killed = _kill_at(process, site.index, wanted, rng.uniform(0, LONGEST_JITTER))
        now = site.nodes()
        _check(site, before, was_killed=was_killed)
        assert now in (old, expected)
        done += was_killed
        in_the_middle += was_killed and now == old and bool(_computed(site.index))
        tell(f"{'killed' if was_killed else 'finished'} with {len(_computed(site.index))} of {total} results")
        if now == expected or len(_computed(site.index)) == total:
            _end(site, expected, total)
            old = _begin(site)
    _end(site, expected, total)
    return Outcome(done, in_the_middle, total)


def _end(site: Site, expected: list[Node], total: int) -> None:
    """Let the build come to its end, which must be that of an undisturbed one."""
    _finish(site.start_writing())
    _check(site, {}, was_killed=False)
    assert site.nodes() == expected
    assert len(_computed(site.index)) == total


def _begin(site: Site) -> list[Node]:
    """Leave nothing but an old index of other descriptions; give its tree."""
    for path in (site.index, cache_of(site.index)):
        path.unlink(missing_ok=True)
    _finish(site.start("--branching", "4"))
    return site.nodes()


def _check(site: Site, before: dict[str, int], *, was_killed: bool) -> None:
    found = _computed(site.index)
    assert set(found.values()) <= {1}, "a finished call was repeated"
    assert not was_killed or before.keys() <= found.keys(), "a finished call was lost"
    with Lattice.open(site.index, model=None) as opened:
        assert opened.search(SUBJECTS[0])


def _finish(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said.decode()


def _kill_at(process: subprocess.Popen[bytes], index: Path, results: int, jitter: float) -> bool:
    """Kill the process `jitter` seconds after that many results are there; give False where it ended before."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end and len(_computed(index)) < results:
        time.sleep(0.02)
    try:
        process.wait(jitter)
    except subprocess.TimeoutExpired:
        process.kill()
    _, said = process.communicate()
    assert process.returncode in {0, -9}, said.decode()
    return process.returncode != 0


def _computed(index: Path) -> dict[str, int]:
    """Give how often each result was computed, by key."""
    try:
        with closing(sqlite3.connect(f"{cache_of(index).as_uri()}?mode=ro", uri=True)) as connection:
            return dict(connection.execute("SELECT key, computed FROM results").fetchall())
    except sqlite3.OperationalError:  # not there yet
        return {}


def main() -> None:
    """Kill as many as asked for, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default=None)
    given = parser.parse_args()
    model = find_model(given.model, os.environ)
    assert model is not None, "there is no model"
    with tempfile.TemporaryDirectory() as place:
        outcome = crash(Path(place).resolve(), model, files=given.files, kills=given.kills, seed=given.seed, tell=_tell)
    _tell(
        f"{outcome.kills} kills, {outcome.in_the_middle} of them with results of an unfinished build; every index "
        "could be searched, no call was repeated, and the tree is that of an undisturbed build."
    )


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
