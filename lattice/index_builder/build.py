"""Builds an index in memory: passages → vectors → tree → descriptions → names."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from lattice.errors import UsageError
from lattice.index_builder.authors import Writing
from lattice.index_builder.bottom_up import Branch, check_methods, grow
from lattice.index_builder.index_terms import index_terms_of
from lattice.index_builder.naming import names_of
from lattice.index_builder.organising import Organising
from lattice.index_builder.summaries import ExtractiveSummarizer, label, summarizer_of
from lattice.index_builder.top_down import TopDown
from lattice.index_builder.written import openings_of, written_summarizer_of
from lattice.jobs import HERE, Workers, one_thread
from lattice.models.embedders import fit_tfidf_svd
from lattice.types import TFIDF, BuildSettings, Document, Group, Matrix, Node, Passage, Skipped, Snapshot, Summarizer

if TYPE_CHECKING:
    from lattice.models.embedders import Array

Progress = Callable[[str, int, int], None]
"""Called with the stage ("vectors", "tree", "descriptions", "names"), how much of it is done, and of how much."""

Vectors = Callable[[list[str], Progress], "tuple[dict[str, Array], Matrix]"]
"""Gives what an index keeps of the embedder, as plain arrays, and one L2-normalised float32 row a text, (n, d)."""

DESCRIPTIONS = ("extractive", "llm")
STRATEGIES = ("bottom-up", "top-down")


def build(
    root: str,
    documents: Sequence[Document],
    passages: Sequence[Passage],
    skipped: Sequence[Skipped],
    settings: BuildSettings,
    progress: Progress | None = None,
    vectors_of: Vectors | None = None,
    writing: Writing | None = None,
    organising: Organising | None = None,
    workers: Workers = HERE,
) -> Snapshot:
    """Build the index of `passages`, in any order; the snapshot's numbers and orders are as `Snapshot` states.

    `vectors_of` makes the vectors where `settings` name another embedder than TF-IDF; `writing` has the model that
    writes where `settings.descriptions` is "llm", and `organising` the model that organises where `settings.strategy`
    is "top-down"; without it, vectors alone do. `workers` do what can be done apart, and have no part in what comes of
    it.

    Raises `UsageError` when `settings.branching` is below 2, for no tree has such nodes, and where `settings` name a
    clusterer, a structure or descriptions that there are not, or descriptions for which no model is there.
    """
    if settings.branching < 2:
        raise UsageError(f"branching is {settings.branching}, but a node needs room for 2 children; give 2 or more")
    check_methods(settings.clusterer, settings.structure)
    check_names(settings)
    hands = _Hands(writing, organising, workers, progress or _silent)
    # More threads of BLAS add up in another order: the index would depend on the machine, and on who shares the work.
    with one_thread:
        return _built(root, documents, passages, skipped, settings, vectors_of or _tfidf(settings, workers), hands)


@dataclass(frozen=True, slots=True)
class _Hands:
    """Who has a part in a build, and who is told."""

    writing: Writing | None
    organising: Organising | None
    workers: Workers
    report: Progress


def _built(
    root: str,
    documents: Sequence[Document],
    passages: Sequence[Passage],
    skipped: Sequence[Skipped],
    settings: BuildSettings,
    vectors_of: Vectors,
    hands: _Hands,
) -> Snapshot:
    report = hands.report
    ordered = tuple(sorted(passages, key=lambda passage: (passage.document, passage.position)))

    report("vectors", 0, len(ordered))
    texts = [embedded_text(passage) for passage in ordered]
    embedder, vectors = vectors_of(texts, report)
    report("vectors", len(ordered), len(ordered))

    extractive = summarizer_of(ordered, vectors, settings.description_words, hands.workers)
    tree = _grown(ordered, vectors, extractive, settings, hands)

    plan = _plan(tree)
    nodes = _described(plan, ordered, _summarizer(ordered, extractive, settings, hands.writing), report)
    summaries = {number: one.branch.summaries for number, one in enumerate(plan, 1) if one.branch.summaries}
    inner = {number: list(one.branch.leaves()) for number, one in enumerate(plan, 1) if one.branch.passage is None}
    index_terms = dict(zip(inner, index_terms_of(extractive.lexicon, list(inner.values())), strict=True))
    report("names", 0, 1)
    nodes = _named(nodes, names_of(tree, ordered, PurePath(root).name))
    report("names", 1, 1)
    return Snapshot(
        root=root,
        documents=tuple(sorted(documents, key=lambda document: document.path)),
        passages=ordered,
        nodes=nodes,
        vectors=vectors,
        embedder=embedder,
        settings=settings,
        skipped=tuple(skipped),
        summaries=summaries,
        index_terms=index_terms,
    )


def _tfidf(settings: BuildSettings, workers: Workers) -> Vectors:
    if settings.embedder != TFIDF:
        raise ValueError(f"the settings name the embedder {settings.embedder}: give what makes its vectors")

    def vectors(texts: list[str], report: Progress) -> tuple[dict[str, Array], Matrix]:
        bounds = (settings.dimensions, settings.vocabulary, settings.seed)
        embedder, rows = fit_tfidf_svd(texts, *bounds, workers, lambda done: report("vectors", done, len(texts)))
        return embedder.arrays(), rows

    return vectors


def _grown(
    passages: Sequence[Passage],
    vectors: Matrix,
    extractive: ExtractiveSummarizer,
    settings: BuildSettings,
    hands: _Hands,
) -> Branch:
    placed, report = 0, hands.report

    def done(more: int) -> None:
        nonlocal placed
        placed += more
        report("tree", placed, len(passages))

    report("tree", 0, len(passages))
    gather = None
    if settings.strategy == "top-down":
        organising = hands.organising or Organising(None, "there is none")
        gather = _top_down(passages, extractive, settings, organising, hands).gather
    bounds = (settings.branching, settings.seed, settings.clusterer, settings.structure)
    tree = grow(passages, vectors, *bounds, gather, hands.workers, done)
    report("tree", len(passages), len(passages))
    return tree


def embedded_text(passage: Passage) -> str:
    """Give what a passage's vector is made of: title, headings and text."""
    return "\n".join([passage.title, *passage.heading, passage.text])


