"""What `lattice index --dry-run` shows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lattice.cli.progress import Bars
from lattice.cli.terminal import clean_name, counted, in_bytes, print_json

if TYPE_CHECKING:
    from lattice.describing import DescribingModel
    from lattice.estimating import Estimate
    from lattice.types import BuildSettings


def show_estimate(
    folder: Path, settings: BuildSettings, model: DescribingModel | None, index: Path, *, as_json: bool
) -> None:
    """Estimate what indexing `folder` takes, and print it."""
    from lattice.estimating import estimate

    with Bars() as bars:
        found = estimate(folder, settings, model, index, bars)
    if as_json:
        shown = {**asdict(found), "seconds": round(found.seconds, 1), "minutes": round(found.seconds / 60, 2)}
        print_json({"dry_run": True, "root": str(folder.expanduser().resolve()), "path": str(index), **shown})
    else:
        click.echo("\n".join(_lines(folder, found)))


def _lines(folder: Path, found: Estimate) -> list[str]:
    lines = [
        f"{clean_name(str(folder))}: {counted(found.files, 'file')}, {counted(found.passages, 'passage')}; "
        f"{counted(found.skipped, 'file')} would be skipped.",
        f"About {counted(found.nodes, 'node')}, {in_bytes(found.bytes)} of index, {_time(found.seconds)} here.",
    ]
    if found.calls:
        lines.append(
            f"About {counted(found.calls, 'call')} of the model: {found.tokens_read:,} tokens read, "
            f"{found.tokens_written:,} written."
        )
    measure = f"{counted(found.sample_passages, 'passage')}"
    calls = f" and {counted(found.sample_calls, 'call')}" if found.sample_calls else ""
    return [*lines, f"Measured on {measure}{calls}. Nothing was built."]


def _time(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
