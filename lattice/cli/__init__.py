"""The command line: parse, call the façade, print. Data goes to standard output, everything else to standard error."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import NoReturn

import click

from lattice import __version__
from lattice.cli.doctor import doctor_command
from lattice.cli.index import index_command
from lattice.cli.indexes import list_command, status_command
from lattice.cli.search import search_command
from lattice.cli.show import show_command
from lattice.cli.terminal import notice, wants_plain
from lattice.cli.tree import tree_command
from lattice.errors import EXIT_INTERRUPTED, EXIT_PROBLEM, LatticeError

_DEBUG_VARIABLE = "LATTICE_DEBUG"


class _Commands(click.Group):
    """Keeps the commands in the order of their use, and turns what goes wrong into a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except LatticeError as error:
            _fail(ctx, str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail(ctx, "interrupted", EXIT_INTERRUPTED)
        except BrokenPipeError:
            _leave_quietly(ctx)
        except OSError as error:
            about = f"{error.filename}: " if error.filename else ""
            _fail(ctx, f"{about}{error.strerror or error}", EXIT_PROBLEM)
        except Exception as error:
            cure = f"This is a fault in lattice; {_DEBUG_VARIABLE}=1 shows where."
            _fail(ctx, f"{type(error).__name__}: {error}. {cure}", EXIT_PROBLEM)


def _fail(ctx: click.Context, message: str, code: int) -> NoReturn:
    if os.environ.get(_DEBUG_VARIABLE):
        traceback.print_exc()
    notice(f"error: {message}")
    ctx.exit(code)


def _leave_quietly(ctx: click.Context) -> NoReturn:
    # The reader has seen enough (`| head`). What is still buffered must not raise again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    ctx.exit(0)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lattice")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Search your own documents, offline: a small language model reads its way down a tree of them.

    \b
    lattice index ~/notes
    lattice search "why does my actor leak memory"
    lattice show 1

    Which index a command means: --index, else LATTICE_INDEX, else that of the nearest indexed folder at or above the
    working directory, else the only one there is.

    \b
    Exit codes: 0 found or done, 1 nothing found, 2 wrong usage, 3 a problem with
    an index, a model or a folder, 4 a failed check, 130 interrupted.

    \b
    Environment: LATTICE_INDEX (an index), LATTICE_MODEL (a GGUF file), LATTICE_HOME
    (a folder for all indexes), NO_COLOR, LATTICE_DEBUG=1 (shows tracebacks).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if wants_plain():
        ctx.color = False


for _command in (
    index_command,
    search_command,
    show_command,
    tree_command,
    list_command,
    status_command,
    doctor_command,
):
    main.add_command(_command)
