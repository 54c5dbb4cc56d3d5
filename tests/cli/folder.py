"""A small folder of documents, and the command line run on it: in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TEXTS = {
    "actors.md": """# Actors

An actor keeps its own heap and handles one message at a time. Nothing else touches its state, so there are no locks,
and the runtime collects the garbage of each actor between two messages without stopping the others.

## Memory

An actor leaks memory when messages arrive faster than it handles them: its mailbox grows without a bound. Measure the
length of the mailbox first. Then apply backpressure, or drop what has become stale, or spread the work over several
actors. A second cause is a cycle of references between actors that are never told to stop.

## Scheduling

The scheduler gives every thread a queue of actors that are ready to run. A thread with an empty queue steals from a
neighbour. An actor that computes for long without taking a new message keeps its thread, and the others have to wait.
""",
    "garden/roses.md": """# Roses

Prune roses in late winter, before the buds swell. Cut above a bud that faces outwards, at a slant, so that the rain
runs off. Feed them in spring with well rotted manure and water deeply once a week when the summer is dry.
""",
    "garden/compost.txt": """Compost wants air, moisture and a mixture of green and brown. Turn the heap every month.
Kitchen scraps heat it, dry leaves keep it open, and a lid keeps the rain out. It is ready when it smells of forest
soil and the worms have moved away to the next heap.
""",
    "languages.md": """# Languages

C++ templates are expanded at compile time, and the messages of a compiler about them are long. Use concepts where the
compiler knows them. A vector of vectors is rarely what you want; don't reach for it before measuring.

The setting foo-bar turns the optimiser off. It is read by the function parseFooBar when the program starts.
""",
    "zh.md": "# 搜索\n\n全文搜索引擎把文档分成词语，然后为每个词语建立索引。中文没有空格，所以需要特别的分词方法。\n",
}


def write_folder(folder: Path) -> Path:
    """Write the documents below `folder`."""
    for name, text in TEXTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def environment(home: Path, **more: str) -> dict[str, str]:
    """Give the environment of a process whose indexes lie below `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LATTICE_", "NO_COLOR", "TERM"))}
    return {**kept, "LATTICE_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm", **more}


def run(
    home: Path, *arguments: str, cwd: Path | None = None, module: str = "lattice", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        check=False,
        env=environment(home, **more),
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
