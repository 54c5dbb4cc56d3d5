"""`lattice index`: build or refresh the index of a folder."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.estimate import show_estimate
from lattice.cli.models import fit_embedded_once
from lattice.cli.options import json_option, model_option, path_of
from lattice.cli.organised import organised_lines, organised_notes
from lattice.cli.progress import Bars
from lattice.cli.reading import server_of
from lattice.cli.terminal import clean_name, counted, notice, on_one_line, print_json
from lattice.errors import EXIT_INTERRUPTED, IndexLocked, IndexProblem, IndexTooNew, UsageError

if TYPE_CHECKING:
    from lattice.describing import DescribingModel
    from lattice.index_builder.authors import Written
    from lattice.indexing import Built
    from lattice.jobs import Jobs
    from lattice.types import BuildSettings, Skipped

_SKIPPED_SHOWN = 10  # more would push the summary off the screen; --json and `lattice status --json` name all

_HELP = """\
Build or refresh the index of FOLDER.

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

--strategy top-down has a model organise the corpus: it summarises every passage or document in up to twenty words,
and sorts the summaries into topics, from the root down. That takes a model of some 2 billion weights or more, or a
server's; with a smaller one, or where its answers can't be used, vectors make the topics, and the command says so.

--embedder names a GGUF embedding model; without one, vectors are fitted to your own words. A search then needs the
very same model, for the query; without it, it ranks by words alone and says so. Some models want --prefixes, which
go with the model and are forgotten when another is named. Only passages that are new are embedded again.

--embedder promptreps asks the model that reads (--model, else LATTICE_MODEL, else the embedded one) for one word on
each passage, and keeps its hidden state and the word's likelihoods as vectors. It reads every passage whole, which
pays with stronger models than the embedded one. The index stays with that model until another is named.

Every node of the tree gets a description, --descriptions: "extractive" takes titles and terms from its passages;
"llm" has a model write a sentence from what stands below, which takes a call a node. The model is that of --model,
else of LATTICE_MODEL, else the embedded one, or a server's, which is sent titles and first words of passages.
What it has written is kept beside the index as it comes: after Ctrl-C, or worse, the same command goes on.

--jobs has several processes read, count words, group and describe; --dask those of a cluster, whose machines must
see FOLDER under the same path. Either way the index is the same, to the byte. Each process takes memory
of its own: up to 1.1 GB at 100,000 passages.

--dry-run reads the folder, builds a sample of it in memory, asks the model for some descriptions, and says what the
whole would take. It keeps nothing, and takes nothing off for what an earlier build has kept.

\b
lattice index ~/notes
lattice index ~/notes --descriptions llm --model qwen --dry-run
lattice index . --index project.lattice
lattice index ~/notes --embedder e5.gguf --prefixes "query: " "passage: "
lattice index ~/notes --embedder promptreps --model qwen
"""


def _jobs_of(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Give the number of processes that a user wrote, -1 for one a core; BadParameter where it is none."""
    if value is None or value == "all":
        return None if value is None else -1
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is no number of processes; give 1 or more, or all.", ctx, param)
    return int(value)


@click.command("index", help=_HELP, short_help="Build or refresh the index of a folder.")
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
    "--strategy",
    type=click.Choice(["bottom-up", "top-down"]),
    help="Whether likeness or a model makes the tree; see above (new: bottom-up).",
)
@click.option(
    "--structure",
    type=click.Choice(["auto", "folders", "documents", "flat"]),
    help="What is kept of your own order; see above (new: auto).",
)
@click.option(
    "--embedder",
    metavar="MODEL",
    help="What makes the vectors: tfidf, an embedding model's name or GGUF file, or promptreps (new: tfidf).",
)
@click.option(
    "--prefixes",
    nargs=2,
    metavar="QUERY PASSAGE",
    help="What that model wants before a query and before a passage (new: nothing).",
)
@click.option(
    "--descriptions",
    type=click.Choice(["extractive", "llm"]),
    help="Who describes the nodes of the tree; see above (new: extractive).",
)
@model_option
@click.option("--llm", metavar="URL", help="Describe and organise with the model of an OpenAI-compatible server.")
@click.option("--llm-model", metavar="NAME", help="Which of the server's models.  [default: its first]")
@click.option(
    "--jobs",
    metavar="N|all",
    callback=_jobs_of,
    help="Processes that do the work: a number, or all for one a core.  [default: 1]",
)
@click.option("--dask", metavar="ADDRESS", help="Hand the work to the workers of a Dask scheduler (tcp://HOST:8786).")
@click.option("--dry-run", is_flag=True, help="Build nothing: estimate what a build would take.")
@click.option("--force", is_flag=True, help="Build anew even where nothing has changed.")
@json_option
@click.pass_context
def index_command(
    ctx: click.Context,
    /,
    folder: Path,
    path: Path | None,
    prefixes: tuple[str, str] | None,
    model: Path | None,
    llm: str | None,
    llm_model: str | None,
    jobs: int | None,
    dask: str | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
    **given: int | str | None,
) -> None:
    """Build or refresh the index of FOLDER, or estimate what that takes."""
    from lattice.jobs import Jobs
    from lattice.store.places import index_path_for

    work = Jobs(jobs, dask)
    target = path or index_path_for(folder)
    changed = _wanted(given, prefixes)
    settings = _changed(target, changed)
    if asked := _asked(settings, changed, model, llm):
        changed["embedder"] = asked
        settings = replace(settings, embedder=asked)
    writer = _writer(settings, model, llm, llm_model)
    if dry_run:
        show_estimate(folder, settings, writer, target, as_json=as_json)
        return
    _show(_built(ctx, folder, target, settings if changed else None, writer, work, force=force), as_json=as_json)
    fit_embedded_once()


def _wanted(given: dict[str, Any], prefixes: tuple[str, str] | None) -> dict[str, Any]:
    """Give the settings that were asked for, by name."""
    named = () if prefixes is None else zip(("query_prefix", "passage_prefix"), prefixes, strict=True)
    return {name: value for name, value in given.items() if value is not None} | dict(named)


def _asked(settings: BuildSettings, changed: dict[str, Any], model: Path | None, llm: str | None) -> str | None:
    """Give the embedder PromptReps by the model of --model, where both are wanted; UsageError for a server's."""
    from lattice.models.gguf_embedder import asks
    from lattice.types import PROMPTREPS

    if not asks(settings.embedder):
        return None
    if llm is not None and "embedder" in changed:
        raise UsageError(
            "--embedder promptreps needs a model file, for a server does not give hidden states. Leave --llm out; once "
            "the index is there, add: --descriptions llm --llm URL"
        )
    fit_embedded_once()  # before, for the fitted one is another model, whose vectors would be others
    return None if model is None else f"{PROMPTREPS}:{model}"


def _built(
    ctx: click.Context,
    folder: Path,
    target: Path,
    settings: BuildSettings | None,
    writer: DescribingModel | None,
    jobs: Jobs,
    *,
    force: bool,
) -> Built:
    """Build the index; Ctrl-C ends the command with what is left of the build."""
    from lattice.indexing import index_folder

    existed = target.exists()
    try:
        with Bars() as bars:
            return index_folder(folder, target, settings, bars, force=force, model=writer, jobs=jobs)
    except KeyboardInterrupt:
        notice(_interrupted(target, existed=existed))
        ctx.exit(EXIT_INTERRUPTED)


def _show(built: Built, *, as_json: bool) -> None:
    """Print what was built, after what a person should know of how."""
    for note in [*built.notes, *_by_rule(built.written), *organised_notes(built.organised)]:
        notice(note)
    if as_json:
        print_json(_built_json(built))
    else:
        click.echo("\n".join([_summary(built), *_embedded_lines(built), *skipped_lines(built.skipped)]))


def _writer(
    settings: BuildSettings, model: Path | None, llm: str | None, llm_model: str | None
) -> DescribingModel | None:
    """Give the model that is to write the descriptions; None where none is wanted."""
    from lattice.models.gguf_embedder import asks

    if settings.descriptions != "llm" and settings.strategy != "top-down":
        if (model is not None and not asks(settings.embedder)) or llm is not None or llm_model is not None:
            raise UsageError(
                "A model writes descriptions and organises top-down; nothing here needs one. Add: --descriptions llm "
                "or --strategy top-down"
            )
        return None
    from lattice.describing import DescribingModel
    from lattice.models.registry import find_model

    sent = "Titles and first words of passages"
    server = server_of(llm, llm_model, "auto", None, has_other=model is not None, sent=sent)
    if server is None and model is None:
        fit_embedded_once()  # before, for the fitted one is another model, whose descriptions would be others
    return DescribingModel(None if server else find_model(model, os.environ), server)


def _interrupted(target: Path, *, existed: bool) -> str:
    """Say what an interrupted build leaves."""
    from lattice.store.cache import kept_results

    index = "The old index is untouched." if existed else "No index was written."
    kept = kept_results(target)
    if not kept:
        return f"Interrupted. {index}"
    return f"Interrupted. {index} {counted(kept, 'answer')} of the model are kept; the same command goes on."


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
    lines = [f"Indexed {root}: {counts} in {built.seconds:.1f} s."]
    return "\n".join([*lines, *organised_lines(built.organised), *_written_lines(built.written)])


def _written_lines(written: Written | None) -> list[str]:
    """Say how an LLM's descriptions came about."""
    if written is None:
        return []
    calls, usage = written.usage.calls, written.usage
    kept = f", {written.kept:,} kept from before" if written.kept else ""
    tokens = f" ({usage.evaluated:,} tokens read, {usage.generated:,} written)" if calls else ""
    return [f"Described {counted(written.nodes, 'node')} with {counted(calls, 'call')}{tokens}{kept}."]


def _by_rule(written: Written | None) -> list[str]:
    """Say how many descriptions are not the model's."""
    if written is None or not written.by_rule:
        return []
    reason = (
        "what the model wrote was empty, too short, went in circles, repeated the prompt, or was about something else"
    )
    return [f"{written.by_rule:,} of {counted(written.nodes, 'description')} were written by rule: {reason}."]


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
