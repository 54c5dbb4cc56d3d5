"""Indexes of which every fault is known: a tree of descriptions over passages, written to a real file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import numpy as np

from lattice.store.store import Store
from lattice.types import Node
from tests.store.snapshots import make_snapshot, make_store

Texts = Sequence[str]

BIRDS = ("The heron waits in shallow rivers for frogs.", "An owl hunts voles over dark meadows.")
TOOLS = ("A chisel carves joints out of oak boards.", "The lathe turns wooden bowls between centres.")


def write_tree(
    path: Path, groups: Sequence[tuple[str, Texts]], root: str = "birds and tools", names: Texts = ()
) -> Store:
    """Write a tree: the root, a node a group with its description, and its passages, whose titles say nothing.

    `names` are those of the groups' nodes, which have none by default.
    """
    plain = make_snapshot({f"{i:02d}.md": [((), text) for text in texts] for i, (_, texts) in enumerate(groups)})
    total = len(plain.passages)
    nodes = [Node(1, None, "root", root, total, 0)]
    passage = 0
    for (description, texts), name in zip(groups, [*names, *repeat("", len(groups))], strict=False):
        nodes.append(Node(len(nodes) + 1, 1, "cluster", description, len(texts), 1, name=name))
        parent = nodes[-1].id
        for text in texts:
            passage += 1
            nodes.append(Node(len(nodes) + 1, parent, "passage", text[:12], 1, 2, passage))
    vectors = np.eye(max(total, 1), dtype=np.float32)[:total]
    return make_store(path, replace(plain, nodes=tuple(nodes), vectors=vectors))


def good_tree(path: Path) -> Store:
    """Write a tree without a fault: root n1; birds n2 over n3, n4; tools n5 over n6, n7."""
    birds, tools = "heron rivers frogs owl voles meadows", "chisel joints oak lathe wooden bowls"
    return write_tree(path, [(birds, BIRDS), (tools, TOOLS)])
