"""`lattice models`: models by name, how fast one reads here, and the copy of it that reads fastest."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lattice.cli.options import json_option, model_of
from lattice.cli.progress import Bars
from lattice.cli.pull import pull_command
from lattice.cli.shelf import add_command, list_command, path_command, remove_command, verify_command
from lattice.cli.terminal import clean_name, in_bytes, is_terminal, notice, print_json
from lattice.errors import LatticeError, ModelNotFound

if TYPE_CHECKING:
    from lattice.models.llama.optimize import Optimised


@click.group("models", short_help="Manage models: name, get, check, measure and fit them.")
def models_group() -> None:
    """Give models names, check them, get one from a hub, measure how fast one reads, and fit it to this CPU.

    Whatever takes a model (--model, LATTICE_MODEL, and these commands) takes a name or the path of a GGUF file. A path
    is what exists as a file, has a slash in it or ends in .gguf. The embedded model goes by the name smollm2.

    \b
    lattice models add ~/models/qwen3-4b-q4_k_m.gguf --name qwen
    lattice models pull ggml-org/Qwen3-0.6B-GGUF Qwen3-0.6B-Q8_0.gguf
    lattice search "why does my actor leak memory" --model qwen
    lattice models list
    """


for _command in (list_command, add_command, pull_command, path_command, verify_command, remove_command):
    models_group.add_command(_command)


@models_group.command("bench", short_help="Measure how fast a model reads and writes.")
@click.argument("model", type=click.Path(), callback=model_of, required=False)
@json_option
def bench_command(model: Path | None, as_json: bool) -> None:
    """Measure the tokens a second that MODEL reads and writes here, and what keeping a token's KV state takes.

    MODEL is a name or a GGUF file; without it, the model that a search would use. What is measured is what a search
    with it would read: its optimised copy, where there is one.

    \b
    lattice models bench
    lattice models bench qwen --json
    """
    from lattice.models.fitting import check_writes
    from lattice.models.llama.bench import measure
    from lattice.models.registry import find_model
    from lattice.models.settings import EngineSettings
    from lattice.models.trials import check_survived

    path = _there(find_model(model, os.environ, "MODEL"))
    check_writes(path)
    check_survived(path, EngineSettings(), os.environ)
    found = measure(path)
    if as_json:
        print_json({"model": str(path), **asdict(found)})
        return
    click.echo(f"{clean_name(path.name)}: {found.parameters / 1e6:,.0f} million parameters, {in_bytes(found.size)}")
    click.echo(f"  reads  {found.read_rate:,.0f} tokens a second")
    click.echo(f"  writes {found.write_rate:,.0f} tokens a second")
    click.echo(f"  keeps  {in_bytes(found.kv_bytes_a_token)} of KV state a token")


@models_group.command("optimize", short_help="Make the copy of a model that reads fastest here.")
@click.argument("model", type=click.Path(), callback=model_of, required=False)
@json_option
def optimize_command(model: Path | None, as_json: bool) -> None:
    """Make the copy of MODEL that this CPU reads fastest, and that says the same.

    MODEL is a name or a GGUF file; without it, the model that a search would use. Several weight types are tried. One
    may take part if log P stays within .03 of F16 on average and no ranking changes.

    From then on whatever reads with MODEL uses the copy, by whichever name or path it is called, until the file changes
    or `lattice models remove` forgets it. `lattice index` does this once by itself for the embedded model where it runs
    on a terminal.

    \b
    lattice models optimize
    lattice models optimize qwen --json
    """
    from lattice.models.fitting import fit_to_cpu
    from lattice.models.registry import find_source

    source = _there(find_source(model, os.environ, "MODEL"))
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


def _there(found: Path | None) -> Path:
    from lattice.models.registry import EMBEDDED_CURE

    if found is None:
        raise ModelNotFound(f"There is no model: {EMBEDDED_CURE}.")
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
