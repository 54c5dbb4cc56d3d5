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
@click.option(
    "--embedder",
    metavar="MODEL",
    help="What makes the vectors: tfidf, or an embedding model's name or GGUF file (new: tfidf).",
)
@click.option(
    "--prefixes",
    nargs=2,
    metavar="QUERY PASSAGE",
    help="What that model wants before a query and before a passage (new: nothing).",
)
@click.option("--force", is_flag=True, help="Build anew even where nothing has changed.")
@json_option
@click.pass_context
def index_command(
    ctx: click.Context,
    /,
    folder: Path,
    path: Path | None,
    prefixes: tuple[str, str] | None,
    force: bool,
    as_json: bool,
    **given: int | str | None,
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

    --embedder names a GGUF embedding model; without one, vectors are fitted to your own words. A search then needs the
    very same model, for the query; without it, it ranks by words alone and says so. Some models want --prefixes, which
    go with the model and are forgotten when another is named. Only passages that are new are embedded again.

    \b
    lattice index ~/notes
    lattice index . --index project.lattice
    lattice index ~/notes --embedder e5.gguf --prefixes "query: " "passage: "
    """
    from lattice.indexing import index_folder
    from lattice.store.places import index_path_for

    target = path or index_path_for(folder)
    changed = {name: value for name, value in given.items() if value is not None}
    if prefixes is not None:
        changed |= zip(("query_prefix", "passage_prefix"), prefixes, strict=True)
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
        click.echo("\n".join([_summary(built), *_embedded_lines(built), *skipped_lines(built.skipped)]))
    fit_embedded_once()


def _changed(target: Path, changed: dict[str, Any]) -> BuildSettings:
    """Give the settings of the index at `target`, or the usual ones where there is none, with some of them changed."""
    from lattice.embedding import settled
    from lattice.store.store import Store
    from lattice.types import BuildSettings

    try:
        with Store.open(target) as store:
            kept = store.settings()
            if "embedder" in changed and settled(BuildSettings(embedder=changed["embedder"])).embedder != kept.embedder:
                kept = replace(kept, query_prefix="", passage_prefix="")
            return replace(kept, **changed)
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


def _embedded_lines(built: Built) -> list[str]:
    """Say what the embedding model had to do, and how many passages it could not read to their end."""
    told = built.embedded
    if told is None:
        return []
    lines = [f"Vectors by {clean_name(told.model)}: {told.new:,} made, {told.reused:,} kept from before."]
    if told.trimmed:
        lines.append(f"{counted(told.trimmed, 'passage')} longer than the model reads: the vector is of the beginning.")
    return lines


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
