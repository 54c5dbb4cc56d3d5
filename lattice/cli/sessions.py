"""`lattice sessions`: see and forget what was asked in named sessions; and the options of a search that asks in one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.options import json_option
from lattice.cli.terminal import clean_name, counted, dim, notice, on_one_line, print_json
from lattice.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from lattice.answering import Answer
    from lattice.sessions import Session
    from lattice.types import Question


_EXPAND, _SESSION = "lattice.cli.expand", "lattice.cli.session"  # in click's meta: what the options said


def understanding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --expand and --session to a command; `question_of` gives what they make of a query."""
    expand = click.option(
        "--expand/--no-expand",
        default=None,
        callback=_keep_expand,
        expose_value=False,
        help="Whether the model first writes what is asked and how an answer may put it; see above.",
    )
    named = click.option(
        "--session",
        callback=_keep_session,
        expose_value=False,
        metavar="NAME",
        help="Follow up on the questions asked under NAME, and keep this one.",
    )
    return expand(named(command))


def _keep_expand(ctx: click.Context, param: click.Parameter, value: bool | None) -> None:
    del param
    ctx.meta[_EXPAND] = value


def _keep_session(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    del param
    from lattice.sessions import check_name

    ctx.meta[_SESSION] = None if value is None else check_name(value)


def question_of(ctx: click.Context, query: str, *, reads: bool) -> Question:
    """Give the question with the history of its session; says on standard error where a session begins with it."""
    from lattice.sessions import session
    from lattice.types import Question

    expand, name = ctx.meta[_EXPAND], ctx.meta[_SESSION]
    if expand and not reads:
        raise UsageError("--expand asks a model; leave out --no-model, or --expand.")
    if name is None:
        return Question(query, expand=expand)
    found = session(name, os.environ)
    if found is None:
        notice(f"Session {name} begins. What is asked in it is kept until `lattice sessions forget {name}`.")
    return Question(query, tuple(one.text for one in found.asked) if found else (), expand)


def keep_question(ctx: click.Context, answer: Answer, index: Path) -> None:
    """Add what was asked to its session, where it has one; says on standard error where that fails."""
    from lattice.sessions import Turn, remember

    name = ctx.meta[_SESSION]
    if name is None:
        return
    understood = answer.understood.query if answer.understood else answer.query
    now = datetime.now(UTC).isoformat(timespec="seconds")
    problem = remember(name, Turn(answer.query, understood, str(index.resolve()), now), os.environ)
    if problem is not None:
        notice(f"Session {name} will not know this question. {problem}")


@click.group("sessions", short_help="See and forget what was asked in named sessions.")
def sessions_group() -> None:
    """See and forget what was asked with `lattice search --session NAME`.

    A session keeps its last 20 questions, as they were asked and as they were understood, in a file of its own that
    only you can read. Searches without --session keep none.

    \b
    lattice search "how do I prune roses" --session garden
    lattice search "and in winter?" --session garden
    lattice sessions show garden
    """


@sessions_group.command("list", short_help="List the sessions.")
@json_option
def list_command(as_json: bool) -> None:
    """List the sessions: how many questions each has, the last of them and when it was asked.

    \b
    lattice sessions list
    """
    from lattice.sessions import sessions

    found = sessions(os.environ)
    if as_json:
        print_json({"sessions": [_summary(one) for one in found]})
    elif not found:
        click.echo("There is no session yet. Begin one: lattice search QUERY --session NAME")
    for one in [] if as_json else found:
        click.echo("\n".join(_lines(one)))


@sessions_group.command("show", short_help="Show what was asked in a session.")
@click.argument("name")
@json_option
def show_command(name: str, as_json: bool) -> None:
    """Show the questions of the session NAME, oldest first, and how each was understood.

    \b
    lattice sessions show garden
    """
    from lattice.sessions import no_session, session

    found = session(name, os.environ)
    if found is None:
        raise no_session(name, os.environ)
    if as_json:
        print_json({**_summary(found), "asked": [asdict(one) for one in found.asked]})
        return
    for one in found.asked:
        click.echo(on_one_line(one.text))
        if one.understood != one.text:
            click.echo(dim(f"  understood as: {on_one_line(one.understood)}"))
        click.echo(dim(f"  {clean_name(one.at)}, {clean_name(one.index)}"))


@sessions_group.command("forget", short_help="Delete what was asked in sessions.")
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--all", "everything", is_flag=True, help="Forget all sessions.")
@json_option
def forget_command(names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Delete the record of the sessions NAME, or of all; also one that is damaged.

    \b
    lattice sessions forget garden
    lattice sessions forget --all
    """
    from lattice.sessions import forget, sessions

    if bool(names) == everything:
        raise UsageError("Name the sessions to forget, or say --all.")
    chosen = [one.name for one in sessions(os.environ)] if everything else list(dict.fromkeys(names))
    for name in chosen:
        forget(name, os.environ)
    if as_json:
        print_json({"forgotten": chosen})
    else:
        click.echo(f"Forgot {counted(len(chosen), 'session')}.")


def _summary(found: Session) -> dict[str, Any]:
    last = found.asked[-1] if found.asked else None
    return {
        "name": found.name,
        "path": str(found.path),
        "problem": found.problem,
        "questions": len(found.asked),
        "last": None if last is None else asdict(last),
    }


def _lines(found: Session) -> list[str]:
    if found.problem is not None:
        return [found.name, f"  problem: {on_one_line(found.problem)}"]
    lines = [f"{found.name}  {counted(len(found.asked), 'question')}"]
    return lines + [dim(f"  {clean_name(one.at)}  {on_one_line(one.text)}") for one in found.asked[-1:]]
