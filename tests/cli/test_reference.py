from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lattice.cli import main

ROOT = Path(__file__).parents[2]


def test_the_reference_is_current() -> None:
    command = [sys.executable, str(ROOT / "docs" / "make_cli.py"), "--check"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, timeout=60)
    assert done.returncode == 0, "run: python docs/make_cli.py"


@pytest.mark.parametrize("name", list(main.commands))
def test_every_command_is_in_the_reference_with_an_example(name: str) -> None:
    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    section = reference.split(f"## lattice {name}\n")[1].split("## ")[0]
    assert section.count(f"lattice {name}") >= 2  # the usage line and an example


def test_every_option_says_what_it_does() -> None:
    options = [p for command in main.commands.values() for p in command.params if isinstance(p, click.Option)]
    assert options
    assert [option.name for option in options if not option.help] == []
