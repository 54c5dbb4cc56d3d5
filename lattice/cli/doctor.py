"""`lattice doctor`: is everything here, and a search that proves it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from lattice.cli.options import json_option
from lattice.cli.terminal import clean, print_json
from lattice.errors import EXIT_CHECK_FAILED, LatticeError

_PYTHON = (3, 11)  # as pyproject.toml requires it
# The libraries that pyproject.toml names, and the lowest version that it takes; a test compares the two lists.
LIBRARIES = {
    "click": "8.2",
    "hnswlib": "0.8",
    "httpx2": "2.13",
    "joblib": "1.5",
    "json-repair": "0.55",
    "llama-cpp-python": "0.3.36",
    "networkx": "3.4",
    "numpy": "2.0",
    "pathspec": "1.0",
    "platformdirs": "4.3",
    "pypdfium2": "5.0",
    "PyStemmer": "3.0",
    "scikit-learn": "1.6",
    "selectolax": "0.4",
    "sqlite-utils": "4.0",
    "threadpoolctl": "3.5",
    "tqdm": "4.67",
}

# Three texts, a question, and the text that answers it: what the proof searches.
_TEXTS = {
    "bread.md": "# Bread\n\nA sourdough loaf needs flour, water, salt and a day of patience. Feed the starter the "
    "night before, fold the dough every half hour and bake it in a hot covered pot until the crust is dark.\n",
    "bicycle.md": "# Bicycle\n\nTo repair a flat tyre, lift the wheel out, lever the tyre off the rim and pull out the "
    "inner tube. Find the hole by listening for the air, roughen the rubber and glue a patch over it.\n",
    "tomatoes.md": "# Tomatoes\n\nTomato plants want sun, support and regular water. Pinch out the side shoots in June "
    "and keep the leaves dry, for blight spreads in wet foliage.\n",
}
_QUESTION, _ANSWER = "How do I fix a puncture in the tube of my tyre?", "bicycle.md"


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check. A note is worth knowing and fails nothing; a problem comes with its cure."""

    name: str
    outcome: Literal["ok", "note", "problem"]
    detail: str
    cure: str | None = None


@click.command("doctor", short_help="Check that everything is here, with a search that proves it.")
@json_option
@click.pass_context
def doctor_command(ctx: click.Context, as_json: bool) -> None:
    """Check the Python, the libraries, SQLite, the data folder, the model, the indexes and their embedding models; then
    index three built-in texts in a temporary folder and search them. Ends with 4 when a check fails.

    \b
    lattice doctor
    lattice doctor --json | jq '.checks[] | select(.outcome == "problem")'
    """
    checks: list[Check] = []
    for check in run_checks():
        checks.append(check)
        if not as_json:
            click.echo("\n".join(_lines(check)))
    is_well = all(check.outcome != "problem" for check in checks)
    if as_json:
        print_json({"ok": is_well, "checks": [asdict(check) for check in checks]})
    ctx.exit(0 if is_well else EXIT_CHECK_FAILED)


def _lines(check: Check) -> list[str]:
    colour = {"ok": "green", "note": "yellow", "problem": "red"}[check.outcome]
    outcome = click.style(f"{check.outcome:<8}", fg=colour)
    first, *rest = clean(check.detail).split("\n")
    lines = [f"{outcome}{check.name}: {first}", *(f"        {line}" for line in rest)]
    return lines if check.cure is None else [*lines, f"        cure: {clean(check.cure)}"]


def run_checks() -> Iterator[Check]:
    """Yield the outcome of every check, in order; a check that itself breaks is a problem."""
    named: list[tuple[str, Callable[[], Check]]] = [
        ("python", _python),
        ("libraries", _libraries),
        ("sqlite", _sqlite),
        ("data folder", _data_folder),
        ("model", _model),
        ("indexes", _indexes),
        ("embedders", _embedders),
        ("search", _search),
    ]
    for name, check in named:
        try:
            yield check()
        except LatticeError as error:
            yield Check(name, "problem", str(error), "Do what the message says, then run lattice doctor again.")
        except Exception as error:  # whatever breaks here is what the user wants to know
            cure = "Install lattice-search again in a fresh environment."
            yield Check(name, "problem", f"{type(error).__name__}: {error}", cure)


