"""Write docs/cli.md from the help texts of the commands; with --check only say whether it is current (exit code 1)."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lattice.cli import main

REFERENCE = Path(__file__).with_name("cli.md")
_WIDTH = 88  # columns of the help texts: what a code block holds on a page
_HEAD = """# Command line

This page is generated from the commands' own help by `python docs/make_cli.py`.
"""


def reference() -> str:
    """Give the whole page."""
    look = {"terminal_width": _WIDTH, "max_content_width": _WIDTH, **main.context_settings}
    context = click.Context(main, info_name="lattice", **look)
    parts = [_HEAD, _section("lattice", main, context)]
    for name, command in main.commands.items():
        below = click.Context(command, parent=context, info_name=name)
        parts.append(_section(f"lattice {name}", command, below))
        for inner, nested in command.commands.items() if isinstance(command, click.Group) else ():
            inside = click.Context(nested, parent=below, info_name=inner)
            parts.append(_section(f"lattice {name} {inner}", nested, inside))
    return "\n".join(parts)


def _section(name: str, command: click.Command, context: click.Context) -> str:
    return f"## {name}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


def run(arguments: list[str]) -> int:
    """Write the page, or compare it; give the exit code."""
    if "--check" in arguments:
        return int(not REFERENCE.exists() or REFERENCE.read_text(encoding="utf-8") != reference())
    REFERENCE.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
