"""Hits, nodes and traces as lines for a person. Every function gives styled lines; nothing here prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lattice.cli.terminal import clean, clean_name, counted, dim, mark, on_one_line, wrap

if TYPE_CHECKING:
    from lattice.store.store import Store
    from lattice.traversal.steps import JudgedSlate, Scored, Step
    from lattice.types import Hit, Location, Node, Passage, Understanding, Usage

_ARROW = " › "  # between the headings that lead to a passage
_PASSED_OVER = 10  # how many unopened branches a trace names; --json names all


def place(path: str, location: Location) -> str:
    """Give where a passage begins, in the form that editors and terminals open: `path:line`, or the page."""
    if location.kind == "page":
        return f"{clean_name(path)}, page {location.start}"
    return f"{clean_name(path)}:{location.start}"


def headings(title: str, heading: Sequence[str]) -> str:
    """Give the title and the headings below it, outermost first, the title only once."""
    parts = [on_one_line(part) for part in heading]
    name = on_one_line(title)
    return _ARROW.join(part for part in ([] if parts[:1] == [name] else [name]) + parts if part)


def hit_lines(hit: Hit, width: int) -> list[str]:
    """Give the lines of one hit; `width` 0 does not wrap. A relevance that nobody has read for is marked with ~."""
    read = " " if hit.judged else "~"
    where = click.style(place(hit.path, hit.location), fg="cyan")
    lines = [f"{hit.rank:>3} {read}{hit.relevance:.2f}  {where}"]
    above = headings(hit.title, hit.heading)
    indent = " " * 11
    room = max(20, width - len(indent)) if width else 0
    lines += [indent + dim(above[start:end]) for start, end in wrap(above, room)]
    shown = clean(hit.snippet)
    return lines + [indent + mark(shown, hit.marks, start, end) for start, end in wrap(shown, room)]


def understood_lines(understood: Understanding | None) -> list[str]:
    """Say what is searched for in place of what was asked, where its words are from, and what is sought beside it."""
    if understood is None:
        return []
    carried = ", ".join(map(on_one_line, understood.carried))
    origin = f" (from earlier questions: {carried})" if carried else ""
    found = {
        f"Understood as: {on_one_line(understood.query)}{origin}": understood.rewritten or bool(carried),
        f"About: {on_one_line(understood.problem)}": bool(understood.problem),
        f"Sought too: {', '.join(map(on_one_line, understood.vocabulary))}": bool(understood.vocabulary),
    }
    return [dim(line) for line, is_there in found.items() if is_there]


def understanding_lines(understood: Understanding | None) -> list[str]:
    """Say what the model took to understand the question; nothing where none was asked."""
    return [dim(f"    {usage_words(understood.usage)}")] if understood and understood.usage.calls else []


def label(store: Store, node: Node) -> str:
    """Name a node on one line: a passage by its place and headings, any other by its name."""
    if node.passage is None:
        return on_one_line(node.label)
    passage = store.passage(node.passage)
    return f"{place(passage.document, passage.location)}  {headings(passage.title, passage.heading)}"


def step_lines(store: Store, step: Step) -> list[str]:
    """Give the trace of one iteration: what was opened, and how each candidate was judged."""
    lines = []
    if step.slates:
        lines.append(click.style(f"Iteration {step.iteration}", bold=True))
    for slate in step.slates:
        lines += _slate_lines(store, slate)
    return lines


def passed_over_lines(store: Store, step: Step) -> list[str]:
    """Give the branches that were seen but never opened, best first, at the end of a search."""
    if not step.passed_over:
        return []
    lines = [click.style("Passed over", bold=True), _SCORE_HEADER]
    lines += [_scored_line(store, scored) for scored in step.passed_over[:_PASSED_OVER]]
    rest = len(step.passed_over) - _PASSED_OVER
    return [*lines, dim(f"  and {rest:,} more")] if rest > 0 else lines


_SCORE_HEADER = dim("     raw  latent    path")


def _slate_lines(store: Store, slate: JudgedSlate) -> list[str]:
    if slate.origin is None:
        what = "read the best unread passages of lexical and vector search"
    else:
        node = store.node(slate.origin)
        what = f"opened n{node.id}  {on_one_line(node.label)}"
    cost = dim(f"    promise {slate.promise:.2f}, {usage_words(slate.usage)}")
    wrote = [dim(f"    wrote {on_one_line(slate.reasoning)}")] if slate.reasoning else []
    return [f"  {what}", cost, *wrote, _SCORE_HEADER, *(_scored_line(store, scored) for scored in slate.scored)]


def _scored_line(store: Store, scored: Scored) -> str:
    node = store.node(scored.node)
    return f"   {scored.raw:5.2f}   {scored.latent:5.2f}   {scored.path:5.2f}  n{node.id}  {label(store, node)}"


def usage_words(usage: Usage) -> str:
    """Say what reading cost: tokens evaluated, reused and (where there are any) generated, and seconds."""
    words = f"{counted(usage.evaluated, 'token')} read, {usage.reused:,} reused"
    if usage.generated:
        words += f", {usage.generated:,} written"
    if usage.trimmed:
        words += f", {counted(usage.trimmed, 'text')} cut to fit"
    return f"{words}, {usage.seconds:.1f} s"


def node_lines(node: Node, children: Sequence[str]) -> list[str]:
    """Give a node of the tree: its name, its description and the labels of its children."""
    lines = [click.style(on_one_line(node.label), bold=True)]
    lines += [on_one_line(node.description)] if node.name else []
    lines.append(dim(f"n{node.id}, {node.kind}, {counted(node.leaves, 'passage')} below"))
    return [*lines, *(f"  {child}" for child in children)]


def passage_lines(passage: Passage, node: Node, before: Sequence[Passage], after: Sequence[Passage]) -> list[str]:
    """Give a passage whole, under its place and headings, between the beginnings of its neighbours."""
    location = passage.location
    span = f"{location.kind} {location.start}" + (f"-{location.end}" if location.end != location.start else "")
    lines = [click.style(place(passage.document, location), fg="cyan") + dim(f"  n{node.id}, {span}")]
    if above := headings(passage.title, passage.heading):
        lines.append(click.style(above, bold=True))
    lines.append("")
    lines += [dim(beginning(neighbour)) for neighbour in before]
    lines += ["", clean(passage.text), ""] if before else [clean(passage.text), ""]
    return lines + [dim(beginning(neighbour)) for neighbour in after]


_BEGINNING_WORDS = 20  # of a neighbouring passage: enough to tell what it is about


def beginning(passage: Passage) -> str:
    """Give a neighbouring passage's first words, after its place."""
    words = on_one_line(passage.text).split()
    gap = " …" if len(words) > _BEGINNING_WORDS else ""
    return f"{place(passage.document, passage.location)}  {' '.join(words[:_BEGINNING_WORDS])}{gap}"