def _python() -> Check:
    import platform

    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] < _PYTHON:
        return Check("python", "problem", found, f"Install Python {_PYTHON[0]}.{_PYTHON[1]} or later.")
    return Check("python", "ok", found)


def _libraries() -> Check:
    from importlib import metadata

    found, missing = [], []
    for name, lowest in LIBRARIES.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(f"{name} is missing")
            continue
        found.append(f"{name} {version}")
        if _numbers(version) < _numbers(lowest):
            missing.append(f"{name} {version} is older than {lowest}")
    if missing:
        return Check("libraries", "problem", "; ".join(missing), "pip install --upgrade lattice-search")
    return Check("libraries", "ok", ", ".join(found))


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found.group().split("."))) if found else ()


def _sqlite() -> Check:
    import sqlite3

    detail = f"{sqlite3.sqlite_version}, with FTS5"
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
    except sqlite3.OperationalError as error:
        cure = "Use a Python whose SQLite has FTS5; those of python.org, conda and the common Linux systems do."
        return Check("sqlite", "problem", f"{sqlite3.sqlite_version}: {error}", cure)
    finally:
        connection.close()
    return Check("sqlite", "ok", detail)


def _data_folder() -> Check:
    import tempfile

    from lattice.store.places import HOME_VARIABLE, index_path_for

    folder = index_path_for(Path.home()).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        cure = f"Make it writable, or name another folder by {HOME_VARIABLE}."
        return Check("data folder", "problem", f"{folder} cannot be written: {error.strerror}", cure)
    return Check("data folder", "ok", str(folder))


def _model() -> Check:
    from lattice.models.gguf import check_gguf
    from lattice.models.registry import EMBEDDED_CURE, find_model

    model = find_model(None, os.environ)
    if model is None:
        return Check("model", "note", "none; search ranks by words and vectors alone", EMBEDDED_CURE)
    check_gguf(model)
    return Check("model", "ok", str(model))


def _indexes() -> Check:
    from lattice.store.places import known_indexes

    known = known_indexes()
    broken = [each.problem for each in known if each.problem is not None]
    if broken:
        cure = "Build the index again with lattice index FOLDER, or delete its file."
        return Check("indexes", "problem", "\n".join(broken), cure)
    if not known:
        return Check("indexes", "note", "there is none yet", "lattice index FOLDER")
    return Check("indexes", "ok", f"{len(known)} readable")


def _embedders() -> Check:
    """Look for the embedding models that the indexes' vectors were made by."""
    from lattice.cli.indexes import embedder_json
    from lattice.store.places import known_indexes
    from lattice.store.store import Store

    names, problems = set[str](), list[str]()
    for known in known_indexes():
        if known.problem is None:
            with Store.open(known.path) as store:
                embedder = embedder_json(store)
            names.add(embedder["name"])
            problems += [] if embedder["problem"] is None else [f"{known.root}: {embedder['problem']}"]
    if problems:
        cure = "Until then those indexes are searched by words alone."
        return Check("embedders", "problem", "\n".join(problems), cure)
    return Check("embedders", "ok", ", ".join(sorted(names)) or "tfidf, which needs no model")


def _search() -> Check:
    """Index the built-in texts and search them, with the model where there is one."""
    import tempfile

    from lattice.lattice import Lattice

    with tempfile.TemporaryDirectory(prefix="lattice-doctor-") as temporary:
        folder = Path(temporary, "texts")
        folder.mkdir()
        for name, text in _TEXTS.items():
            (folder / name).write_text(text, encoding="utf-8")
        with Lattice.index(folder, path=Path(temporary, "proof.lattice")) as lattice:
            reads = lattice.model is not None
            hits = lattice.search(_QUESTION)
    how = "with the model" if reads else "without a model"
    found = [hit.path for hit in hits]
    if found[:1] != [_ANSWER]:
        detail = f"{how}, {_QUESTION!r} found {found} where {_ANSWER} should be first"
        return Check("search", "problem", detail, "Try lattice search --no-model; if that works, use another model.")
    return Check("search", "ok", f"{how}, {_QUESTION!r} found {_ANSWER} first of {len(found)}")
