"""Passages and corpora made for the tests of this folder."""

from collections.abc import Sequence

import numpy as np

from lattice.index_builder.branches import Branch
from lattice.models.embedders import normalised
from lattice.types import Location, Matrix, Passage


def passage(
    document: str, position: int = 0, title: str = "", heading: tuple[str, ...] = (), text: str = "some words"
) -> Passage:
    return Passage(document, position, title, heading, text, Location("lines", position + 1, position + 1), "")


def in_documents(sizes: list[int], headings: Sequence[tuple[str, ...]] = ()) -> list[Passage]:
    """Give documents d000, d001, … of so many passages each; headings are dealt out in turn."""
    found: list[Passage] = []
    for number, size in enumerate(sizes):
        for position in range(size):
            heading = headings[len(found) % len(headings)] if headings else ()
            found.append(passage(f"d{number:03}", position, f"Title {number}", heading))
    return found


def random_vectors(count: int, seed: int, dimensions: int = 6) -> Matrix:
    """Give unit vectors with duplicates (every fifth) and zeros (every seventh) among them."""
    rows = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    rows[::5] = rows[:1]
    rows[::7] = 0
    return normalised(rows)


def shape(branch: Branch) -> object:
    """Give a tree as nested lists of passage numbers."""
    return branch.passage if branch.passage is not None else [shape(child) for child in branch.children]


def clouds(centres: int, each: int, noise: float = 0.1, seed: int = 0) -> Matrix:
    """Give unit vectors around so many centres, dealt out in turn: row i belongs to cloud i % centres."""
    rng = np.random.default_rng(seed)
    middle = rng.standard_normal((centres, 16))
    rows = middle[np.arange(centres * each) % centres] + noise * rng.standard_normal((centres * each, 16))
    return normalised(rows.astype(np.float32))


SUBJECTS = {
    "bread": (
        "Baking bread",
        "The baker kneads dough with yeast and bakes a loaf in a hot oven. Flour makes the dough.",
    ),
    "ships": (
        "Sailing ships",
        "Sailors hoist the sails when wind fills the harbour. A captain steers the ship by stars.",
    ),
    "bees": ("Keeping bees", "The beekeeper opens the hive, where bees store honey. The queen lays eggs in wax cells."),
    "stars": (
        "Watching stars",
        "A telescope gathers the light of distant galaxies. Astronomers map stars and planets.",
    ),
}


def small_corpus() -> list[Passage]:
    """Give sixteen documents of one passage, four on each of four subjects, in mixed order."""
    found = []
    for i in range(4):
        for name, (title, text) in SUBJECTS.items():
            found.append(passage(f"{i}-{name}.md", 0, f"{title} {'I' * (i + 1)}", (), f"{text} Part {i} of 2024."))
    return found
