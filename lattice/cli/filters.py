"""Options that say which documents a search may find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lattice.types import Filters

Command = TypeVar("Command", bound=Callable[..., Any])

_KEPT = "lattice.cli.filters"  # in click's meta: what was given, by the option's name

_HELP = {
    "--path": ("GLOB", "Only documents that GLOB matches, as in .gitignore; may be repeated."),
    "--exclude": ("GLOB", "No documents that GLOB matches; may be repeated."),
    "--type": ("TYPE,...", "Only files of these types: suffixes, or markdown, text, rst, html, pdf, code."),
    "--since": ("WHEN", "Only files changed since a date (2026-03-01), or an age ago (30d, 2w, 6m, 1y)."),
}


def filter_options(command: Command) -> Command:
    """Give a command the options that filter; `chosen_filters` tells what they say."""
    for name, (metavar, text) in reversed(_HELP.items()):
        is_multiple = name != "--since"
        option = click.option(
            name, multiple=is_multiple, metavar=metavar, help=text, callback=_keep, expose_value=False
        )
        command = option(command)
    return command


def chosen_filters(ctx: click.Context) -> Filters:
    """Give what the options of the command that runs say."""
    given = ctx.meta[_KEPT]
    return Filters(
        paths=given["path"],
        types=tuple(name.strip() for written in given["type"] for name in written.split(",")),
        since=given["since"],
        exclude=given["exclude"],
    )


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    ctx.meta.setdefault(_KEPT, {})[param.name] = value
