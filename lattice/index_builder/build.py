"""Builds an index in memory: passages → vectors → tree → descriptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lattice.errors import UsageError
from lattice.index_builder.bottom_up import Branch, check_methods, grow
from lattice.index_builder.summaries import label, summarizer_of
from lattice.models.embedders import fit_tfidf_svd
from lattice.types import TFIDF, BuildSettings, Document, Matrix, Node, Passage, Skipped, Snapshot, Summarizer

if TYPE_CHECKING:
    from lattice.models.embedders import Array

Progress = Callable[[str, int, int], None]
"""Called with the stage ("vectors", "tree", "descriptions"), how much of it is done, and of how much."""

Vectors = Callable[[list[str], Progress], "tuple[dict[str, Array], Matrix]"]
"""Gives what an index keeps of the embedder, as plain arrays, and one L2-normalised float32 row a text, (n, d)."""


def build(
    root: str,
    documents: Sequence[Document],
    passages: Sequence[Passage],
    skipped: Sequence[Skipped],
    settings: BuildSettings,
    progress: Progress | None = None,
    vectors_of: Vectors | None = None,
) -> Snapshot:
    """Build the index of `passages`, in any order; the snapshot's numbers and orders are as `Snapshot` states.

    `vectors_of` makes the vectors where `settings` name another embedder than TF-IDF.

    Raises `UsageError` when `settings.branching` is below 2, for no tree has such nodes, and where `settings` name a
    clusterer or a structure that there is not.
    """
    if settings.branching < 2:
        raise UsageError(f"branching is {settings.branching}, but a node needs room for 2 children; give 2 or more")
    check_methods(settings.clusterer, settings.structure)
    report = progress or _silent
    ordered = tuple(sorted(passages, key=lambda passage: (passage.document, passage.position)))

    report("vectors", 0, len(ordered))
    texts = [embedded_text(passage) for passage in ordered]
    embedder, vectors = (vectors_of or _tfidf(settings))(texts, report)
    report("vectors", len(ordered), len(ordered))

    report("tree", 0, len(ordered))
    tree = grow(ordered, vectors, settings.branching, settings.seed, settings.clusterer, settings.structure)
    report("tree", len(ordered), len(ordered))

    report("descriptions", 0, len(ordered))
    summarizer = summarizer_of(ordered, vectors, settings.description_words)
    nodes = _described(tree, ordered, summarizer, report)
    return Snapshot(
        root=root,
        documents=tuple(sorted(documents, key=lambda document: document.path)),
        passages=ordered,
        nodes=nodes,
        vectors=vectors,
        embedder=embedder,
        settings=settings,
        skipped=tuple(skipped),
    )


def _tfidf(settings: BuildSettings) -> Vectors:
    if settings.embedder != TFIDF:
        raise ValueError(f"the settings name the embedder {settings.embedder}: give what makes its vectors")

    def vectors(texts: list[str], _report: Progress) -> tuple[dict[str, Array], Matrix]:
        embedder, rows = fit_tfidf_svd(texts, settings.dimensions, settings.vocabulary, settings.seed)
        return embedder.arrays(), rows

    return vectors


def embedded_text(passage: Passage) -> str:
    """Give what a passage's vector is made of: title, headings and text."""
    return "\n".join([passage.title, *passage.heading, passage.text])


def _described(tree: Branch, passages: Sequence[Passage], summarizer: Summarizer, report: Progress) -> tuple[Node, ...]:
    """Number the branches parents first, each subtree in one stretch, and describe them."""
    nodes: list[Node] = []
    total = _size(tree)

    def visit(branch: Branch, parent: int | None, depth: int) -> None:
        leaves = [list(child.leaves()) for child in branch.children]
        if branch.passage is None:
            description, passage = summarizer.describe(leaves, branch.headings), None
        else:
            description, passage = label(passages[branch.passage]), branch.passage + 1
        below = sum(map(len, leaves)) if passage is None else 1
        nodes.append(Node(len(nodes) + 1, parent, branch.kind, description, below, depth, passage))
        report("descriptions", len(nodes), total)
        own = len(nodes)
        for child in branch.children:
            visit(child, own, depth + 1)

    visit(tree, None, 0)
    return tuple(nodes)


def _size(branch: Branch) -> int:
    return 1 + sum(map(_size, branch.children))


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass
