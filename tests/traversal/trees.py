"""Small trees for the tests of the traversal."""

from __future__ import annotations

from dataclasses import replace

from lattice.types import Node


def full_tree(branching: int, depth: int) -> list[Node]:
    """Give a complete tree, parents first, ids from 1; leaves hold passages 1, 2, … from left to right."""
    nodes = [Node(1, None, "root", "everything", branching**depth, 0)]
    level = [nodes[0]]
    for at in range(1, depth + 1):
        below = []
        for parent in level:
            for _ in range(branching):
                number = len(nodes) + 1
                leaves = branching ** (depth - at)
                below.append(Node(number, parent.id, "cluster", f"node {number}", leaves, at))
                nodes.append(below[-1])
        level = below
    passages = {leaf.id: i for i, leaf in enumerate(level, start=1)}
    return [
        replace(node, kind="passage", passage=passages[node.id], description=f"leaf {node.id}")
        if node.id in passages
        else node
        for node in nodes
    ]


def lifted_scores(nodes: list[Node], leaves: dict[int, float]) -> dict[int, float]:
    """Give the perfect judge: a leaf's own relevance, an inner node's the best below it."""
    scores = {node.id: leaves.get(node.id, 0.0) for node in nodes}
    for node in reversed(nodes):
        if node.parent is not None:
            scores[node.parent] = max(scores[node.parent], scores[node.id])
    return scores
