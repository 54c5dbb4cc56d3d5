"""The command line: parse, call the façade, print. Data goes to standard output, everything else to standard error."""

from lattice.errors import EXIT_INTERRUPTED

try:
    from lattice.cli.commands import main
except KeyboardInterrupt:
    # Ctrl-C while the command line is still being loaded: nothing has begun, so there is nothing to say.
    raise SystemExit(EXIT_INTERRUPTED) from None

__all__ = ["main"]
