"""TREC run files: what other tools of the field read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

_UNSAFE = re.compile(r"[\s%]")


def write_run(path: Path, run: Mapping[str, Sequence[str]], tag: str) -> None:
    """Write `qid Q0 docid rank score tag`, one line a document, best first.

    Scores fall strictly with the rank, so that a tool that sorts by them keeps the order. The format has no place for
    white space in an id: it is percent-encoded, as is the percent sign.
    """
    lines = [
        f"{_encoded(query)} Q0 {_encoded(document)} {rank} {len(ranked) - rank + 1} {tag}\n"
        for query, ranked in run.items()
        for rank, document in enumerate(ranked, 1)
    ]
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text("".join(lines), encoding="utf-8")
    scratch.replace(path)


def read_run(path: Path) -> dict[str, list[str]]:
    """Read what `write_run` wrote: for each query its documents, best first. ValueError for a malformed line."""
    found: dict[str, list[tuple[float, int, str]]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split()
        if len(fields) != 6:
            raise ValueError(f"{path}, line {number}: not `qid Q0 docid rank score tag`: {line!r}")
        query, _, document, rank, score, _ = fields
        found.setdefault(unquote(query), []).append((-float(score), int(rank), unquote(document)))
    return {query: [document for *_, document in sorted(ranked)] for query, ranked in found.items()}


def _encoded(name: str) -> str:
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), name)
