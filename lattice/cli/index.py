"""`lattice index`: build or refresh the index of a folder."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.models import fit_embedded_once
from lattice.cli.options import json_option, path_of
from lattice.cli.progress import Bars
from lattice.cli.terminal import clean_name, counted, notice, on_one_line, print_json
from lattice.errors import EXIT_INTERRUPTED, IndexLocked, IndexProblem, IndexTooNew

if TYPE_CHECKING:
    from lattice.indexing import Built
    from lattice.types import BuildSettings, Skipped

_SKIPPED_SHOWN = 10  # more would push the summary off the screen; --json and `lattice status --json` name all


@click.command("index", short_help="Build or refresh the index of a folder.")
@click.argument("folder", type=click.Path(), callback=path_of)
@click.option(
    "--index", "path", type=click.Path(), callback=path_of, metavar="PATH", help="Where to keep the index file."
)
@click.option("--branching", type=click.IntRange(2, 100), metavar="M", help="Children a node has at most (new: 12).")
@click.option(
    "--clusterer",
    type=click.Choice(["agglomerative", "spectral", "kmeans"]),
    help="How what is alike is grouped (new: agglomerative).",
)
@click.option(
    "--structure",
    type=click.Choice(["auto", "folders", "documents", "flat"]),
    help="What is kept of your own order; see above (new: auto).",
)
@click.option("--force", is_flag=True, help="Build anew even where nothing has changed.")
@json_option
@click.pass_context
def index_command(
    ctx: click.Context, /, folder: Path, path: Path | None, force: bool, as_json: bool, **given: int | str | None
) -> None:
    """Build or refresh the index of FOLDER.

    Reads Markdown, text, reStructuredText, HTML, PDF and source code; leaves out what .gitignore and .latticeignore
    name, hidden files and binaries. The old index stays in use until the new one is complete.

    The index file goes to --index, else to the folder's own place in the data folder, which `lattice list` shows.
    LATTICE_INDEX, which names an index to read, has no part in it.

    An index keeps the options that it was built with until others are given. The tree keeps your own order as
    --structure says; the rest is grouped by likeness, at most --branching under one node.

    \b
    documents  the outline of each document
    folders    outlines, and every folder
    auto       outlines and folders where they tell more than likeness does
    flat       nothing: passages alone

    \b
    lattice index ~/notes
    lattice index . --index project.lattice
    """
    from lattice.indexing import index_folder
    from lattice.store.places import index_path_for

    target = path or index_path_for(folder)
    changed = {name: value for name, value in given.items() if value is not None}
    settings = _changed(target, changed) if changed else None
    existed = target.exists()
    try:
        with Bars() as bars:
            built = index_folder(folder, target, settings, bars, force=force)
    except KeyboardInterrupt:
        notice("Interrupted. The old index is untouched." if existed else "Interrupted. No index was written.")
        ctx.exit(EXIT_INTERRUPTED)
    if as_json:
        print_json(_built_json(built))
    else:
        click.echo("\n".join([_summary(built), *skipped_lines(built.skipped)]))
    fit_embedded_once()


def _changed(target: Path, changed: dict[str, Any]) -> BuildSettings:
    """Give the settings of the index at `target`, or the usual ones where there is none, with some of them changed."""
    from lattice.store.store import Store
    from lattice.types import BuildSettings

    try:
        with Store.open(target) as store:
            return replace(store.settings(), **changed)
    except (IndexTooNew, IndexLocked):
        raise
    except IndexProblem:
        return BuildSettings(**changed)


def _summary(built: Built) -> str:
    root = clean_name(str(built.root))
    counts = f"{counted(built.documents, 'file')}, {counted(built.passages, 'passage')}, {counted(built.nodes, 'node')}"
    if built.fresh:
        return f"{root} is up to date: {counts}."
    return f"Indexed {root}: {counts} in {built.seconds:.1f} s."


def skipped_lines(skipped: tuple[Skipped, ...]) -> list[str]:
    """Give the first files that were left out, with the reasons, and how many more there are."""
    if not skipped:
        return []
    lines = [f"Skipped {counted(len(skipped), 'file')}:"]
    lines += [f"  {clean_name(each.path)}: {on_one_line(each.reason)}" for each in skipped[:_SKIPPED_SHOWN]]
    rest = len(skipped) - _SKIPPED_SHOWN
    return [*lines, f"  and {rest:,} more (--json names all)"] if rest > 0 else lines


def _built_json(built: Built) -> dict[str, Any]:
    shown = {**asdict(built), "path": str(built.path), "root": str(built.root)}
    return {**shown, "seconds": round(built.seconds, 3), "skipped": [asdict(each) for each in built.skipped]}
