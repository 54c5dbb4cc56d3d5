"""The work of a build on several processes: the same results, whoever dies; with real processes and a real cluster."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
import pytest

from lattice import Lattice, jobs
from lattice.corpus import read
from lattice.errors import CorpusProblem, JobsProblem, MissingExtra, UsageError
from lattice.index_builder import grafting, summaries
from lattice.indexing import index_folder
from lattice.jobs import HERE, Jobs, Workers
from lattice.models import embedders

WORDS = "hive honey comb queen tide moon harbour sail dough yeast oven crust comet lens orbit dust".split()


def square(number: int) -> int:
    return number * number


def die_once(marker: Path, number: int) -> int:
    """Take its process down the first time that it is asked for 3, and write down every call that was begun."""
    with (marker.parent / "calls").open("a") as calls:
        calls.write(f"{number}\n")
    if number == 3 and not marker.exists():
        marker.touch()
        time.sleep(0.3)  # until others are through
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die(_number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def refuse(number: int) -> int:
    raise UsageError(f"{number} is refused")


def children() -> list[int]:
    """Give the workers that this process has started and that live; joblib's own helper stays to the end."""
    return [one.pid for one in workers_of(psutil.Process())]


def workers_of(parent: psutil.Process) -> list[psutil.Process]:
    return [one for one in parent.children() if any("LokyProcess" in word for word in one.cmdline())]


