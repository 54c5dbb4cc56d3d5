"""The command line where its streams are closed or full, and where Ctrl-C comes before it has been loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Place
from tests.cli.folder import environment, write_folder

LATTICE = f"{sys.executable} -m lattice"
FULL = Path("/dev/full")


def shell(place: Place, command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in the indexed folder."""
    return subprocess.run(
        ["/bin/sh", "-c", command],
        check=False,
        env=environment(place.home),
        cwd=place.folder,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


@pytest.mark.parametrize("arguments", ["search roses --no-model", "search roses --no-model --json", "list", "status"])
def test_a_closed_standard_output_is_no_fault(place: Place, arguments: str) -> None:
    done = shell(place, f"{LATTICE} {arguments} >&-")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_index_is_built_whole_with_every_stream_closed(place: Place, tmp_path: Path) -> None:
    folder, index = write_folder(tmp_path / "docs"), tmp_path / "i.lattice"
    assert shell(place, f"{LATTICE} index {folder} --index {index} <&- >&- 2>&-").returncode == 0
    done = shell(place, f"{LATTICE} search roses --no-model --index {index}")
    assert "garden/roses.md:1" in done.stdout


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("arguments", ["--help", "--version", "search --help", "list", "search roses --no-model"])
def test_a_full_standard_output_is_one_message(place: Place, arguments: str) -> None:
    done = shell(place, f"{LATTICE} {arguments} >{FULL}")
    assert (done.returncode, done.stderr) == (3, "error: No space left on device\n")


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("environment", ["PYTHONUNBUFFERED=", "PYTHONUNBUFFERED=1"])
@pytest.mark.parametrize("options", ["", "--session garden"])
def test_a_full_standard_error_costs_only_the_notices(place: Place, environment: str, options: str) -> None:
    shell(place, f"{LATTICE} search bees --no-model {options}")
    done = shell(place, f"cd / && {environment} {LATTICE} search roses --no-model {options} 2>{FULL}")
    assert done.returncode == 0
    assert "garden/roses.md:1" in done.stdout


@pytest.mark.parametrize("loading", ["click", "lattice.cli.search"])
def test_ctrl_c_while_the_command_line_is_loaded_is_quiet(place: Place, loading: str) -> None:
    code = f"""
import runpy, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == {loading!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
runpy.run_module("lattice", run_name="__main__")
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, check=False, env=environment(place.home), cwd=place.folder, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
