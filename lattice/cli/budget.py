"""How much a search may read: --budget 3000tok, 20it, 5s, or several of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from lattice.errors import UsageError

if TYPE_CHECKING:
    from lattice.traversal.search import SearchSettings

_PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(tok|it|s|)")
_EXAMPLES = "Budgets are written like 3000 or 3000tok (tokens), 20it (iterations), 5s (seconds), or 3000tok,5s."


def settings_of(ctx: click.Context, param: click.Parameter, value: str | None) -> SearchSettings:
    """Give the settings of a search that a budget asks for; UsageError where it is none.

    Iterations alone lift the limit on tokens, for they are one themselves; seconds only cap what is there.
    """
    del ctx, param
    from lattice.traversal.search import SearchSettings

    if value is None:
        return SearchSettings()
    given: dict[str, float] = {}
    for written in value.split(","):
        amount, unit = _part(written)
        if unit in given:
            raise UsageError(f"--budget {value} says twice how many {unit}. {_EXAMPLES}")
        given[unit] = amount
    default = None if "iterations" in given else SearchSettings().budget_tokens
    return SearchSettings(
        budget_tokens=int(given["tokens"]) if "tokens" in given else default,
        iterations=int(given["iterations"]) if "iterations" in given else None,
        seconds=given.get("seconds"),
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
