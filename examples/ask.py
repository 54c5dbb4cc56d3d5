"""Ask the example folder a question from Python:  python examples/ask.py "what is the kitchen rule about flasks?"

Shows the three verbs that most programs need: index a folder, follow a search as it grows, look at the tree.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from lattice import Lattice, SearchSettings

FOLDER = Path(__file__).parent / "observatory"


def main(question: str) -> None:
    """Print how the best hit changes while the model reads, then the three best hits with their trails."""
    model = None if os.environ.get("LATTICE_NO_MODEL") else "auto"
    with tempfile.TemporaryDirectory() as scratch:
        notes = Lattice.index(FOLDER, path=Path(scratch) / "observatory.lattice", model=model)
        for answer in notes.iter_search(question, limit=3, settings=SearchSettings(budget_tokens=1500)):
            best = answer.hits[0].path if answer.hits else "nothing"
            print(f"after {answer.usage.evaluated:5} tokens: {best}")
        for hit in answer.hits:
            print(f"\n{hit.rank}. {hit.path}:{hit.location.start}  ({hit.relevance:.2f})\n   {hit.snippet}")
            print("   in: " + " / ".join(step.label for step in hit.trail))
        print(f"\nThe tree has {notes.tree().number_of_nodes()} nodes.")
        notes.close()


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "Is it allowed to stay up there all by myself?")
