"""`lattice list` and `lattice status`: which indexes there are, what is in one and how fresh it is."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.index import skipped_lines
from lattice.cli.options import choose_index, index_again, index_option, json_option
from lattice.cli.terminal import clean_name, counted, in_bytes, on_one_line, print_json
from lattice.errors import CorpusProblem, IndexCorrupt, IndexProblem

if TYPE_CHECKING:
    from lattice.indexing import Changes
    from lattice.store.places import KnownIndex
    from lattice.store.store import Status, Store
    from lattice.types import BuildSettings, Skipped

_NAMES_SHOWN = 5  # of the files that changed


@click.command("list", short_help="List the indexes that there are.")
@json_option
def list_command(as_json: bool) -> None:
    """List the indexes in the default place: folder, size, age, and the problem of one that cannot be used.

    \b
    lattice list
    lattice list --json | jq -r '.indexes[].root'
    """
    from lattice.store.places import known_indexes

    entries = [_entry(known) for known in known_indexes()]
    if as_json:
        print_json({"indexes": entries})
    elif not entries:
        click.echo("There is no index yet. Make one with: lattice index FOLDER")
    for entry in [] if as_json else entries:
        click.echo("\n".join(_entry_lines(entry)))


def _entry(known: KnownIndex) -> dict[str, Any]:
    from lattice.store.store import Store

    entry: dict[str, Any] = {"path": str(known.path), "root": known.root, "problem": known.problem}
    if known.problem is not None:
        return entry
    try:
        with Store.open(known.path) as store:
            return {**entry, **status_json(store.status())}
    except IndexProblem as problem:
        return {**entry, "problem": str(problem)}


def _entry_lines(entry: dict[str, Any]) -> list[str]:
    if entry["problem"] is not None:
        return [clean_name(entry["root"] or entry["path"]), f"  problem: {on_one_line(entry['problem'])}"]
    is_gone = not Path(entry["root"]).is_dir()
    counts = f"{counted(entry['documents'], 'file')}, {counted(entry['passages'], 'passage')}"
    lines = [clean_name(entry["root"]) + (" (the folder is gone)" if is_gone else "")]
    return [
        *lines,
        f"  {counts}, {in_bytes(entry['bytes'])}, built {entry['built_at']}",
        f"  {clean_name(entry['path'])}",
    ]


@click.command("status", short_help="Say what is in an index and how fresh it is.")
@index_option
@json_option
def status_command(index: Path | None, as_json: bool) -> None:
    """Say what is in an index, what has changed in its folder since, what was skipped, and its settings.

    \b
    lattice status
    lattice status --index ~/notes --json
    """
    from lattice.store.store import Store

    path = choose_index(index)
    with Store.open(path) as store:
        status, settings, skipped, embedder = store.status(), store.settings(), store.skipped(), embedder_json(store)
    changed = changes_of(path, status.root, settings)
    if as_json:
        print_json({**_status_json(path, status, settings, skipped, changed), "embedder": embedder})
        return
    lines = [*_status_lines(path, status, changed), *_embedder_lines(embedder)]
    lines.append("settings: " + ", ".join(f"{name} {value}" for name, value in asdict(settings).items()))
    click.echo("\n".join([*lines, *skipped_lines(skipped)]))


def changes_of(index: Path, root: str, settings: BuildSettings) -> Changes | None:
    """Compare an index with its folder; None where the folder is gone or cannot be listed."""
    from lattice.indexing import changes

    try:
        return changes(index, Path(root), settings)
    except CorpusProblem:
        return None


def changed_words(changed: Changes) -> str:
    """Say how many files a folder has gained, rewritten and lost."""
    counts = ((changed.added, "added"), (changed.changed, "changed"), (changed.removed, "removed"))
    return ", ".join(f"{counted(len(names), 'file')} {what}" for names, what in counts if names)


def status_json(status: Status) -> dict[str, Any]:
    """Give what is in an index, in numbers."""
    return {("bytes" if name == "size" else name): value for name, value in asdict(status).items()}


def embedder_json(store: Store) -> dict[str, Any]:
    """Give what makes an index's vectors: its name, and of a model its record and what keeps it from being used."""
    from lattice.types import TFIDF

    if store.settings().embedder == TFIDF:
        return {"name": TFIDF, "problem": None}
    from lattice.embedding import TRIMMED_ARRAY
    from lattice.models.gguf_embedder import EmbeddingModel, problem_of

    arrays = store.embedder()
    model = EmbeddingModel.from_arrays(arrays)
    if model is None:
        raise IndexCorrupt(f"The index {store.path} lacks the record of its embedding model; build it again.")
    trimmed = int(arrays[TRIMMED_ARRAY].sum()) if TRIMMED_ARRAY in arrays else 0
    return {**asdict(model), "name": model.shown, "trimmed": trimmed, "problem": problem_of(model, os.environ)}


def _embedder_lines(embedder: dict[str, Any]) -> list[str]:
    if "path" not in embedder:
        return ["embedder: tfidf, fitted to the words of the folder; no model"]
    shown = f"embedder: {clean_name(embedder['name'])}, {embedder['dimensions']} dimensions"
    if embedder["problem"] is not None:
        return [f"{shown}, cannot be used now", f"  problem: {on_one_line(embedder['problem'])}"]
    return [f"{shown}, {clean_name(embedder['path'])}"]


def _status_json(
    path: Path, status: Status, settings: BuildSettings, skipped: tuple[Skipped, ...], changed: Changes | None
) -> dict[str, Any]:
    return {
        "path": str(path),
        **status_json(status),
        "skipped": [asdict(each) for each in skipped],
        "settings": asdict(settings),
        "changes": None if changed is None else {name: list(files) for name, files in asdict(changed).items()},
    }


def _status_lines(path: Path, status: Status, changed: Changes | None) -> list[str]:
    counts = (
        f"{counted(status.documents, 'file')}, {counted(status.passages, 'passage')}, {counted(status.nodes, 'node')}"
    )
    lines = [
        f"folder: {clean_name(status.root)}",
        f"index: {clean_name(str(path))} ({in_bytes(status.size)}, format {status.format})",
        f"built: {status.built_at}, generation {status.generation}",
        f"holds: {counts}, depth {status.depth}",
    ]
    if changed is None:
        return [*lines, "fresh: unknown; the folder is gone or cannot be read"]
    if not changed:
        return [*lines, "fresh: yes, nothing has changed in the folder"]
    lines.append(f"fresh: no; {changed_words(changed)}. Refresh it: {index_again(status.root, path)}")
    for names, what in ((changed.added, "added"), (changed.changed, "changed"), (changed.removed, "removed")):
        lines += [f"  {what}: {clean_name(name)}" for name in names[:_NAMES_SHOWN]]
        lines += [f"  {what}: {len(names) - _NAMES_SHOWN:,} more"] if len(names) > _NAMES_SHOWN else []
    return lines
