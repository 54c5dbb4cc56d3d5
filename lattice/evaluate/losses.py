"""Where a search dropped the relevant documents that it ranked too low, and what each of them costs in nDCG@10.

The loss 1 − nDCG@10 of a query is split among its relevant documents. Each share then goes to one cause: the first
place on a document's way, from the index to the ranking, at which it fell behind.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from lattice.traversal.steps import JudgedSlate, Ranked, Scored, Step
from lattice.types import Node, Passage

Cause = Literal["corpus", "unseen", "description", "budget", "judge", "prior", "path", "found"]

CAUSES: dict[Cause, str] = {
    "corpus": "no passage of it is in the index",
    "unseen": "the prior had no passage of it, and no slate held a node above one",
    "description": "the prior had no passage of it; a node above one was read and never opened",
    "budget": "the prior had a passage of it, and the search ended before any was read",
    "judge": "it was read; most of what wrongly stands above it scored at least as high",
    "prior": "it was read; most of what wrongly stands above it scored lower or went unread, but was expected",
    "path": "it was read; most of what wrongly stands above it was believed less, and hangs on a better branch",
    "found": "nothing was lost; a document above its ideal place is a negative loss here, so that all causes sum up",
}
"""What each cause means, for a person; in the order in which a document passes the places where it can be dropped."""

Trails = Mapping[str, Mapping[int, tuple[int, ...]]]
"""For each document its leaves, and for each leaf the nodes above it: its parent first, the root last."""

_PLACES = 10  # of the ranking count: nDCG@10
_SHOWN = 3  # rivals kept as evidence
_WEIGHERS: tuple[Cause, ...] = ("judge", "prior", "path")  # of equally frequent ones, the first is the cause


class Places(Protocol):
    """What is asked of an index: `store.Store` answers it."""

    def node(self, node: int) -> Node:
        """Give one node."""
        ...

    def ancestors(self, node: int) -> tuple[Node, ...]:
        """Give the nodes above one, the root first."""
        ...

    def leaves(self, passages: Iterable[int]) -> dict[int, Node]:
        """Give the leaf of each of the passages, by passage id."""
        ...

    def passages(self, passages: Iterable[int]) -> dict[int, Passage]:
        """Give the passages, by id."""
        ...

    def passages_of(self, document: str) -> dict[int, Passage]:
        """Give the passages of a document, by id; empty for an unknown one."""
        ...


@dataclass(frozen=True, slots=True)
class Weighed:
    """A node in the balance: its raw score (None: never read), ŝ, and what it counts for with its branch.

    `relevance` is what a leaf was ranked by in the end, and the path relevance of an inner node.
    """

    node: int
    raw: float | None
    latent: float
    relevance: float


@dataclass(frozen=True, slots=True)
class Lost:
    """What the place of one relevant document costs a query, and the evidence for the cause.

    `share` is the nDCG@10 lost (0 or negative: none was). `rank` and `prior_rank` are the document's 1-based ranks in
    the last ranking and in the prior's, None where it has none. `node` is what was dropped: the passage that stands for
    the document, or the node above it that was not opened; `raw`, `latent` and `relevance` are its (see `Weighed`).
    If it was read, `slate` is the running number of that slate from 1, `origin` the node whose children it held (None:
    seeds), `place` the node's 1-based rank among its `slate_size` candidates by raw score. `preferred` are the best of
    those that scored at least as high there, `above` the first of what wrongly stands above the document: up to 3 each,
    without passages of documents that are at least as relevant. `read_documents` counts the documents of which a
    passage was read, and `stopped` says why the search ended.
    """

    query: str
    document: str
    grade: int
    share: float
    cause: Cause
    rank: int | None = None
    prior_rank: int | None = None
    node: int | None = None
    raw: float | None = None
    latent: float | None = None
    relevance: float | None = None
    slate: int | None = None
    origin: int | None = None
    place: int | None = None
    slate_size: int | None = None
    preferred: tuple[Weighed, ...] = ()
    above: tuple[Weighed, ...] = ()
    read_documents: int = 0
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class CauseSum:
    """What one cause costs: the mean nDCG@10 lost over all queries, the relevant documents and the queries touched."""

    cause: Cause
    loss: float
    documents: int
    queries: int


def trails_of(store: Places, documents: Iterable[str]) -> dict[str, dict[int, tuple[int, ...]]]:
    """Give the leaves of each document and the nodes above each leaf; no leaves for a document that is not indexed."""
    return {
        document: {
            leaf.id: tuple(node.id for node in reversed(store.ancestors(leaf.id)))
            for leaf in store.leaves(store.passages_of(document)).values()
        }
        for document in documents
    }


def documents_of(store: Places, nodes: Iterable[int]) -> dict[int, str]:
    """Give the document of every leaf among the nodes; inner nodes are left out. KeyError for an unknown node."""
    passages = {node: passage for node in nodes if (passage := store.node(node).passage) is not None}
    found = store.passages(set(passages.values()))
    return {node: found[passage].document for node, passage in passages.items()}


def shares(grades: Mapping[str, int], ranking: Sequence[str], depth: int = _PLACES) -> dict[str, float]:
    """Split 1 − nDCG@`depth` among the relevant documents; empty where there is none. `ranking` holds no name twice.

    A document loses what its grade is worth at its ideal place more than at its actual one. Ideally the higher grades
    come first, and equal grades as they were ranked. A loss is negative where a document stands above better ones.
    """
    ranks = {document: rank for rank, document in enumerate(ranking)}
    relevant = [document for document, grade in grades.items() if grade > 0]
    ideal = sorted(relevant, key=lambda name: (-grades[name], ranks.get(name, math.inf), name))
    best = sum(grades[document] * _discount(place, depth) for place, document in enumerate(ideal))
    return {
        document: grades[document] * (_discount(place, depth) - _discount(ranks.get(document, depth), depth)) / best
        for place, document in enumerate(ideal)
    }


def explain(
    steps: Sequence[Step], grades: Mapping[str, int], trails: Trails, document_of: Mapping[int, str], query: str = ""
) -> list[Lost]:
    """Tell for every relevant document what its place costs and why, the greatest loss first.

    `steps` are all of a search, from step 0 on. `trails` holds the relevant documents (one that it lacks is not in the
    index). Leaves that `document_of` lacks are taken out of the rankings, as documents that count as absent should be.
    """
    account = _account(steps, document_of)
    losses = shares(grades, list(account.documents))
    lost = [
        _lost(account, grades, trails.get(document, {}), Lost(query, document, grades[document], share, "found"))
        for document, share in losses.items()
    ]
    return sorted(lost, key=lambda one: (-one.share, one.document))


def summary(losses: Iterable[Lost], queries: int) -> tuple[CauseSum, ...]:
    """Sum up by cause, the costliest first; `queries` is how many were asked, those without a loss included.

    What stands above its ideal place is in "found", with its negative loss. So the losses add up to the mean of
    1 − nDCG@10 where every query has a relevant document, and the documents to all relevant ones.
    """
    by_cause: dict[Cause, list[Lost]] = {}
    for one in losses:
        by_cause.setdefault(one.cause, []).append(one)
    sums = [
        CauseSum(cause, math.fsum(one.share for one in lost) / max(1, queries), len(lost), len({x.query for x in lost}))
        for cause in CAUSES
        if (lost := by_cause.get(cause))
    ]
    return tuple(sorted(sums, key=lambda one: -one.loss))


# What happened in a search


@dataclass(frozen=True, slots=True)
class _Reading:
    """The slate that a node was first read in (later ones hold it as an anchor), its number from 1, and the verdict."""

    number: int
    slate: JudgedSlate
    scored: Scored


@dataclass(frozen=True, slots=True)
class _Account:
    """A whole search by node and by document. Rankings are dictionaries in their order, best first.

    `prior` and `final` give the 0-based places of leaves, `prior_documents` and `documents` each document's best leaf.
    """

    readings: Mapping[int, _Reading]
    prior: Mapping[int, int]
    final: Mapping[int, int]
    prior_documents: Mapping[str, int]
    documents: Mapping[str, int]
    ranked: Mapping[int, Ranked]
    passed_over: Mapping[int, Scored]
    document_of: Mapping[int, str]
    read_documents: int
    stopped: str | None

    def weighed(self, node: int) -> Weighed:
        """Give what was thought of a node in the end: of a leaf that was ranked, or a node that was read."""
        reading = self.readings.get(node)
        raw = None if reading is None else reading.scored.raw
        if node in self.ranked:
            return Weighed(node, raw, self.ranked[node].latent, self.ranked[node].relevance)
        scored = self.passed_over[node] if node in self.passed_over else self.readings[node].scored
        return Weighed(node, raw, scored.latent, scored.path)


def _account(steps: Sequence[Step], document_of: Mapping[int, str]) -> _Account:
    first, last = steps[0].ranking, steps[-1]
    readings = _readings(steps)
    return _Account(
        readings=readings,
        prior={one.node: place for place, one in enumerate(first)},
        final={one.node: place for place, one in enumerate(last.ranking)},
        prior_documents=_best_leaves(first, document_of),
        documents=_best_leaves(last.ranking, document_of),
        ranked={one.node: one for one in last.ranking},
        passed_over={one.node: one for one in last.passed_over},
        document_of=document_of,
        read_documents=len({document_of[node] for node in readings if node in document_of}),
        stopped=last.stopped,
    )


def _readings(steps: Sequence[Step]) -> dict[int, _Reading]:
    readings: dict[int, _Reading] = {}
    slates = (slate for step in steps for slate in step.slates)
    for number, slate in enumerate(slates, start=1):
        for scored in slate.scored:
            readings.setdefault(scored.node, _Reading(number, slate, scored))
    return readings


def _best_leaves(ranking: Sequence[Ranked], document_of: Mapping[int, str]) -> dict[str, int]:
    """Rank documents by their best passages."""
    best: dict[str, int] = {}
    for one in ranking:
        if one.node in document_of:
            best.setdefault(document_of[one.node], one.node)
    return best


def _discount(place: int, depth: int) -> float:
    return 1.0 / math.log2(place + 2) if place < depth else 0.0


# Where a document was dropped


def _lost(account: _Account, grades: Mapping[str, int], trail: Mapping[int, tuple[int, ...]], bare: Lost) -> Lost:
    """Fill in the cause and the evidence."""
    cause, node = _stage(account, trail)
    above = _wrongly_above(account, grades, bare.document)
    if cause == "judge" and node is not None:
        cause = _outweighed(account, node, above)
    found = replace(
        bare,
        cause=cause if bare.share > 0 else "found",
        rank=_rank(account.documents, bare.document),
        prior_rank=_rank(account.prior_documents, bare.document),
        above=tuple(map(account.weighed, above[:_SHOWN])),
        read_documents=account.read_documents,
        stopped=account.stopped,
    )
    return found if node is None else _with_evidence(account, grades, node, found)


def _stage(account: _Account, trail: Mapping[int, tuple[int, ...]]) -> tuple[Cause, int | None]:
    """Give how far a document came, and the node that stands for it there; "judge" stands for all that was read.

    Opening a node reads all its children that nobody has read. So of an unread passage, the deepest node above it that
    was read was never opened: its description is where the way ended.
    """
    if not trail:
        return "corpus", None
    if read := [leaf for leaf in trail if leaf in account.readings]:
        return "judge", min(read, key=lambda leaf: account.final[leaf])
    if expected := [leaf for leaf in trail if leaf in account.prior]:
        return "budget", min(expected, key=lambda leaf: account.prior[leaf])
    # The depth of a node on the way down; of equally deep ones, the one that came closest to being opened.
    held = {
        node: len(above) - place
        for above in trail.values()
        for place, node in enumerate(above)
        if node in account.readings
    }
    if held:
        return "description", max(held, key=lambda node: (held[node], account.weighed(node).relevance, -node))
    return "unseen", None


def _wrongly_above(account: _Account, grades: Mapping[str, int], document: str) -> list[int]:
    """Give the best leaves of the less relevant documents above one, of those in the first ten places.

    There is at least one wherever a ranked document lost something. Let i be its ideal place and r > i its actual one
    (0-based): the documents above it that are at least as relevant all come before it ideally too, so there are at most
    i of them among the r above it; and as nothing is lost unless i < 10, at most i < 10 in the first ten places.
    """
    names = list(account.documents)
    rank = names.index(document) if document in account.documents else len(names)
    wrong = [name for name in names[: min(rank, _PLACES)] if grades.get(name, 0) < grades[document]]
    return [account.documents[name] for name in wrong]


def _outweighed(account: _Account, leaf: int, above: Sequence[int]) -> Cause:
    """Name what put most of `above` above a leaf that was read.

    Raw scores are compared over slates: where a judge's scores depend on the slate, that is only roughly fair.
    """
    weighers = Counter(_weigher(account.weighed(leaf), account.weighed(rival)) for rival in above)
    return max(_WEIGHERS, key=lambda cause: weighers[cause])


def _weigher(own: Weighed, rival: Weighed) -> Cause:
    if own.raw is None or rival.raw is None:
        return "prior"
    if rival.raw >= own.raw:
        return "judge"
    return "prior" if rival.latent >= own.latent else "path"


def _rank(documents: Mapping[str, int], document: str) -> int | None:
    return list(documents).index(document) + 1 if document in documents else None


def _with_evidence(account: _Account, grades: Mapping[str, int], node: int, found: Lost) -> Lost:
    own = account.weighed(node)
    known = replace(found, node=node, raw=own.raw, latent=own.latent, relevance=own.relevance)
    reading = account.readings.get(node)
    if reading is None:
        return known
    scored = reading.slate.scored
    return replace(
        known,
        slate=reading.number,
        origin=reading.slate.origin,
        place=1 + sum(one.raw > reading.scored.raw for one in scored),
        slate_size=len(scored),
        preferred=_preferred(account, grades, reading, found.grade),
    )


def _preferred(account: _Account, grades: Mapping[str, int], reading: _Reading, grade: int) -> tuple[Weighed, ...]:
    """Give what scored at least as high in the same slate, less the passages that were right to."""
    as_high = [one for one in reading.slate.scored if one.raw >= reading.scored.raw and one.node != reading.scored.node]
    # An inner node has no document, so it counts as wrong.
    wrong = [one for one in as_high if grades.get(account.document_of.get(one.node, ""), 0) < grade]
    best = sorted(wrong, key=lambda one: (-one.raw, one.node))[:_SHOWN]
    return tuple(replace(account.weighed(one.node), raw=one.raw) for one in best)