@pytest.fixture(name="low")
def fixture_low(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have little work shared out as much would be."""
    monkeypatch.setattr(grafting, "WHOLE_UP_TO", 100)
    monkeypatch.setattr(grafting, "PART_UP_TO", 50)
    monkeypatch.setattr(read, "READ_TOGETHER", 20)
    monkeypatch.setattr(summaries, "TOGETHER", 30)
    monkeypatch.setattr(summaries, "LEAVES_TOGETHER", 80)
    monkeypatch.setattr(embedders, "TOGETHER", 30)


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(240):
        words = " ".join(WORDS[(number * step + step * step) % len(WORDS)] for step in range(1, 25))
        (folder / f"{number:03}.md").write_text(f"# {words.split()[0].title()} {number}\n\nAbout {words}.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    return folder


def content(index: Path) -> str:
    """Give the hash of all rows of all tables but for when and as which generation it was built."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(index)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for (table,) in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            kept = [f'"{name}"' for name in columns if name not in {"built_at", "generation", "identity"}]
            for row in connection.execute(f"SELECT {', '.join(kept)} FROM {table}"):
                digest.update(repr(row).encode())
    return digest.hexdigest()


def test_results_come_in_the_order_of_the_items_and_each_is_told() -> None:
    told: list[int] = []
    assert HERE.each(square, range(5), told.append) == [0, 1, 4, 9, 16]
    assert told == [0, 1, 2, 3, 4]
    with Jobs(2).workers() as workers:
        assert workers == Workers(2)
        assert workers.each(square, iter(range(20)), told.append) == [n * n for n in range(20)]
        assert workers.each(square, []) == []
    assert sorted(told[5:]) == list(range(20))
    assert not children()


def test_a_process_that_dies_costs_its_unfinished_calls_only(tmp_path: Path) -> None:
    with Jobs(2).workers() as workers:
        found = workers.each(partial(die_once, tmp_path / "died"), range(8))
    assert found == [n * n for n in range(8)]
    calls = (tmp_path / "calls").read_text().split()
    assert calls.count("3") == 2
    # The other process may have been in the middle of one call, and another may have waited in the pipe.
    assert {"0", "1"} <= {one for one in calls if calls.count(one) == 1}
    assert (tmp_path / "died").exists()


def test_processes_that_go_on_dying_are_given_up_with_the_cure() -> None:
    with Jobs(2).workers() as workers, pytest.raises(JobsProblem, match=r"died 3 times.*fewer --jobs"):
        workers.each(die, range(4))
    assert not children()


def test_processes_end_with_the_one_that_they_work_for() -> None:
    code = "import time; from lattice.jobs import *\nwith Jobs(2).workers() as two: two.each(time.sleep, [60, 60])"
    parent = psutil.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 20
    while len(found := workers_of(parent)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(found) == 2
    time.sleep(1)  # until they have begun
    parent.kill()
    parent.wait()
    assert psutil.wait_procs(found, timeout=20)[1] == []


def test_an_error_of_a_call_arrives_as_it_is() -> None:
    with Jobs(2).workers() as workers, pytest.raises(UsageError, match="is refused"):
        workers.each(refuse, range(4))


def test_what_is_raised_while_results_are_told_ends_the_processes() -> None:
    def interrupt(_item: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Jobs(2).workers() as workers:
        workers.each(square, range(50), interrupt)
    assert not children()


@pytest.mark.parametrize("count", [0, -2])
def test_no_jobs_are_refused(count: int) -> None:
    with pytest.raises(UsageError, match="-1 for one a core"):
        Jobs(count)


def test_a_number_and_a_cluster_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="the jobs or the cluster"):
        Jobs(2, dask="tcp://127.0.0.1:8786")


def test_without_a_number_joblib_decides() -> None:
    from joblib import parallel_config

    with Jobs().workers() as workers:
        assert workers.count == 1
    with parallel_config(n_jobs=2), Jobs().workers() as workers:
        assert workers.count == 2
        assert workers.each(square, range(3)) == [0, 1, 4]


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtra, match=r"lattice-search\[dask\]"), Jobs(dask="tcp://127.0.0.1:1").workers():
        pass


def test_a_folder_that_a_worker_does_not_see_is_no_empty_corpus(tmp_path: Path) -> None:
    part = read._Part(tmp_path / "elsewhere", ("a.md",), 40, 200)
    with pytest.raises(CorpusProblem, match="every machine must see it under this path"):
        read._read(part)


@pytest.mark.usefixtures("low")
def test_two_processes_write_the_index_of_one_to_the_byte(folder: Path, tmp_path: Path) -> None:
    alone = index_folder(folder, tmp_path / "alone.lattice")
    stages: dict[str, int] = {}
    index_folder(
        folder,
        tmp_path / "shared.lattice",
        progress=lambda stage, done, total: stages.update({stage: done}),
        jobs=Jobs(2),
    )
    assert content(tmp_path / "shared.lattice") == content(tmp_path / "alone.lattice")
    assert stages == {
        "reading": 241,
        "vectors": alone.passages,
        "tree": alone.passages,
        "descriptions": alone.nodes - alone.passages,
        "names": 1,
        "writing": 0,
    }
    with Lattice.index(folder, path=tmp_path / "facade.lattice", model=None, jobs=2) as opened:
        assert content(opened.store.path) == content(tmp_path / "alone.lattice")
    assert not children()


@pytest.fixture(name="cluster", scope="module")
def fixture_cluster() -> Iterator[object]:
    from distributed import LocalCluster

    quiet = {"dashboard_address": None, "silence_logs": logging.CRITICAL}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, **quiet) as made:
            yield made


@pytest.mark.usefixtures("low")
def test_a_cluster_of_which_a_worker_is_killed_writes_the_same_index(
    cluster: object, folder: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def progress(stage: str, done: int, _total: int) -> None:
        if stage == "tree" and done and not killed:
            victim = next(iter(cluster.workers.values())).pid  # type: ignore[attr-defined]
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    index_folder(folder, tmp_path / "alone.lattice")
    work = Jobs(dask=cluster.scheduler_address)  # type: ignore[attr-defined]
    index_folder(folder, tmp_path / "cluster.lattice", progress=progress, jobs=work)
    assert killed
    assert content(tmp_path / "cluster.lattice") == content(tmp_path / "alone.lattice")


def test_a_scheduler_that_is_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PATIENCE", 0.5)
    with pytest.raises(JobsProblem, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        Jobs(dask="tcp://127.0.0.1:9").workers().__enter__()
