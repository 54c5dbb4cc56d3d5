"""`lattice tree`: the tree of an index as a table of contents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.contract import node_json
from lattice.cli.options import choose_index, index_option, json_option, node_named, node_number
from lattice.cli.render import label
from lattice.cli.terminal import counted, dim, print_json

if TYPE_CHECKING:
    from lattice.store.store import Store
    from lattice.types import Node


@click.command("tree", short_help="Show the tree of an index.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Levels below the top to show.  [default: all]")
@click.option("--node", "name", metavar="ID", help="The node to start from, such as n12.  [default: the root]")
@index_option
@json_option
def tree_command(depth: int | None, name: str | None, index: Path | None, as_json: bool) -> None:
    """Show the tree that a search walks: descriptions, the number of passages below each, and the passages.

    \b
    lattice tree --depth 2
    lattice tree --node n12 | head
    """
    from lattice.store.store import Store

    number = None if name is None else node_number(name)
    with Store.open(choose_index(index)) as store, store.reading():
        top = store.root() if number is None else node_named(store, number)
        if as_json:
            print_json({"root": store.status().root, "tree": _nested(store, top, depth)})
            return
        for level, node in _walk(store, top, depth):
            click.echo(_line(store, level, node))


def _walk(store: Store, top: Node, depth: int | None) -> Iterator[tuple[int, Node]]:
    """Yield each node with its level below `top`, parents first, children in order; reads only as it is asked."""
    waiting = [(0, top)]
    while waiting:
        level, node = waiting.pop()
        yield level, node
        if depth is None or level < depth:
            waiting += [(level + 1, child) for child in reversed(store.children(node.id))]


def _line(store: Store, level: int, node: Node) -> str:
    about = f"  n{node.id}" if node.is_leaf else f"  {counted(node.leaves, 'passage')}, n{node.id}"
    return f"{'  ' * level}{label(store, node)}{dim(about)}"


def _nested(store: Store, top: Node, depth: int | None) -> dict[str, Any]:
    """Give the tree as dictionaries in one another; a node that is not a passage has `children` unless cut off."""
    below: dict[int, list[dict[str, Any]]] = {}
    found: dict[str, Any] | None = None
    for level, node in _walk(store, top, depth):
        shown = node_json(store, node)
        if not node.is_leaf and (depth is None or level < depth):
            shown["children"] = below[node.id] = []
        if found is None:
            found = shown
        elif node.parent is not None:
            below[node.parent].append(shown)
    assert found is not None
    return found
