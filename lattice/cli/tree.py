"""`lattice tree`: the tree of an index as a table of contents, and a check of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.contract import node_json
from lattice.cli.options import (
    choose_index,
    finite,
    index_option,
    json_option,
    model_option,
    node_named,
    node_number,
)
from lattice.cli.progress import Bars
from lattice.cli.render import label
from lattice.cli.terminal import counted, dim, on_one_line, print_json
from lattice.errors import EXIT_CHECK_FAILED, UsageError

if TYPE_CHECKING:
    from lattice.store.store import Store
    from lattice.types import Node


_CHECKING = ("sample", "seed", "min_found", "min_covered", "max_alike", "with_model", "model")
_share = click.FloatRange(0, 1)


@click.command("tree", short_help="Show the tree of an index, or check it.")
@click.option("--depth", type=click.IntRange(0), metavar="N", help="Levels below the top to show.  [default: all]")
@click.option("--node", "name", metavar="ID", help="The node to start from, such as n12.  [default: the root]")
@click.option("-v", "--descriptions", is_flag=True, help="Show what a search reads of each node, below its name.")
@click.option("--check", is_flag=True, help="Check the tree in place of showing it; 4 if it fails.")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Passages to look for again.  [default: 500]")
@click.option("--seed", type=int, metavar="N", help="Which sample.  [default: 0]")
@click.option("--min-found", type=_share, callback=finite, metavar="X", help="Least share found.  [default: 0.1]")
@click.option("--min-covered", type=_share, callback=finite, metavar="X", help="Least share of terms.  [default: 0.05]")
@click.option("--max-alike", type=_share, callback=finite, metavar="X", help="Most nodes alike.  [default: 0.05]")
@click.option("--with-model", is_flag=True, help="Have the model walk too, for 20 passages or --sample.")
@model_option
@index_option
@json_option
@click.pass_context
def tree_command(
    ctx: click.Context,
    /,
    depth: int | None,
    name: str | None,
    check: bool,
    descriptions: bool,
    index: Path | None,
    as_json: bool,
    **how: Any,  # noqa: ANN401
) -> None:
    """Show the tree that a search walks, as a table of contents: the name of each node, the number of passages below
    it, and the passages. --descriptions adds what a search reads of a node.

    --check tells whether it can be searched: its shape, nodes that say nothing, siblings that cannot be told apart, and
    how many passages a walk finds again that is given a sentence of their own and takes the nearest child each time, by
    weighted words. It fails, with exit code 4, where fewer than --min-found of the passages are found, fewer than
    --min-covered of their terms stand in a description above them, more than --max-alike of the nodes have children
    that cannot be told apart, or any node is empty.

    \b
    lattice tree --depth 2
    lattice tree --node n12 | head
    lattice tree --check --min-found .3
    """
    from lattice.store.store import Store

    number = None if name is None else node_number(name)
    if check and descriptions:
        raise UsageError("--check tells of descriptions anyway; leave out --descriptions.")
    if check:
        _check(ctx, number, index, depth, how, as_json=as_json)
        return
    if given := [option for option in _CHECKING if how[option] is not None and how[option] is not False]:
        raise UsageError(f"--{given[0].replace('_', '-')} belongs to a check: add --check.")
    with Store.open(choose_index(index)) as store, store.reading():
        top = store.root() if number is None else node_named(store, number)
        if as_json:
            print_json({"root": store.status().root, "tree": _nested(store, top, depth)})
            return
        for level, node in _walk(store, top, depth):
            click.echo("\n".join(_lines(store, level, node, descriptions=descriptions)))


def _check(
    ctx: click.Context, number: int | None, index: Path | None, depth: int | None, how: dict[str, Any], *, as_json: bool
) -> None:
    from lattice.cli.check_view import report_json, report_lines
    from lattice.lattice import Lattice
    from lattice.lint.report import Limits

    if depth is not None:
        raise UsageError("--check looks at every level; leave out --depth.")
    if how["model"] is not None and not how["with_model"]:
        raise UsageError("--model names who walks with --with-model; add it.")
    limits = {name: how[option] for option, name in _LIMITS.items() if how[option] is not None}
    sizes = {name: how[name] for name in ("sample", "seed") if how[name] is not None}
    model = (how["model"] or "auto") if how["with_model"] else None
    with Lattice.open(choose_index(index), model=model) as lattice, lattice.store.reading(), Bars() as bars:
        if number is not None:
            node_named(lattice.store, number)
        report = lattice.check(
            top=number, limits=Limits(**limits), with_model=how["with_model"], progress=bars, **sizes
        )
        bars.clear()
        if as_json:
            print_json({"root": lattice.store.status().root, **report_json(report)})
        else:
            click.echo("\n".join(report_lines(lattice.store, report)))
    ctx.exit(EXIT_CHECK_FAILED if report.failures else 0)


_LIMITS = {"min_found": "found", "min_covered": "covered", "max_alike": "alike"}


def _walk(store: Store, top: Node, depth: int | None) -> Iterator[tuple[int, Node]]:
    """Yield each node with its level below `top`, parents first, children in order; reads only as it is asked."""
    waiting = [(0, top)]
    while waiting:
        level, node = waiting.pop()
        yield level, node
        if depth is None or level < depth:
            waiting += [(level + 1, child) for child in reversed(store.children(node.id))]


def _lines(store: Store, level: int, node: Node, *, descriptions: bool) -> list[str]:
    indent = "  " * level
    about = f"  n{node.id}" if node.is_leaf else f"  ({counted(node.leaves, 'passage')}, n{node.id})"
    lines = [f"{indent}{label(store, node)}{dim(about)}"]
    if descriptions and not node.is_leaf and node.name:
        lines.append(dim(f"{indent}    {on_one_line(node.description)}"))
    return lines


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
