"""Options that several commands share, and the index that a command means."""

from __future__ import annotations

import math
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lattice.cli.terminal import clean_name, notice
from lattice.errors import UsageError

if TYPE_CHECKING:
    from lattice.store.places import Resolved
    from lattice.store.store import Store
    from lattice.types import Node

_FROM_ENVIRONMENT = "lattice.cli.options.from_environment"  # in click's meta: the index that LATTICE_INDEX names


def path_of(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """Give the path that a user wrote, with its ~ replaced; UsageError where it can name nothing."""
    option = param.get_error_hint(ctx).strip("'")
    if value is None:
        return None
    if not value:
        raise UsageError(f"{option} is empty. Name a path; the working directory is written as a dot.")
    path = _expanded(option, value)
    _check_relative(option, value, path)
    return path


def model_of(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """Give the path, or the registered name as a path, that a user wrote for a model; UsageError as `path_of`."""
    from lattice.models.registry import is_path

    if value and not is_path(value):
        return Path(value)
    return path_of(ctx, param, value)


def _check_relative(option: str, value: str, path: Path) -> None:
    if not path.is_absolute() and _working_directory() is None:
        raise UsageError(
            f"{option} {value} is relative to the working directory, which was deleted. "
            "Change to a folder that exists, or give an absolute path."
        )


def _expanded(what: str, value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise UsageError(
            f"{what} names {value}, and there is no home folder of that user. Give the path in full, without ~."
        ) from None


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuse what is no number (nan) and what has no end (inf), which pass click's ranges."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number.", ctx, param)
    return value


def check_environment() -> None:
    """Raise UsageError where a variable of the environment names a home folder that there is not."""
    from lattice.models.registry import MODEL_VARIABLE
    from lattice.store.places import HOME_VARIABLE, INDEX_VARIABLE

    for name in (INDEX_VARIABLE, MODEL_VARIABLE, HOME_VARIABLE):
        _expanded(name, os.environ.get(name, ""))


index_option = click.option(
    "--index",
    type=click.Path(),
    callback=path_of,
    metavar="PATH",
    help="The index file, or the folder that it indexes.",
)
model_option = click.option(
    "--model",
    type=click.Path(),
    callback=model_of,
    metavar="MODEL",
    help="The model to read with: a name of `lattice models list`, or a GGUF file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def choose_index(named: Path | None) -> Path:
    """Find the index that a command means; say on standard error which, where nothing but chance decided it."""
    from lattice.store.store import Store

    found = find_index(named)
    if found.how == "only":
        with Store.open(found.path) as store:
            notice(f"Using the only index, that of {clean_name(store.status().root)}")
    return found.path


def find_index(named: Path | None) -> Resolved:
    """Find the index that a command means, and what decided it; says nothing."""
    from lattice.store.places import INDEX_VARIABLE, resolve

    context = click.get_current_context(silent=True)
    if context is not None and named is None:
        context.meta[_FROM_ENVIRONMENT] = os.environ.get(INDEX_VARIABLE)
    return resolve(named, os.environ, _working_directory())


def is_named(option: Path | None) -> bool:
    """Whether the user named an index, by the option --index or by LATTICE_INDEX."""
    from lattice.store.places import INDEX_VARIABLE

    return option is not None or bool(os.environ.get(INDEX_VARIABLE))


def named_by_environment() -> str:
    """Give the words that an error about an index starts with where LATTICE_INDEX named it, else nothing."""
    context = click.get_current_context(silent=True)
    named = None if context is None else context.meta.get(_FROM_ENVIRONMENT)
    return f"LATTICE_INDEX names {clean_name(named)}. " if named else ""


def index_again(root: str, index: Path) -> str:
    """Give the command that refreshes an index."""
    from lattice.store.places import index_path_for

    command = f"lattice index {_quoted(root)}"
    is_default = index.resolve() == index_path_for(Path(root)).resolve()
    return command if is_default else f"{command} --index {_quoted(str(index))}"


def _quoted(name: str) -> str:
    """Quote a name for a shell, on one line whatever it holds."""
    if clean_name(name) == name:
        return shlex.quote(name)
    # $'…' of bash, zsh and POSIX 2024: bytes that cannot be printed are written as numbers.
    numbered = re.sub(rb"[^A-Za-z0-9/._-]", lambda found: b"\\x%02x" % found.group()[0], os.fsencode(name))
    return f"$'{numbered.decode('ascii')}'"


def node_number(name: str) -> int:
    """Give the number of the node that a user wrote as `n123`; UsageError where it is malformed."""
    if not re.fullmatch(r"n[0-9]{1,18}", name):
        raise UsageError(f"{name!r} is no node; nodes are written like n12, as `lattice tree` shows them.")
    return int(name[1:])


def node_named(store: Store, number: int) -> Node:
    """Give a node; UsageError where the index has none of that number."""
    try:
        return store.node(number)
    except KeyError:
        raise UsageError(f"The index has no node n{number}; `lattice tree` shows those that it has.") from None
