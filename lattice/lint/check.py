"""The whole check of a tree: `check` reads like a table of contents."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from lattice.lint.names import namesakes, same_words
from lattice.lint.report import Finding, Limits, Report, Retrieval
from lattice.lint.shape import Outline, alike_siblings, empty_nodes, outline_of, shape_of, unbalanced_nodes
from lattice.lint.walk import Scorer, follow, summed
from lattice.lint.words import Bag, Weigher, as_written, cosine, terms_of
from lattice.store.store import Store
from lattice.types import Judge, Node, Slate, Usage

# The share found of 500 leaves is within 4 points of that of all (95%).
SAMPLE = 500
# A model reads some thousand tokens a leaf.
MODEL_SAMPLE = 20

BY_WORDS = "weighted words"
BY_MODEL = "the model"

Progress = Callable[[str, int, int], None]
"""Called with the stage ("tree", "walks", "model"), how much of it is done, and of how much."""


def check(
    store: Store,
    *,
    top: int | None = None,
    limits: Limits | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
    judge: Judge | None = None,
    model_sample: int = MODEL_SAMPLE,
    progress: Progress | None = None,
) -> Report:
    """Check the tree of an index, or the part below the node `top`; KeyError where there is no such node.

    All nodes are looked at; `sample` leaves, drawn with `seed`, are looked for again by words, and `model_sample` by
    `judge` where one is given. The same index, sample and seed give the same report.
    """
    report = progress or _silent
    with store.reading():
        root = store.root().id if top is None else store.node(top).id
        report("tree", 0, 1)
        outline = outline_of(store.nodes(), root)
        weigher = Weigher(store, store.status().passages)
        alike = [*alike_siblings(outline, store.vectors()[1]), *namesakes(outline)]
        findings = [*empty_nodes(outline), *alike, *unbalanced_nodes(outline)]
        report("tree", 1, 1)
        leaves = _sample(outline, sample, seed)
        said = _said(store, outline)
        covered, uncovered = _coverage(store, outline, weigher, leaves, said)
        retrieval = _walked(store, outline, leaves, weigher, _by_words(store, weigher, said), report, "walks", BY_WORDS)
        walked = None if judge is None else _by_model(store, outline, weigher, judge, (model_sample, seed), report)
    return Report(
        top=root,
        shape=shape_of(outline),
        findings=(*findings, *uncovered),
        covered=covered,
        alike=_share_alike(outline, alike),
        same_words=same_words(outline),
        retrieval=retrieval,
        limits=limits or Limits(),
        model=walked,
    )


def _sample(outline: Outline, size: int, seed: int) -> list[Node]:
    leaves = [node for node in outline.nodes if node.is_leaf]
    if size >= len(leaves):
        return leaves
    chosen = random.Random(seed).sample(range(len(leaves)), size)  # noqa: S311 - a sample, no secret
    return [leaves[i] for i in sorted(chosen)]


def _share_alike(outline: Outline, alike: Sequence[Finding]) -> float:
    parents = {outline.by_id[one.nodes[0]].parent for one in alike}
    inner = sum(not node.is_leaf for node in outline.nodes)
    return len(parents) / inner if inner else 0.0


def _said(store: Store, outline: Outline) -> dict[int, frozenset[str]]:
    """Give what is said of each inner node: the terms of its description, and its index terms."""
    more = store.index_terms()
    return {
        node.id: frozenset(terms_of(node.description)).union(more.get(node.id, ()))
        for node in outline.nodes
        if not node.is_leaf
    }


def _coverage(
    store: Store, outline: Outline, weigher: Weigher, leaves: Sequence[Node], said: Mapping[int, frozenset[str]]
) -> tuple[float | None, list[Finding]]:
    """Give the mean share of leaves' own terms that is said above them, and the leaves of which none is.

    Children of the topmost node are left out: they are always read, whatever is said above them.
    """
    shares, findings = [], []
    hidden = [leaf for leaf in leaves if len(outline.trail(leaf.id)) > 2]
    for leaf, text in _texts(store, hidden):
        own = weigher.own_terms(text)
        above = outline.trail(leaf.id)[:-1]
        missing = [term for term in own if not any(term in said[node] for node in above)]
        if own:
            shares.append(1.0 - len(missing) / len(own))
        if own and len(missing) == len(own):
            findings.append(Finding("uncovered", (leaf.id,), ", ".join(as_written(own[:5], text))))
    return (sum(shares) / len(shares) if shares else None), findings


def _texts(store: Store, leaves: Sequence[Node]) -> Iterator[tuple[Node, str]]:
    for leaf in leaves:
        assert leaf.passage is not None
        passage = store.passage(leaf.passage)
        yield leaf, f"{passage.title}\n{passage.text}"


def _walked(
    store: Store,
    outline: Outline,
    leaves: Sequence[Node],
    weigher: Weigher,
    scorer: Scorer,
    report: Progress,
    stage: str,
    walker: str,
) -> Retrieval:
    walks, silent = [], 0
    for done, leaf in enumerate(leaves, 1):
        assert leaf.passage is not None
        passage = store.passage(leaf.passage)
        sentence = weigher.sentence(passage.text, " ".join([passage.title, *passage.heading]))
        if not sentence:
            silent += 1
        elif leaf.id != outline.top.id:
            walks.append(follow(outline, leaf, sentence, scorer))
        report(stage, done, len(leaves))
    return summed(outline, walks, walker, silent)


def _by_words(store: Store, weigher: Weigher, said: Mapping[int, frozenset[str]]) -> Scorer:
    """Choose by the cosine of the sentence with each child: what is said of a node, a passage's title and text."""
    bags: dict[int, Bag] = {}
    asked: dict[str, Bag] = {}

    def bag(node: Node) -> Bag:
        if node.id not in bags:
            is_leaf = node.passage is not None
            bags[node.id] = weigher.bag(next(_texts(store, [node]))[1]) if is_leaf else weigher.bag_of(said[node.id])
        return bags[node.id]

    def score(sentence: str, _: Node, children: Sequence[Node]) -> list[float]:
        if sentence not in asked:
            asked.clear()
            asked[sentence] = weigher.bag(sentence)
        return [round(cosine(asked[sentence], bag(child)), 6) for child in children]

    return score


def _by_model(
    store: Store, outline: Outline, weigher: Weigher, judge: Judge, drawn: tuple[int, int], report: Progress
) -> Retrieval:
    spent: list[Usage] = []

    def score(sentence: str, node: Node, children: Sequence[Node]) -> Sequence[float]:
        judgement = judge.score(sentence, Slate(node.id, store.candidates(tuple(child.id for child in children))))
        spent.append(judgement.usage)
        return judgement.scores

    leaves = _sample(outline, *drawn)
    found = _walked(store, outline, leaves, weigher, score, report, "model", BY_MODEL)
    return replace(found, usage=sum(spent, Usage()))


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass
