"""The queries that a search lost, for a person: what was dropped, where, and what was preferred to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from lattice.cli.render import label
from lattice.cli.terminal import clean, counted, on_one_line

if TYPE_CHECKING:
    from lattice.evaluate.evaluation import MethodResult
    from lattice.evaluate.losses import Lost, Weighed
    from lattice.evaluate.session import Outcome
    from lattice.store.store import Store

Describe = Callable[[int], str]
"""Names a node on one line."""

_DOCUMENTS = 3  # relevant documents that are explained a query; --record has more
_HEADER = "                raw latent  final"
_CHARACTERS = 110  # of the name of a node


def miss_lines(outcome: Outcome, result: MethodResult, baseline: MethodResult, count: int) -> list[str]:
    """Explain the `count` queries that lost most nDCG@10 against the baseline, the worst first."""
    from lattice.evaluate.tables import number, signed
    from lattice.store.store import Store

    worst = _worst(result, baseline, count)
    shown = [] if worst or not count else ["", f"No query lost nDCG@10 against {baseline.method}."]
    with Store.open(outcome.index) as store:
        for query, difference in worst:
            value = number(result.queries[query].values["nDCG@10"])
            text = on_one_line(outcome.setup.collection.queries[query])
            shown += ["", f"{click.style(clean(query), bold=True)}  nDCG@10 {value} ({signed(difference)})  {text}"]
            for lost in result.queries[query].lost[:_DOCUMENTS]:
                shown += [f"  {clean(line)}" for line in lost_lines(lost, lambda node: _name(store, node))]
    return shown


def _worst(result: MethodResult, baseline: MethodResult, count: int) -> list[tuple[str, float]]:
    """Give the queries that lost most, with their differences; those that lost nothing are left out."""
    before, after = baseline.values("nDCG@10"), result.values("nDCG@10")
    lost = sorted((after[query] - before[query], query) for query in after)
    return [(query, difference) for difference, query in lost[:count] if difference < 0]


def lost_lines(lost: Lost, describe: Describe) -> list[str]:
    """Tell of one relevant document what its place cost, then what was dropped beside what was preferred to it."""
    head = [f"{lost.document} (grade {lost.grade}): {_verdict(lost)}"]
    if lost.cause == "found" or lost.node is None:
        return head
    # What its own slate cannot show is shown by the ranking.
    rivals = lost.preferred if lost.cause in {"judge", "description"} else ()
    told = [*head, f"  {_reading(lost)}", _HEADER, _line("dropped", _dropped(lost), describe)]
    return told + [_line("preferred" if rivals else "above it", one, describe) for one in rivals or lost.above]


def _verdict(lost: Lost) -> str:
    cost = "nothing lost" if lost.cause == "found" else f"{lost.share:.2f} lost to: {lost.cause}"
    rank = "not ranked" if lost.rank is None else f"rank {lost.rank}"
    prior = "not found by the prior" if lost.prior_rank is None else f"the prior had it at {lost.prior_rank}"
    return f"{cost}; {rank}, {prior}"


def _reading(lost: Lost) -> str:
    if lost.slate is None:
        return f"never read; the search ended ({lost.stopped}) after {counted(lost.read_documents, 'document')}"
    kind = "seeds" if lost.origin is None else f"children of n{lost.origin}"
    return f"read in slate {lost.slate} ({kind}), place {lost.place} of {lost.slate_size}"


def _dropped(lost: Lost) -> Weighed:
    from lattice.evaluate.losses import Weighed

    assert lost.node is not None
    return Weighed(lost.node, lost.raw, lost.latent or 0.0, lost.relevance or 0.0)


def _line(name: str, one: Weighed, describe: Describe) -> str:
    scores = ("  – " if value is None else f"{value:.2f}" for value in (one.raw, one.latent, one.relevance))
    return f"    {name:<9}  {'   '.join(scores)}  {describe(one.node)}"


def _name(store: Store, node: int) -> str:
    text = label(store, store.node(node))
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"
