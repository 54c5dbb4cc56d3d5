"""Stand-ins for the two seams of a search, for tests and simulations: a tree in memory and a judge by the book."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lattice.types import Candidate, Judgement, Node, Slate, Usage


class MemoryTree:
    """A tree held in dictionaries. `texts` gives what a judge reads for a leaf, by node id; else its description."""

    def __init__(self, nodes: Sequence[Node], texts: Mapping[int, str] | None = None) -> None:
        """Take the nodes, parents first, the root at the beginning."""
        self._root = nodes[0]
        self._nodes = {node.id: node for node in nodes}
        self._children: dict[int, list[Node]] = {}
        self._texts = texts or {}
        for node in nodes:
            if node.parent is not None:
                self._children.setdefault(node.parent, []).append(node)

    def root(self) -> Node:
        """Give the root."""
        return self._root

    def node(self, node: int) -> Node:
        """Give one node; KeyError when there is none with that id."""
        return self._nodes[node]

    def children(self, node: int) -> tuple[Node, ...]:
        """Give the children of a node, in order."""
        return tuple(self._children.get(node, ()))

    def candidates(self, nodes: tuple[int, ...]) -> tuple[Candidate, ...]:
        """Give what a judge reads for each of the nodes."""
        found = (self._nodes[node] for node in nodes)
        return tuple(Candidate(one.id, self._texts.get(one.id, one.description), one.is_leaf) for one in found)


@dataclass(slots=True)
class ScriptedJudge:
    """Scores a node as the script says, plus what `disturbance` adds (a function of the slate's number and the node).

    `seen` holds the node ids of every slate that it was asked for; a candidate costs `price` tokens.
    """

    scores: Mapping[int, float]
    slate_dependent: bool = False
    disturbance: Callable[[int, int], float] = lambda _slate, _node: 0.0
    price: int = 10
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def score(self, query: str, slate: Slate) -> Judgement:
        """Look every candidate up; a node without a script is 0."""
        del query
        nodes = tuple(candidate.node for candidate in slate.candidates)
        number = len(self.seen)
        self.seen.append(nodes)
        raw = (self.scores.get(node, 0.0) + self.disturbance(number, node) for node in nodes)
        scores = tuple(max(0.0, min(1.0, score)) for score in raw)
        return Judgement(scores, Usage(evaluated=self.price * len(nodes), calls=1))
