"""`lattice models list`, `add`, `path`, `verify` and `remove`: the models that go by a name."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.options import json_option, path_of
from lattice.cli.progress import Bars
from lattice.cli.terminal import cells, clean_name, counted, in_bytes, notice, on_one_line, print_json
from lattice.errors import EXIT_CHECK_FAILED, EXIT_PROBLEM, ModelProblem, UsageError

if TYPE_CHECKING:
    from lattice.models.shelf import Entry, State, Verdict

_FLAGS: dict[State, str] = {
    "missing": "the file is gone",
    "changed": "written to since: lattice models verify",
    "damaged": "damaged: lattice models verify",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A model as the list shows it; what a package brings has no hash."""

    name: str
    path: Path
    kind: str
    architecture: str
    type: str
    parameters: int
    size: int
    sha256: str | None
    state: State
    embedded: bool
    used: bool
    optimized: bool


@click.command("list", short_help="List the models that go by a name.")
@json_option
def list_command(as_json: bool) -> None:
    """List the registered models and the embedded one: kind, parameters, type, size and place.

    * marks the model that a search uses unless --model names another.

    \b
    lattice models list
    lattice models list --json | jq -r '.models[] | select(.used).path'
    """
    used = _used()
    rows = _rows(used)
    if as_json:
        shown = [{**asdict(row), "path": str(row.path)} for row in rows]
        print_json({"used": None if used is None else str(used), "models": shown})
        return
    if not rows:
        click.echo("There is no model yet. Register one by: lattice models add PATH")
    else:
        click.echo("\n".join(_table(rows)))
    if used is not None and not any(row.used for row in rows):
        click.echo(f"* a search uses {clean_name(str(used))}, which LATTICE_MODEL names")


def _used() -> Path | None:
    from lattice.models.registry import find_source

    try:
        return find_source(None, os.environ)
    except ModelProblem as problem:
        notice(f"A search would fail: {problem}")
        return None


def _rows(used: Path | None) -> list[_Row]:
    from lattice.models.shelf import entries

    rows = [_registered(entry, used) for entry in entries(os.environ)]
    return [*_embedded(used), *rows]


def _registered(entry: Entry, used: Path | None) -> _Row:
    from lattice.models.registry import optimized_copy
    from lattice.models.shelf import state_of

    state = state_of(entry)
    about = (entry.kind, entry.architecture, entry.type, entry.parameters, entry.size, entry.sha256)
    is_fitted = state != "missing" and optimized_copy(entry.path, os.environ) is not None
    return _Row(entry.name, entry.path, *about, state, embedded=False, used=entry.path == used, optimized=is_fitted)


def _embedded(used: Path | None) -> list[_Row]:
    from lattice.models.gguf import read_gguf
    from lattice.models.registry import embedded_model, optimized_copy
    from lattice.models.shelf import EMBEDDED_NAME

    path = embedded_model()
    if path is None:
        return []
    try:
        found = read_gguf(path)
    except ModelProblem as problem:
        notice(str(problem))
        return []
    about = (found.kind, found.architecture, found.type, found.parameters, found.size, None)
    is_fitted = optimized_copy(path, os.environ) is not None
    return [_Row(EMBEDDED_NAME, path, *about, "ok", embedded=True, used=path == used, optimized=is_fitted)]


def _table(rows: list[_Row]) -> list[str]:
    head = ("", "name", "kind", "parameters", "type", "size", "place")
    lines = [head, *(_columns(row) for row in rows)]
    widths = [max(cells(line[column]) for line in lines) for column in range(len(head))]
    return [
        "  ".join(_padded(text, width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ]


def _columns(row: _Row) -> tuple[str, ...]:
    about = (row.kind, _parameters(row.parameters), row.type, in_bytes(row.size))
    notes = [_FLAGS[row.state]] if row.state in _FLAGS else []
    notes += ["embedded"] if row.embedded else []
    notes += ["optimised"] if row.optimized else []
    place = clean_name(str(row.path)) + (f" ({', '.join(notes)})" if notes else "")
    return ("*" if row.used else "", clean_name(row.name), *map(clean_name, about), place)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def _parameters(count: int) -> str:
    for size, word in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if count >= size:
            return f"{count / size:.3g}{word}"
    return str(count)


@click.command("add", short_help="Register a GGUF file, or all in a folder, by name.")
@click.argument("path", metavar="PATH_OR_DIR", type=click.Path(), callback=path_of)
@click.option("--name", metavar="NAME", help="The name to use (of one file; by default that of the file).")
@json_option
@click.pass_context
def add_command(ctx: click.Context, path: Path, name: str | None, as_json: bool) -> None:
    """Register a GGUF file by a name that --model and LATTICE_MODEL then take; of a folder, every one in it.

    The file stays where it is. It is read to its end for its SHA-256, and refused, with the reason, where it is no
    whole model: a web page under a model's name, a download that was cut short. A folder's unusable files are skipped;
    the exit code is 3 where none was left. To add a file again refreshes what is known of it.

    \b
    lattice models add ~/models/qwen3-4b-q4_k_m.gguf --name qwen
    lattice models add ~/models
    """
    added, skipped = _added_below(path, name) if path.is_dir() else ([_added(path, name)], [])
    for file, reason in skipped:
        notice(f"Skipped {file}: {reason}")
    if as_json:
        problems = [{"path": str(file), "reason": reason} for file, reason in skipped]
        print_json({"added": [entry_json(entry) for entry in added], "skipped": problems})
    else:
        click.echo("\n".join(map(added_words, added)), nl=bool(added))
    ctx.exit(0 if added else EXIT_PROBLEM)


def entry_json(entry: Entry) -> dict[str, Any]:
    """Give a registered model."""
    return {**asdict(entry), "path": str(entry.path)}


def added_words(entry: Entry) -> str:
    """Say that a model was registered, and what it is."""
    about = f"{entry.kind}, {_parameters(entry.parameters)} parameters, {entry.type}, {in_bytes(entry.size)}"
    return f"{clean_name(entry.name)}: {about}; {clean_name(str(entry.path))}"


def _added(path: Path, name: str | None) -> Entry:
    from lattice.models.shelf import add

    with Bars(in_bytes=True) as bars:
        return add(path, os.environ, name, bars)


def _added_below(folder: Path, name: str | None) -> tuple[list[Entry], list[tuple[Path, str]]]:
    """Register all models below a folder; give them, and the files that could not be, with the reasons."""
    from lattice.models.shelf import models_below

    if name is not None:
        raise UsageError(f"{folder} is a folder, and --name names one model: give the path of a file.")
    found = models_below(folder)
    if not found:
        notice(f"There is no .gguf file in {folder} or below it.")
    added: list[Entry] = []
    skipped: list[tuple[Path, str]] = []
    for path in found:
        try:
            added.append(_added(path, None))
        except (ModelProblem, UsageError) as problem:
            skipped.append((path, str(problem)))
    return added, skipped


@click.command("path", short_help="Print where a model lies.")
@click.argument("name", metavar="NAME")
def path_command(name: str) -> None:
    """Print the path of the model that goes by NAME, and nothing else.

    \b
    lattice models path qwen
    llama-cli -m "$(lattice models path qwen)"
    """
    from lattice.models.registry import find_source

    click.echo(str(find_source(name, os.environ, "NAME")))


@click.command("verify", short_help="Check that the registered models are what they were.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@click.pass_context
def verify_command(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Read the models of these names, or all, to their ends: are they there, whole, and of the SHA-256 that they had?

    Ends with 4 where one is missing, damaged or changed.

    \b
    lattice models verify
    lattice models verify qwen --json
    """
    from lattice.models.shelf import entries, entry_named, verify

    chosen = [entry_named(name, os.environ) for name in dict.fromkeys(names)] or entries(os.environ)
    verdicts: list[Verdict] = []
    with Bars(in_bytes=True) as bars:
        for entry in chosen:
            verdicts.append(verify(entry, bars))
            if not as_json:
                bars.clear()
                click.echo("\n".join(_verdict_lines(verdicts[-1])))
    is_well = all(verdict.state == "ok" for verdict in verdicts)
    if as_json:
        print_json({"ok": is_well, "models": [_verdict_json(verdict) for verdict in verdicts]})
    elif not chosen:
        click.echo("No model is registered. Register one by: lattice models add PATH")
    ctx.exit(0 if is_well else EXIT_CHECK_FAILED)


def _verdict_lines(verdict: Verdict) -> list[str]:
    colour = "green" if verdict.state == "ok" else "red"
    first = f"{click.style(f'{verdict.state:<8}', fg=colour)}{clean_name(verdict.entry.name)}"
    if verdict.state == "ok":
        return [first]
    path = clean_name(str(verdict.entry.path))
    cure = {
        "missing": f"put it back, or lattice models remove {clean_name(verdict.entry.name)}",
        "damaged": "get the file again",
    }.get(verdict.state, f"if that was meant, lattice models add {path}; else get the file again")
    return [first, f"        {on_one_line(verdict.reason)}", f"        cure: {cure}"]


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    entry = verdict.entry
    reason = verdict.reason or None
    return {"name": entry.name, "path": str(entry.path), "state": verdict.state, "reason": reason}


@click.command("remove", short_help="Forget a model; delete it if it was pulled.")
@click.argument("name", metavar="NAME")
@json_option
def remove_command(name: str, as_json: bool) -> None:
    """Forget the model that goes by NAME, with its optimised copy.

    A file that `lattice models pull` brought is deleted; one that was registered in its own place stays there.

    \b
    lattice models remove qwen
    """
    from lattice.models.fitting import forget_fitted
    from lattice.models.registry import embedded_model
    from lattice.models.shelf import entry_named, owned_files, remove

    entry = entry_named(name, os.environ)
    ours = owned_files(entry, os.environ)
    if ours:
        notice(f"Deleting {counted(len(ours), 'file')} that lattice pulled: {', '.join(map(str, ours))}")
    # The embedded model may have been registered as well, and keeps its copy.
    copies = [] if entry.path == embedded_model() else forget_fitted(entry.path, os.environ)
    remove(entry, os.environ)
    if as_json:
        print_json({"removed": entry_json(entry), "deleted": [str(path) for path in (*ours, *copies)]})
        return
    copy = " and its optimised copy" if copies else ""
    stays = "" if ours else f"; the file stays at {clean_name(str(entry.path))}"
    click.echo(f"Forgot {clean_name(name)}{copy}{stays}")
