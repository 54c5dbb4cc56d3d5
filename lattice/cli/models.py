"""`lattice models`: how fast a model reads here, and the copy of it that reads fastest."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lattice.cli.options import json_option, path_of
from lattice.cli.progress import Bars
from lattice.cli.terminal import clean_name, in_bytes, is_terminal, notice, print_json
from lattice.errors import LatticeError, ModelNotFound

if TYPE_CHECKING:
    from lattice.models.llama.optimize import Optimised


@click.group("models", short_help="Measure a model, and fit it to this CPU.")
def models_group() -> None:
    """Measure how fast a model reads, and make the copy of it that reads fastest on this CPU.

    \b
    lattice models bench
    lattice models optimize
    """


@models_group.command("bench", short_help="Measure how fast a model reads and writes.")
@click.argument("model", type=click.Path(), callback=path_of, required=False)
@json_option
def bench_command(model: Path | None, as_json: bool) -> None:
    """Measure the tokens a second that MODEL reads and writes here, and what keeping a token's KV state takes.

    MODEL is a GGUF file; without it, the one that a search would use.

    \b
    lattice models bench
    lattice models bench ~/models/qwen.gguf --json
    """
    from lattice.models.llama.bench import measure

    path = _model(model)
    found = measure(path)
    if as_json:
        print_json({"model": str(path), **asdict(found)})
        return
    click.echo(f"{clean_name(path.name)}: {found.parameters / 1e6:,.0f} million parameters, {in_bytes(found.size)}")
    click.echo(f"  reads  {found.read_rate:,.0f} tokens a second")
    click.echo(f"  writes {found.write_rate:,.0f} tokens a second")
    click.echo(f"  keeps  {in_bytes(found.kv_bytes_a_token)} of KV state a token")


@models_group.command("optimize", short_help="Make the copy of a model that reads fastest here.")
@click.argument("model", type=click.Path(), callback=path_of, required=False)
@json_option
def optimize_command(model: Path | None, as_json: bool) -> None:
    """Make the copy of MODEL (by default the embedded one) that this CPU reads fastest, and that says the same.

    Several weight types are tried. One may take part if log P stays within .03 of F16 on average and no ranking
    changes. Searches with the embedded model use the copy from then on; `lattice index` makes it once by itself when it
    runs on a terminal.

    \b
    lattice models optimize
    lattice models optimize ~/models/small.gguf --json
    """
    from lattice.models.fitting import fit_to_cpu

    source = model or _embedded()
    with Bars() as bars:
        made = fit_to_cpu(source, os.environ, bars)
    if as_json:
        print_json({"source": str(source), **asdict(made), "path": str(made.path)})
    else:
        click.echo("\n".join(_table(made)))


def fit_embedded_once() -> None:
    """Fit the embedded model to this CPU if a person is there to wait for it and it was never done; say so."""
    from lattice.models.fitting import fit_to_cpu, fitted
    from lattice.models.registry import MODEL_VARIABLE, embedded_model

    source = embedded_model()
    if source is None or os.environ.get(MODEL_VARIABLE) or not is_terminal(sys.stderr):
        return
    if fitted(source, os.environ) is not None:
        return
    notice("Fitting the embedded model to this CPU, once. Ctrl-C leaves it as it is.")
    try:
        with Bars() as bars:
            made = fit_to_cpu(source, os.environ, bars)
    except (LatticeError, OSError) as error:
        notice(f"The embedded model stays as it is: {error}")
        return
    except KeyboardInterrupt:
        notice("The embedded model stays as it is; `lattice models optimize` does it whenever you like.")
        return
    notice(_summary(made))


def _model(named: Path | None) -> Path:
    from lattice.models.registry import EMBEDDED_CURE, find_model

    found = find_model(named, os.environ)
    if found is None:
        raise ModelNotFound(f"There is no model: {EMBEDDED_CURE}.")
    return found


def _embedded() -> Path:
    from lattice.models.registry import EMBEDDED_CURE, embedded_model

    found = embedded_model()
    if found is None:
        raise ModelNotFound(f"There is no embedded model: {EMBEDDED_CURE}.")
    return found


def _table(made: Optimised) -> list[str]:
    lines = ["type       tokens/s   |Δ log P|   ranking"]
    for trial in sorted(made.trials, key=lambda one: -one.rate):
        ranking = "the same" if trial.same_ranking else "changed"
        lines.append(f"{trial.type:<9} {trial.rate:9,.0f} {trial.difference:11.4f}   {ranking}")
    return [*lines, _summary(made)]


def _summary(made: Optimised) -> str:
    rates = {trial.type: trial.rate for trial in made.trials}
    if made.path.suffix != ".gguf" or made.chosen not in rates or made.chosen == "as it is":
        return "The model is used as it is: no type that says the same is faster here."
    times = rates[made.chosen] / rates["as it is"]
    return f"{made.chosen} reads {times:.1f} times as fast as the model as it is: {clean_name(str(made.path))}"
