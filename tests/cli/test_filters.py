"""Which documents a search may find: --path, --exclude, --type and --since."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.cli.folder import TEXTS, environment, write_folder

QUERY = ("search", "actor roses compost compiler 搜索引擎 water month", "--no-model", "--json", "--limit", "50")
OLD = 1_000_000_000  # seconds: September 2001


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from lattice.indexing import index_folder

    folder = write_folder(tmp_path_factory.mktemp("documents"))
    os.utime(folder / "actors.md", (OLD, OLD))
    path = tmp_path_factory.mktemp("index") / "i.lattice"
    index_folder(folder, path)
    return path


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ((), set(TEXTS)),
        (("--path", "garden/"), {"garden/roses.md", "garden/compost.txt"}),
        (("--path", "roses.*", "--path", "/zh.md"), {"garden/roses.md", "zh.md"}),
        (("--exclude", "garden/", "--exclude", "z*"), {"actors.md", "languages.md"}),
        (("--type", "txt"), {"garden/compost.txt"}),
        (("--type", "pdf, text", "--type", "rst"), {"garden/compost.txt"}),
        (("--type", "markdown", "--exclude", "/*.md"), {"garden/roses.md"}),
        (("--since", "1y"), set(TEXTS) - {"actors.md"}),
        (("--since", "2001-01-01"), set(TEXTS)),
        (("--since", "2001-12-31", "--path", "*s.md"), {"garden/roses.md", "languages.md"}),
    ],
)
def test_only_what_the_options_admit_is_found(
    invoke: Invoke, index: Path, options: tuple[str, ...], left: set[str]
) -> None:
    result = invoke(*QUERY, *options, "--index", str(index))
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert {hit["path"] for hit in answer["hits"]} == left
    assert answer["stopped"] == "prior"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--path", "nowhere/"), "--path 'nowhere/' admits none of the 5 documents"),
        (("--type", "epub,docx"), "--type epub,docx admits none"),
        (("--since", "2999-01-01"), "--since 2999-01-01 admits none"),
        (("--exclude", "*"), "--exclude '*' admits none"),
        (("--path", "garden/", "--type", "rst,text", "--path", "zh.md", "--since", "2999-01-01"), "--since 2999-01-01"),
        (("--path", "zh.md", "--type", "text"), "each alone admits: --path 'zh.md' 1, --type text 1"),
    ],
)
def test_where_nothing_is_left_the_command_says_which_filter_did_it(
    invoke: Invoke, index: Path, options: tuple[str, ...], told: str
) -> None:
    result = invoke(*QUERY, *options, "--index", str(index))
    assert result.exit_code == 1
    assert told in result.stderr
    assert "Try other words" not in result.stderr
    answer = json.loads(result.stdout)
    assert (answer["hits"], answer["stopped"]) == ([], "filters")


def test_words_that_nothing_admitted_holds_are_told_from_filters(invoke: Invoke, index: Path) -> None:
    result = invoke("search", "xylophone", "--no-model", "--path", "garden/", "--index", str(index))
    assert result.exit_code == 1
    assert "Nothing found. Try other words; fewer filters" in result.stderr


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--path", "!garden", "Say --exclude 'garden'"),
        ("--path", "", "Globs are written as in .gitignore"),
        ("--exclude", "[z-a]", "Globs are written as in .gitignore"),
        ("--type", "md,,pdf", "Types are suffixes such as md, or one of markdown"),
        ("--type", "*.md", "Types are suffixes such as md"),
        ("--since", "yesterday", "Dates are written like 2026-03-01, ages like 30d"),
        ("--since", "", "Dates are written like"),
    ],
)
def test_a_filter_that_makes_no_sense_is_wrong_usage(
    invoke: Invoke, index: Path, option: str, value: str, told: str
) -> None:
    result = invoke(*QUERY, option, value, "--index", str(index))
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_a_trace_shows_nothing_that_is_left_out(invoke: Invoke, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lattice.lattice import Lattice
    from lattice.store.store import Store
    from lattice.traversal.stand_ins import ScriptedJudge

    monkeypatch.setattr(Lattice, "open", lambda path, **_: Lattice(Store.open(path), judge=ScriptedJudge({})))
    asked = ("search", "water", "--json", "--trace", "--path", "garden/", "--index", str(index), "--budget", "20it")
    trace = json.loads(invoke(*asked).stdout)["trace"]
    shown = [one for step in trace["iterations"] for slate in step["slates"] for one in slate["candidates"]]
    assert {one["path"] for one in shown if "path" in one} == {"garden/roses.md", "garden/compost.txt"}


def test_ctrl_c_gives_the_filtered_hits_so_far(index: Path, tmp_path: Path) -> None:
    import signal

    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cli.slow_search", "search", "water", "--path", "garden/", "--index", str(index)],
        env=environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    hits, errors = process.communicate(timeout=60.0)
    assert process.returncode == 130
    assert "garden/roses.md:" in hits
    assert "actors.md" not in hits
    assert "Interrupted; these are the hits so far." in errors
