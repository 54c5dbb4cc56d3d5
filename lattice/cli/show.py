"""`lattice show`: a hit of the last search, or any node, whole and in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.contract import node_json, passage_json, step_of_trail
from lattice.cli.options import choose_index, find_index, index_option, is_named, json_option, node_named, node_number
from lattice.cli.render import label, node_lines, passage_lines
from lattice.cli.terminal import clean_name, counted, notice, print_json
from lattice.errors import IndexNotFound, IndexProblem, UsageError

if TYPE_CHECKING:
    from lattice.store.store import Store
    from lattice.types import Node, Passage


@click.command("show", short_help="Show a hit of the last search, or a node, whole.")
@click.argument("which", metavar="N|ID")
@click.option(
    "--context", type=click.IntRange(0), default=1, show_default=True, metavar="K", help="Neighbours on each side."
)
@index_option
@json_option
def show_command(which: str, context: int, index: Path | None, as_json: bool) -> None:
    """Show the Nth hit of the last search, or the node ID (such as n12): a passage whole, with the beginnings of its
    neighbours; or a branch of the tree with its children. A node is looked up in the index that is named or near, else
    in that of the last search.

    \b
    lattice show 1
    lattice show n12 --json
    """
    from lattice.store.store import Store

    path, build, number = _last_hit(int(which), index) if _is_rank(which) else _node(which, index)
    with Store.open(path) as store, store.reading():
        if build is not None and build != store.status().build:
            raise IndexProblem("The index was built anew since the last search. Search again, then show the hit.")
        node = node_named(store, number)
        if as_json:
            print_json(_shown_json(store, node, context))
        else:
            click.echo("\n".join(_shown_lines(store, node, context)))


def _is_rank(which: str) -> bool:
    return which.isascii() and which.isdigit() and len(which) < 10


def _node(which: str, index: Path | None) -> tuple[Path, str | None, int]:
    """Give a node's index, the build that it must be (None: any), and the node's number."""
    if not which.startswith("n"):
        raise UsageError(f"{which!r} is no node, and no number of a hit. Write `lattice show 1`, or n12 for a node.")
    number = node_number(which)  # before an index is looked for: no index could mend it
    return *_index_of_node(index), number


def _index_of_node(index: Path | None) -> tuple[Path, str | None]:
    from lattice.store.places import last_hits

    last = None if is_named(index) else last_hits()
    if last is not None and last.index.exists():
        try:
            found = find_index(index)
        except IndexNotFound:
            found = None
        if found is None or (found.how == "only" and found.path.resolve() != last.index):
            notice(f"Using the index of the last search, {clean_name(str(last.index))}")
            return last.index, last.build
    return choose_index(index), None


def _last_hit(rank: int, index: Path | None) -> tuple[Path, str | None, int]:
    from lattice.store.places import last_hits

    last = last_hits()
    if last is None:
        raise UsageError("No search is remembered. Search first, or name a node such as n12.")
    if index is not None and choose_index(index).resolve() != last.index:
        where = clean_name(str(last.index))
        raise UsageError(f"The last search was in {where}. Search in this index first, or name a node such as n12.")
    if not 1 <= rank <= len(last.nodes):
        raise UsageError(f"The last search, {last.query!r}, has {counted(len(last.nodes), 'hit')}; there is no {rank}.")
    return last.index, last.build, last.nodes[rank - 1]


def _neighbours(store: Store, node: Node, context: int) -> tuple[Passage, list[Passage], list[Passage]]:
    assert node.passage is not None
    passage = store.passage(node.passage)
    document = list(store.passages_of(passage.document).values())
    at = document.index(passage)
    return passage, document[max(0, at - context) : at], document[at + 1 : at + 1 + context]


def _shown_lines(store: Store, node: Node, context: int) -> list[str]:
    if node.passage is None:
        children = store.children(node.id)
        return node_lines(node, [f"n{child.id}  {label(store, child)}" for child in children])
    passage, before, after = _neighbours(store, node, context)
    return passage_lines(passage, node, before, after)


def _shown_json(store: Store, node: Node, context: int) -> dict[str, Any]:
    trail = [step_of_trail(above) for above in store.ancestors(node.id)[1:]]
    shown: dict[str, Any] = {"root": store.status().root, "node": node_json(store, node), "trail": trail}
    if node.passage is None:
        return {**shown, "children": [node_json(store, child) for child in store.children(node.id)]}
    passage, before, after = _neighbours(store, node, context)
    return {
        **shown,
        "passage": passage_json(passage),
        "before": [passage_json(each) for each in before],
        "after": [passage_json(each) for each in after],
    }
