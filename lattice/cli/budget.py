"""How a search goes about it, --method, and how much it may read: --budget 3000tok, 20it, 5s, or several of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from lattice.errors import UsageError

if TYPE_CHECKING:
    from lattice.traversal.paper import PaperSettings
    from lattice.traversal.search import SearchSettings

_PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(tok|it|s|)")
_EXAMPLES = "Budgets are written like 3000 or 3000tok (tokens), 20it (iterations), 5s (seconds), or 3000tok,5s."


_METHOD = "lattice.cli.method"  # in click's meta: the method that was asked for


def settings_of(ctx: click.Context, param: click.Parameter, value: str | None) -> SearchSettings | PaperSettings:
    """Give the settings of the method and the budget that were asked for; UsageError where that is none.

    Iterations alone lift the limit on tokens, for they are one themselves; seconds only cap what is there.
    """
    del param
    from lattice.traversal.paper import PaperSettings
    from lattice.traversal.search import SearchSettings

    given = {} if value is None else _given(value)
    tokens, iterations = given.get("tokens"), given.get("iterations")
    seconds = given.get("seconds")
    if ctx.meta.get(_METHOD) == "paper":
        rounds = PaperSettings().iterations if iterations is None else int(iterations)
        return PaperSettings(None if tokens is None else int(tokens), rounds, seconds)
    default = None if iterations is not None else SearchSettings().budget_tokens
    return SearchSettings(
        budget_tokens=default if tokens is None else int(tokens),
        iterations=None if iterations is None else int(iterations),
        seconds=seconds,
    )


def check_method(settings: SearchSettings | PaperSettings, *, reads: bool) -> None:
    """Raise UsageError for a method that cannot do without a model, where none is to read."""
    from lattice.traversal.paper import PaperSettings

    if isinstance(settings, PaperSettings) and not reads:
        raise UsageError("--method paper has nothing but a model's reading to go by; leave out --no-model.")


def _given(value: str) -> dict[str, float]:
    given: dict[str, float] = {}
    for written in value.split(","):
        amount, unit = _part(written)
        if unit in given:
            raise UsageError(f"--budget {value} says twice how many {unit}. {_EXAMPLES}")
        given[unit] = amount
    return given


def _keep_method(ctx: click.Context, param: click.Parameter, value: str) -> None:
    del param
    ctx.meta[_METHOD] = value


method_option = click.option(
    "--method",
    type=click.Choice(["lattice", "paper"]),
    default="lattice",
    show_default=True,
    help="How the tree is searched; see above.",
    callback=_keep_method,
    expose_value=False,
    is_eager=True,  # a budget means something else to each
)
budget_option = click.option(
    "--budget",
    callback=settings_of,
    metavar="BUDGET",
    help="How much the model may read: 3000tok, 20it (iterations), 5s, or several, as in 3000tok,5s.",
)


def _part(written: str) -> tuple[float, str]:
    found = _PART.fullmatch(written.strip().lower())
    if found is None:
        raise UsageError(f"--budget: {written.strip()!r} is no budget. {_EXAMPLES}")
    amount = float(found[1])
    unit = {"": "tokens", "tok": "tokens", "it": "iterations", "s": "seconds"}[found[2]]
    if unit != "seconds" and (amount < 1 or not amount.is_integer()):
        raise UsageError(f"--budget: {written.strip()!r} is no whole number of {unit} from 1 on. {_EXAMPLES}")
    return amount, unit
