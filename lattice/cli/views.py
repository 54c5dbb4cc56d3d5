"""How a search is shown as it grows: in place on a terminal, once elsewhere, as a trace, or as JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

import click

from lattice.cli.contract import answer_json, scored_json, step_json
from lattice.cli.live import Block
from lattice.cli.render import (
    hit_lines,
    passed_over_lines,
    step_lines,
    understanding_lines,
    understood_lines,
    usage_words,
)
from lattice.cli.terminal import columns, dim, is_terminal, print_json, say

if TYPE_CHECKING:
    from lattice.answering import Answer
    from lattice.store.store import Store


class View(Protocol):
    """Shows the answers of one search."""

    def grow(self, answer: Answer) -> None:
        """Take the next answer of the stream."""
        ...

    def finish(self, answer: Answer) -> None:
        """Show the last answer; called once, also after an interruption."""
        ...


def view_for(store: Store, *, as_json: bool, trace: bool) -> View:
    """Choose the view that the options and the terminal ask for."""
    if as_json:
        return _Json(store, trace)
    if trace:
        return _Trace(store)
    return _Live() if is_terminal(sys.stdout) else _Once()


def _lines(answer: Answer) -> list[str]:
    width = columns()
    return [line for hit in answer.hits for line in hit_lines(hit, width)]


class _Live:
    """Redraws the hits in place."""

    def __init__(self) -> None:
        self._block = Block(sys.stdout)

    def grow(self, answer: Answer) -> None:
        doing = usage_words(answer.usage) if answer.usage.calls else "looking closer"
        shown = [*understood_lines(answer.understood), *_lines(answer)]
        self._block.draw(shown, dim(f"… {doing} (Ctrl-C keeps what is here)"))

    def finish(self, answer: Answer) -> None:
        self._block.finish([*understood_lines(answer.understood), *_lines(answer)])


class _Once:
    """Prints the last answer alone; how the question was understood is no data."""

    def grow(self, answer: Answer) -> None:
        pass

    def finish(self, answer: Answer) -> None:
        for line in understood_lines(answer.understood):
            say(line)
        for line in _lines(answer):
            click.echo(line)


class _Trace:
    """Prints what is read as it is read, then the hits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._is_told = False

    def grow(self, answer: Answer) -> None:
        if answer.step is not None:
            self._tell(answer)
            for line in [*step_lines(self._store, answer.step), *passed_over_lines(self._store, answer.step)]:
                click.echo(line)

    def finish(self, answer: Answer) -> None:
        self._tell(answer)
        click.echo(click.style("Hits", bold=True))
        for line in _lines(answer):
            click.echo(line)
        click.echo(dim(f"{usage_words(answer.usage)}; stopped: {answer.stopped}"))

    def _tell(self, answer: Answer) -> None:
        """Say once how the question was understood, when nothing of that will change any more."""
        if not self._is_told:
            self._is_told = True
            for line in [*understood_lines(answer.understood), *understanding_lines(answer.understood)]:
                click.echo(line)


class _Json:
    """Prints the last answer as JSON, with the trace of all of them where it was asked for."""

    def __init__(self, store: Store, trace: bool) -> None:
        self._store = store
        self._trace: dict[str, list[Any]] | None = {"iterations": [], "passed_over": []} if trace else None

    def grow(self, answer: Answer) -> None:
        if self._trace is None or answer.step is None:
            return
        # Now, while the search holds the generation that its node ids belong to.
        if answer.step.slates:
            self._trace["iterations"].append(step_json(self._store, answer.step))
        self._trace["passed_over"] = [scored_json(self._store, scored) for scored in answer.step.passed_over]

    def finish(self, answer: Answer) -> None:
        shown = answer_json(answer)
        print_json(shown if self._trace is None else {**shown, "trace": self._trace})
