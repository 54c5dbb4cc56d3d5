"""Options that say how a model is run: its threads and contexts, and the KV states that are kept on disk."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lattice.models.settings import EngineSettings

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
# As users of llama.cpp know them, and what they are called here.
_NAMES = {
    "threads": "threads",
    "n_ctx": "prompt_tokens",
    "n_batch": "batch_tokens",
    "gpu_layers": "gpu_layers",
    "sequences": "sequences",
    "cache": "cache_bytes",
}


def size_of(ctx: click.Context, param: click.Parameter, value: str | None) -> int:
    """Give the bytes that a user wrote, such as 500MB; BadParameter where it is no size."""
    try:
        return 0 if value is None else _bytes(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def settings_of(ctx: click.Context, param: click.Parameter, value: str | None) -> EngineSettings | None:
    """Give the settings that a user wrote, such as threads=4,gpu_layers=99; BadParameter where there is no such one."""
    if not value:
        return None
    from lattice.models.settings import EngineSettings

    given: dict[str, int] = {}
    for pair in value.split(","):
        name, equals, number = (part.strip() for part in pair.partition("="))
        if name not in _NAMES or not equals:
            known = ", ".join(_NAMES)
            raise click.BadParameter(f"{pair!r} is no setting. Settings are written NAME=NUMBER: {known}.", ctx, param)
        try:
            given[_NAMES[name]] = _bytes(number) if name == "cache" else int(number)
        except ValueError:
            raise click.BadParameter(f"{pair!r}: {number!r} is not a number.", ctx, param) from None
    return EngineSettings(**given)  # type: ignore[arg-type]


engine_option = click.option(
    "--engine",
    callback=settings_of,
    envvar="LATTICE_ENGINE",
    metavar="NAME=N,...",
    help=f"How the model is run: {', '.join(_NAMES)}.",
)
kv_cache_option = click.option(
    "--kv-cache",
    callback=size_of,
    metavar="SIZE",
    help="Keep what was read of descriptions on disk beside the index, up to SIZE (500MB).",
)


def _bytes(written: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", written.strip().upper())
    if found is None or not math.isfinite(size := float(found[1]) * _UNITS[found[2]]):
        raise ValueError(f"{written!r} is no size; sizes are written like 500MB or 2GB.")
    return int(size)
