"""Walks from the top with a sentence of a leaf: which find it again, and where the others went astray."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lattice.lint.report import Level, Retrieval, Sender
from lattice.lint.shape import Outline
from lattice.types import Node, Usage

Scorer = Callable[[str, Node, Sequence[Node]], Sequence[float]]
"""Called with a sentence, a node and its children; gives a score for each child, the higher the nearer."""

# How many nodes of all that were seen a wider walk keeps at each step.
WIDTH = 3
# How many of the worst nodes are named.
_SENDERS = 10
# A node that few walks came to is no evidence.
_FEWEST_ASKED = 2


@dataclass(frozen=True, slots=True)
class Walk:
    """The walk for one leaf: the node where it went astray, None where it arrived; whether the wider walk has it."""

    leaf: Node
    trail: tuple[int, ...]
    astray: int | None
    kept: bool


def follow(outline: Outline, leaf: Node, sentence: str, scorer: Scorer) -> Walk:
    """Go down to the nearest child each time, and beside that with the `WIDTH` best nodes kept."""
    trail = outline.trail(leaf.id)
    seen: dict[int, list[tuple[float, int]]] = {}

    def opened(node: int) -> list[tuple[float, int]]:
        if node not in seen:
            below = outline.children[node]
            scores = scorer(sentence, outline.by_id[node], below)
            # Of equals the first child, as every search breaks ties.
            ranked = zip(scores, (child.id for child in below), strict=True)
            seen[node] = sorted(ranked, key=lambda pair: (-pair[0], pair[1]))
        return seen[node]

    astray = next((node for node, right in pairwise(trail) if opened(node)[0][1] != right), None)
    return Walk(leaf, trail, astray, leaf.id in _widely(outline, opened))


def _widely(outline: Outline, opened: Callable[[int], list[tuple[float, int]]]) -> set[int]:
    """Give the leaves that are left when in each step all inner nodes are opened and the best `WIDTH` are kept."""
    frontier = [(0.0, outline.top.id)]
    while any(node in outline.children for _, node in frontier):
        inner = [node for _, node in frontier if node in outline.children]
        others = [pair for pair in frontier if pair[1] not in outline.children]
        found = others + [pair for node in inner for pair in opened(node)]
        frontier = sorted(found, key=lambda pair: (-pair[0], pair[1]))[:WIDTH]
    return {node for _, node in frontier}


def summed(
    outline: Outline, walks: Sequence[Walk], walker: str, silent: int = 0, usage: Usage | None = None
) -> Retrieval:
    """Count what became of the walks."""
    arrived = [walk for walk in walks if walk.astray is None]
    asked: Counter[int] = Counter()
    astray: Counter[int] = Counter(walk.astray for walk in walks if walk.astray is not None)
    for walk in walks:
        passed = walk.trail[:-1] if walk.astray is None else walk.trail[: walk.trail.index(walk.astray) + 1]
        asked.update(passed)
    senders = [Sender(node, asked[node], count) for node, count in astray.items() if asked[node] >= _FEWEST_ASKED]
    depth = {node: outline.by_id[node].depth for node in asked}
    return Retrieval(
        walker=walker,
        asked=len(walks),
        found=len(arrived),
        parents=sum(walk.astray is None or walk.astray == walk.leaf.parent for walk in walks),
        kept=sum(walk.kept for walk in walks),
        by_depth=_levels((walk.leaf.depth, 1, walk.astray is None) for walk in walks),
        levels=_levels(((depth[node], count, count - astray[node]) for node, count in asked.items())),
        senders=tuple(sorted(senders, key=lambda one: (-one.astray, one.node))[:_SENDERS]),
        silent=silent,
        usage=usage or Usage(),
    )


def _levels(counted: Iterable[tuple[int, int, int]]) -> tuple[Level, ...]:
    asked: Counter[int] = Counter()
    chosen: Counter[int] = Counter()
    for depth, count, right in counted:
        asked[depth] += count
        chosen[depth] += right
    return tuple(Level(depth, asked[depth], chosen[depth]) for depth in sorted(asked))
