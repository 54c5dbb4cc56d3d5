"""Options that several commands share, and the index that a command means."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lattice.cli.terminal import notice
from lattice.errors import UsageError

if TYPE_CHECKING:
    from lattice.store.store import Store
    from lattice.types import Node

index_option = click.option(
    "--index", type=click.Path(path_type=Path), metavar="PATH", help="The index file, or the folder that it indexes."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def choose_index(named: Path | None) -> Path:
    """Find the index that a command means; say on standard error which, where nothing but chance decided it."""
    from lattice.store.places import resolve
    from lattice.store.store import Store

    found = resolve(named, os.environ, Path.cwd())
    if found.how == "only":
        with Store.open(found.path) as store:
            notice(f"Using the only index, that of {store.status().root}")
    return found.path


def index_again(root: str, index: Path) -> str:
    """Give the command that refreshes an index."""
    from lattice.store.places import index_path_for

    command = f"lattice index {shlex.quote(root)}"
    is_default = index.resolve() == index_path_for(Path(root)).resolve()
    return command if is_default else f"{command} --index {shlex.quote(str(index))}"


def node_named(store: Store, name: str) -> Node:
    """Give the node that a user wrote as `n123`; UsageError where it is malformed or there is none."""
    if not re.fullmatch(r"n[0-9]{1,18}", name):
        raise UsageError(f"{name!r} is no node; nodes are written like n12, as `lattice tree` shows them.")
    try:
        return store.node(int(name[1:]))
    except KeyError:
        raise UsageError(f"The index has no node {name}; `lattice tree` shows those that it has.") from None
