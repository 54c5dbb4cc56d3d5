"""`lattice models pull`: a model from a hub, on demand."""

from __future__ import annotations

import os
import shlex

import click

from lattice.cli.options import json_option
from lattice.cli.progress import Bars
from lattice.cli.shelf import added_words, entry_json
from lattice.cli.terminal import notice, print_json
from lattice.errors import EXIT_INTERRUPTED


@click.command("pull", short_help="Download a model from a hub, and register it.")
@click.argument("repo", metavar="HF_REPO")
@click.argument("file", metavar="FILE")
@click.option("--revision", default="main", show_default=True, metavar="REV", help="A branch, a tag or a commit.")
@click.option("--name", metavar="NAME", help="The name to register it by (by default that of the file).")
@click.option("--sha256", metavar="HEX", help="The hash that the file must have, where the hub names none.")
@json_option
@click.pass_context
def pull_command(
    ctx: click.Context, repo: str, file: str, revision: str, name: str | None, sha256: str | None, as_json: bool
) -> None:
    """Download FILE, a GGUF, from the repository HF_REPO (OWNER/NAME) of huggingface.co, and register it.

    Only this command needs a network, and only when you run it. It goes on where an earlier try left off, checks the
    file against the SHA-256 that the hub names for it, and puts it into the data folder once it is whole. Of a model in
    several files, name one: all of them come.

    HF_ENDPOINT names another hub, HF_TOKEN an access token for gated repositories.

    \b
    lattice models pull ggml-org/Qwen3-0.6B-GGUF Qwen3-0.6B-Q8_0.gguf --name qwen
    lattice search "why does my actor leak memory" --model qwen
    """
    from lattice.models.download import download
    from lattice.models.hub import wanted_files
    from lattice.models.shelf import add, name_for

    wanted = wanted_files(repo, file, os.environ, revision=revision, sha256=sha256)
    name_for(wanted[0].target, os.environ, name)  # told before the download, not after it
    try:
        with Bars(in_bytes=True) as bars:
            came = [download(one, os.environ, bars) for one in wanted]
            entry = add(wanted[0].target, os.environ, name, bars)
    except KeyboardInterrupt:
        command = shlex.join(["lattice", "models", "pull", repo, file, *_given(revision, name, sha256)])
        notice(f"Interrupted. What has come is kept; this goes on from there: {command}")
        ctx.exit(EXIT_INTERRUPTED)
    for one, what in zip(wanted, came, strict=True):
        if what.expected is None:
            notice(
                f"The hub names no SHA-256 for {one.file}: nothing but its size vouches for it. It came with "
                f"{what.sha256}; compare that with one that you trust, or give one by --sha256."
            )
    if as_json:
        print_json({"entry": entry_json(entry), "checked": all(what.expected is not None for what in came)})
    else:
        was_here = "was here already: " if all(what.was_here for what in came) else ""
        click.echo(was_here + added_words(entry))


def _given(revision: str, name: str | None, sha256: str | None) -> list[str]:
    given = {"--revision": None if revision == "main" else revision, "--name": name, "--sha256": sha256}
    return [part for option, value in given.items() if value is not None for part in (option, value)]