def check_names(settings: BuildSettings) -> None:
    """Raise UsageError where there are no descriptions, or is no strategy, of the name that `settings` give."""
    if settings.descriptions not in DESCRIPTIONS:
        known = ", ".join(DESCRIPTIONS)
        raise UsageError(f"There are no descriptions {settings.descriptions!r}; choose one of: {known}.")
    if settings.strategy not in STRATEGIES:
        raise UsageError(f"There is no strategy {settings.strategy!r}; choose one of: {', '.join(STRATEGIES)}.")


def _top_down(
    passages: Sequence[Passage],
    extractive: ExtractiveSummarizer,
    settings: BuildSettings,
    organising: Organising,
    hands: _Hands,
) -> TopDown:
    how = (settings.branching, settings.seed, settings.clusterer)
    return TopDown(organising, extractive, openings_of(passages), *how, hands.report, workers=hands.workers)


def _summarizer(
    passages: Sequence[Passage], extractive: ExtractiveSummarizer, settings: BuildSettings, writing: Writing | None
) -> Summarizer:
    if settings.descriptions == "extractive":
        return extractive
    if writing is None:
        raise UsageError("Descriptions by an LLM need a model that writes them.")
    return written_summarizer_of(passages, extractive, writing)


@dataclass(slots=True)
class _Planned:
    """A branch that has its place: the indices of its parent and children among all, its depth, and its height."""

    branch: Branch
    parent: int | None
    depth: int
    children: list[int] = field(default_factory=list)
    height: int = 0


def _described(
    plan: Sequence[_Planned], passages: Sequence[Passage], summarizer: Summarizer, report: Progress
) -> tuple[Node, ...]:
    """Describe the branches of a plan, children first, and give their nodes."""
    texts = [label(passages[one.branch.passage]) if one.branch.passage is not None else "" for one in plan]
    inner = [number for number, one in enumerate(plan) if one.branch.passage is None]
    report("descriptions", 0, len(inner))
    done = itertools.count(1)
    for _, level in itertools.groupby(sorted(inner, key=lambda at: plan[at].height), lambda at: plan[at].height):
        numbers = list(level)
        for at, text in summarizer.describe_all([_group(plan, number, texts) for number in numbers]):
            texts[numbers[at]] = text
            report("descriptions", next(done), len(inner))
    counts = _counts(plan)
    return tuple(
        Node(
            number + 1,
            None if one.parent is None else one.parent + 1,
            one.branch.kind,
            text,
            counts[number],
            one.depth,
            None if one.branch.passage is None else one.branch.passage + 1,
        )
        for number, (one, text) in enumerate(zip(plan, texts, strict=True))
    )


def _plan(tree: Branch) -> list[_Planned]:
    """Give the branches in the order of their numbers: parents first, each subtree in one stretch."""
    plan: list[_Planned] = []

    def visit(branch: Branch, parent: int | None, depth: int) -> int:
        number = len(plan)
        plan.append(one := _Planned(branch, parent, depth))
        one.children = [visit(child, number, depth + 1) for child in branch.children]
        one.height = max((plan[child].height + 1 for child in one.children), default=0)
        return number

    visit(tree, None, 0)
    return plan


def _group(plan: Sequence[_Planned], number: int, texts: Sequence[str]) -> Group:
    one = plan[number]
    leaves = [list(plan[child].branch.leaves()) for child in one.children]
    return Group(leaves, one.branch.headings, [texts[child] for child in one.children], one.branch.said)


def _counts(plan: Sequence[_Planned]) -> list[int]:
    """Give the number of passages below each."""
    counts = [int(one.branch.passage is not None) for one in plan]
    for number in range(len(plan) - 1, 0, -1):
        parent = plan[number].parent
        assert parent is not None  # only the first has none
        counts[parent] += counts[number]
    return counts


def _named(nodes: Sequence[Node], names: Sequence[str]) -> tuple[Node, ...]:
    return tuple(replace(node, name=name) for node, name in zip(nodes, names, strict=True))


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass
