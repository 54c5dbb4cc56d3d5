"""The methods that an evaluation compares, by name. Each answers a query with one ranking of documents, or with many.

A method is made once a collection from what it may use (`Bench`) and then called with the id of a query. It yields its
ranking at every moment at which it could be stopped: what they cost and find is the anytime curve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from lattice.evaluate.bm25 import Bm25
from lattice.evaluate.collection import Collection
from lattice.evaluate.losses import documents_of
from lattice.lattice import Lattice
from lattice.traversal.admitted import Admission, AdmittedTree
from lattice.traversal.paper import PaperSettings, search_as_published
from lattice.traversal.prior import Prior
from lattice.traversal.search import DEFAULT_CALIBRATION, Costs, SearchSettings
from lattice.traversal.steps import Step
from lattice.traversal.walks import walk
from lattice.types import Candidate, Filters, Judge, Judgement, Node, Slate, Tree, Usage

DEPTH = 100  # documents of a ranking: what Recall@100 looks at


@dataclass(frozen=True, slots=True)
class Answered:
    """A ranking of document ids, best first, and what it has cost so far; `step` is the search's own account."""

    documents: tuple[str, ...]
    usage: Usage = Usage()  # noqa: RUF009 - frozen, so one default serves all
    step: Step | None = None


class PricedJudge(Judge, Protocol):
    """A judge that tells what it will cost."""

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate would evaluate; what the query costs alone is on the first."""
        ...

    def prices(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the same where something has been judged for the query."""
        ...


@dataclass(frozen=True, slots=True)
class Bench:
    """What methods may use. `judge` makes a judge for one query; it is not called where no judge is needed."""

    collection: Collection
    lattice: Lattice
    judge: Callable[[], PricedJudge]
    settings: SearchSettings


Answer = Callable[[str], Iterator[Answered]]

Walk = Callable[[str, Tree, Judge, Prior, SearchSettings, Costs], Iterator[Step]]
"""A search from the prior's ranking to the last within the budget."""


@dataclass(frozen=True, slots=True)
class Method:
    """Makes what answers a query, by the query's id; `reads` tells whether it needs a judge."""

    make: Callable[[Bench], Answer]
    reads: bool


def bm25(bench: Bench) -> Answer:
    """BM25 over whole documents, by another implementation than our own."""
    index = Bm25(bench.collection.records)

    def answer(query: str) -> Iterator[Answered]:
        depth = DEPTH + len(bench.collection.excluded.get(query, ()))
        yield Answered(_admitted(bench, query, list(index.search(bench.collection.queries[query], depth))))

    return answer


def prior(bench: Bench) -> Answer:
    """Our lexical and vector search, fused, before any model reads."""

    def answer(query: str) -> Iterator[Answered]:
        hits = bench.lattice.prior(bench.collection.queries[query], _admission(bench, query)).hits
        yield Answered(_documents(bench, query, [hit.leaf for hit in hits]))

    return answer


def rerank(bench: Bench) -> Answer:
    """The prior's best, read in its order by the same judge under the same calibration and budget: no tree."""
    return lambda query: searched(bench, query, Flat(tree_of(bench, query)), bench.judge(), bench.settings)


def lattice(bench: Bench) -> Answer:
    """The default search."""
    return lambda query: searched(bench, query, tree_of(bench, query), bench.judge(), bench.settings)


def navigation(bench: Bench) -> Answer:
    """The default search without a prior: from the root down, by what descriptions say and nothing else."""

    def unaided(
        query: str, tree: Tree, judge: Judge, _: Prior, settings: SearchSettings, costs: Costs
    ) -> Iterator[Step]:
        return walk(query, tree, judge, Prior(), settings, costs)

    return lambda query: searched(bench, query, tree_of(bench, query), bench.judge(), bench.settings, unaided)


def paper(bench: Bench) -> Answer:
    """The search as published, with the same judge and budget: no prior, B = 2, N = 20."""
    settings = PaperSettings(budget_tokens=bench.settings.budget_tokens)

    def answer(query: str) -> Iterator[Answered]:
        judge = bench.judge()
        text = bench.collection.queries[query]
        for step in search_as_published(text, tree_of(bench, query), judge, settings, judge.costs):
            yield Answered(_documents(bench, query, [one.node for one in step.ranking]), step.usage, step)

    return answer


def oracle(bench: Bench) -> Answer:
    """A judge that knows the qrels, in the same tree and at the same price: the ceiling of tree, prior and budget.

    A leaf is worth its document's grade, a node the best that lies below it; such a judge is believed at once.
    """
    trusting = replace(bench.settings, context=0.0, calibration=replace(DEFAULT_CALIBRATION, prior_weight=0.01))

    def answer(query: str) -> Iterator[Answered]:
        judge = PerfectJudge(truth_of(bench, query), bench.judge())
        return searched(bench, query, tree_of(bench, query), judge, trusting)

    return answer


METHODS = {
    "bm25": Method(bm25, reads=False),
    "prior": Method(prior, reads=False),
    "rerank": Method(rerank, reads=True),
    "paper": Method(paper, reads=True),
    "lattice": Method(lattice, reads=True),
    "navigation": Method(navigation, reads=True),
    "oracle": Method(oracle, reads=True),
}


class Flat:
    """A tree without its inner nodes: every leaf hangs on a root that cannot be opened."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._root = tree.root()

    def root(self) -> Node:
        """Give the root."""
        return self._root

    def node(self, node: int) -> Node:
        """Give a leaf, hung on the root."""
        if node == self._root.id:
            return self._root
        return replace(self._tree.node(node), parent=self._root.id, depth=1)

    def children(self, node: int) -> tuple[Node, ...]:
        """Give nothing: there is nothing to open."""
        del node
        return ()

    def candidates(self, nodes: tuple[int, ...]) -> tuple[Candidate, ...]:
        """Give what a judge reads for each of the leaves."""
        return self._tree.candidates(nodes)


@dataclass(slots=True)
class PerfectJudge:
    """Scores a node as `truth` says (0 where it says nothing), at the tokens that `priced` would evaluate."""

    truth: dict[int, float]
    priced: PricedJudge
    slate_dependent: bool = False
    _is_asked: bool = False

    def score(self, query: str, slate: Slate) -> Judgement:
        """Look every candidate up."""
        usage = Usage(evaluated=sum(self.costs(query, slate.candidates)), calls=1)
        self._is_asked = True
        return Judgement(tuple(self.truth.get(one.node, 0.0) for one in slate.candidates), usage)

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give what the judge whose prices these are would evaluate."""
        return self.priced.prices(query, candidates) if self._is_asked else self.priced.costs(query, candidates)


def truth_of(bench: Bench, query: str) -> dict[int, float]:
    """Give the relevance in (0, 1] of every node at or above a relevant passage."""
    store, truth = bench.lattice.store, dict[int, float]()
    grades = {name: grade for name, grade in bench.collection.qrels[query].items() if grade > 0}
    for name, grade in grades.items():
        for leaf in store.leaves(store.passages_of(name)).values():
            for node in (leaf, *store.ancestors(leaf.id)):
                truth[node.id] = max(truth.get(node.id, 0.0), grade / max(grades.values()))
    return truth


def searched(
    bench: Bench, query: str, tree: Tree, judge: PricedJudge | PerfectJudge, settings: SearchSettings, by: Walk = walk
) -> Iterator[Answered]:
    """Yield what a walk from the prior answers to a query."""
    text = bench.collection.queries[query]
    expected = bench.lattice.prior(text, _admission(bench, query))
    for step in by(text, tree, judge, expected, settings, judge.costs):
        yield Answered(_documents(bench, query, [one.node for one in step.ranking]), step.usage, step)


def _admission(bench: Bench, query: str) -> Admission | None:
    """Give what a query may find, where it names documents that count as absent."""
    return bench.lattice.admission(Filters(excluded_ids=bench.collection.excluded.get(query, frozenset())))


def tree_of(bench: Bench, query: str) -> Tree:
    """Give the tree that a query searches: without the documents that count as absent for it."""
    admission = _admission(bench, query)
    return bench.lattice.store if admission is None else AdmittedTree(bench.lattice.store, admission)


def _documents(bench: Bench, query: str, leaves: Sequence[int]) -> tuple[str, ...]:
    """Rank documents by their best passages."""
    names = documents_of(bench.lattice.store, leaves)
    return _admitted(bench, query, list(dict.fromkeys(names[leaf] for leaf in leaves)))


def _admitted(bench: Bench, query: str, ranked: Sequence[str]) -> tuple[str, ...]:
    excluded = bench.collection.excluded.get(query, frozenset())
    return tuple(name for name in ranked if name not in excluded)[:DEPTH]
