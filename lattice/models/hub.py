"""Where a model lies on a hub, and where it is kept here: names that are held to be harmless before they are used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from lattice.errors import UsageError
from lattice.models.gguf import part_files
from lattice.models.shelf import pulled_folder

ENDPOINT_VARIABLE, TOKEN_VARIABLE = "HF_ENDPOINT", "HF_TOKEN"
_ENDPOINT = "https://huggingface.co"
_OWNER_OR_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is wanted of a hub: where it is asked for, and the path where it will lie."""

    endpoint: str
    repo: str
    revision: str
    file: str
    target: Path
    sha256: str | None = None

    @property
    def url(self) -> str:
        """Give the address of the file."""
        return f"{self.endpoint}/{self.repo}/resolve/{quote(self.revision, safe='')}/{quote(self.file)}"

    @property
    def page(self) -> str:
        """Give the address of the repository's page, for a person."""
        return f"{self.endpoint}/{self.repo}"

    @property
    def part(self) -> Path:
        """Give where the file lies until it is whole."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def note(self) -> Path:
        """Give where it is kept what the part is a part of."""
        return self.target.with_name(f"{self.target.name}.part.json")

    @property
    def lock(self) -> Path:
        """Give the file whose lock a download of this file holds."""
        return self.target.with_name(f".{self.target.name}.lock")


def wanted_files(
    repo: str, file: str, environ: Mapping[str, str], *, revision: str = "main", sha256: str | None = None
) -> list[Wanted]:
    """Give all parts of the model that is wanted, in order; UsageError for names that are none.

    The hub is the one that HF_ENDPOINT names, by default huggingface.co. `sha256` is the hash that the file must have,
    in hexadecimal digits.
    """
    endpoint = _endpoint(environ)
    owner, name = _owner_and_name(repo)
    folders = _folders(file)
    digest = _digest(sha256)
    if not revision or not revision.isprintable():
        raise UsageError(f"--revision {revision!r} names no branch, tag or commit; the usual one is main.")
    names = part_files(folders[-1])
    if digest is not None and len(names) > 1:
        raise UsageError(f"{file} is one of {len(names)} parts, and --sha256 is the hash of one file: leave it out.")
    # Another revision's file is another file.
    repo_folder = name if revision == "main" else f"{name}@{quote(revision, safe='')}"
    folder = pulled_folder(environ).absolute() / owner / repo_folder
    return [
        Wanted(endpoint, repo, revision, "/".join(path), folder.joinpath(*path), digest)
        for path in ([*folders[:-1], one] for one in names)
    ]


def _endpoint(environ: Mapping[str, str]) -> str:
    named = (environ.get(ENDPOINT_VARIABLE) or _ENDPOINT).rstrip("/")
    try:
        parts = urlsplit(named)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or True)
    except ValueError:
        is_address = False
    if not is_address or parts.query or parts.fragment or not named.isprintable():
        raise UsageError(f"{ENDPOINT_VARIABLE} is {named!r}: write the address of a hub, as in {_ENDPOINT}.")
    return named


def _owner_and_name(repo: str) -> tuple[str, str]:
    owner, _, name = repo.partition("/")
    if not all(_OWNER_OR_NAME.fullmatch(part) for part in (owner, name)):
        raise UsageError(f"HF_REPO is {repo!r}: write it as OWNER/NAME, as in ggml-org/Qwen3-0.6B-GGUF.")
    return owner, name


def _folders(file: str) -> list[str]:
    folders = file.split("/")
    is_harmless = all(part.strip(". ") and part.isprintable() and not set(part) & set('\\:*?"<>|') for part in folders)
    if not is_harmless or not file.lower().endswith(".gguf"):
        raise UsageError(
            f"FILE is {file!r}: name a .gguf file of the repository by its path in it, as in Qwen3-0.6B-Q8_0.gguf."
        )
    return folders


def _digest(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    digest = sha256.lower().removeprefix("sha256:")
    if not _SHA256.fullmatch(digest):
        raise UsageError(f"--sha256 is {sha256!r}: a SHA-256 is written as 64 hexadecimal digits.")
    return digest
