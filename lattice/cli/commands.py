"""The group of all commands, and what becomes of what goes wrong in them."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from lattice import __version__
from lattice.cli.doctor import doctor_command
from lattice.cli.eval import eval_command
from lattice.cli.index import index_command
from lattice.cli.indexes import list_command, status_command
from lattice.cli.models import models_group
from lattice.cli.options import check_environment, named_by_environment
from lattice.cli.search import search_command
from lattice.cli.sessions import sessions_group
from lattice.cli.show import show_command
from lattice.cli.terminal import drop_unwritten, notice, wants_plain
from lattice.cli.tree import tree_command
from lattice.errors import EXIT_INTERRUPTED, EXIT_PROBLEM, IndexProblem, LatticeError

_DEBUG_VARIABLE = "LATTICE_DEBUG"


class _Commands(click.Group):
    """Keeps the commands in the order of their use, and turns what goes wrong into a message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - click's signature
        """Run the command line, from the arguments to the exit code."""
        _open_missing_streams()
        try:
            with _problems_told():
                return super().main(*args, **extra)
        except click.exceptions.Exit as leaving:
            sys.exit(leaving.exit_code)

    # click answers a closed pipe and Ctrl-C in its own way before `main` would see them.
    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # noqa: ANN401 - click's signature
    ) -> click.Context:
        with _problems_told():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with _problems_told():
            return super().invoke(ctx)


def _open_missing_streams() -> None:
    # A shell may start a command with a stream closed (`>&-`). Something harmless must take its number, or the next
    # file to be opened would, and receive whatever a native library prints.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process


@contextmanager
def _problems_told() -> Iterator[None]:
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except IndexProblem as error:
        _fail(named_by_environment() + str(error), error.exit_code)
    except LatticeError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader has seen enough (`| head`).
        drop_unwritten(sys.stdout)
        raise click.exceptions.Exit(0) from None
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        _fail(f"{about}{error.strerror or error}", EXIT_PROBLEM)
    except Exception as error:
        cure = f"This is a fault in lattice; {_DEBUG_VARIABLE}=1 shows where."
        _fail(f"{type(error).__name__}: {error}. {cure}", EXIT_PROBLEM)


def _fail(message: str, code: int) -> NoReturn:
    if os.environ.get(_DEBUG_VARIABLE):
        traceback.print_exc()
    notice(f"error: {message}")
    drop_unwritten(sys.stdout)
    raise click.exceptions.Exit(code)


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
    working directory, else (for `lattice show n12`) that of the last search, else the only one there is.

    `lattice index FOLDER` is the exception: it writes to --index, else to the folder's own place, and LATTICE_INDEX
    has no part in it.

    \b
    Exit codes: 0 found or done, 1 nothing found, 2 wrong usage, 3 a problem with
    an index, a model, a session or a folder, 4 a failed check, 130 interrupted.

    \b
    Environment: LATTICE_INDEX (an index to read), LATTICE_MODEL (a model's
    name or GGUF file), LATTICE_HOME (a folder for all indexes, models and
    sessions), LATTICE_LLM_URL and LATTICE_LLM_KEY (the server of --judge remote),
    NO_COLOR, LATTICE_DEBUG=1 (shows tracebacks).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    if wants_plain():
        ctx.color = False
    check_environment()


for _command in (
    index_command,
    search_command,
    show_command,
    tree_command,
    list_command,
    status_command,
    sessions_group,
    models_group,
    eval_command,
    doctor_command,
):
    main.add_command(_command)
