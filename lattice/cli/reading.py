"""How is read: the options that choose a judge, and the server that they name."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.terminal import notice
from lattice.errors import UsageError

if TYPE_CHECKING:
    from lattice.models.remote.server import Server
    from lattice.traversal.judges.choice import JudgeName


def judge_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --judge, --llm, --llm-model and --relevance."""
    for option in (
        click.option("--relevance", metavar="TEXT", help="What counts: a passage is relevant if TEXT."),
        click.option("--llm-model", metavar="NAME", help="Which of the server's models.  [default: its first]"),
        click.option("--llm", metavar="URL", help="Read with the model of an OpenAI-compatible server."),
        click.option(
            "--judge", default="auto", show_default=True, metavar="NAME", help="How the model reads; see above."
        ),
    ):
        command = option(command)
    return command


def server_of(
    llm: str | None,
    name: str | None,
    judge: JudgeName,
    relevance: str | None,
    *,
    has_other: bool,
    sent: str = "The query and passages of the index",
) -> Server | None:
    """Give the server that reads, and say so where it is not on this machine; None where none was asked for.

    `has_other` is whether a model file, or none, was asked for. `sent` names what the server is sent.
    """
    from lattice.traversal.judges.choice import check_judge

    check_judge(judge, relevance)
    if llm is None and judge != "remote":
        if name is not None:
            raise UsageError("--llm-model names a model of a server; name the server too: --llm URL.")
        return None
    if has_other:
        raise UsageError("A server reads, or a model file, or none: give only one of --llm, --model and --no-model.")
    if judge not in {"auto", "remote"}:
        raise UsageError(f"--judge {judge} reads with a model file; with --llm leave it out.")
    from lattice.models.remote.server import find_server

    server = find_server(llm, name, os.environ)
    if not server.is_loopback:
        how = "" if server.is_encrypted else ", unencrypted"
        notice(f"{sent} are sent to {server.host}{how}.")
    return server
