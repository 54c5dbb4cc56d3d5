"""`lattice` with a slow judge in place of the model: for tests that look at a search while it runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from lattice.cli import main
from lattice.lattice import Lattice
from lattice.store.store import Store
from lattice.types import Judgement, Slate, Usage

SECONDS_A_SLATE = 0.5
FAVOURITE = "scheduler"  # the judge prefers texts with this word, so that reading changes the order of the hits


class SlowJudge:
    """Likes one word, and says on standard error when it begins to read."""

    slate_dependent = False

    def score(self, query: str, slate: Slate) -> Judgement:
        sys.stderr.write("reading\n")
        sys.stderr.flush()
        time.sleep(SECONDS_A_SLATE)
        scores = tuple(0.95 if FAVOURITE in candidate.text else 0.05 for candidate in slate.candidates)
        return Judgement(scores, Usage(evaluated=100, calls=1, seconds=SECONDS_A_SLATE))


def _open(path: str | Path, **_: object) -> Lattice:
    return Lattice(Store.open(Path(path)), judge=SlowJudge())


if __name__ == "__main__":
    Lattice.open = _open  # type: ignore[method-assign]
    main(prog_name="lattice")
