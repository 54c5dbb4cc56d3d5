"""One question, answered: everything that the answers of one search have in common."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lattice.models.registry import EMBEDDED_CURE
from lattice.traversal.admitted import Admission, AdmittedTree
from lattice.traversal.followups import stand_alone
from lattice.traversal.judges.choice import ModelJudge, ToldJudge
from lattice.traversal.judges.remote import RemoteJudge
from lattice.traversal.paper import PaperSettings
from lattice.traversal.prior import Prior
from lattice.traversal.search import SearchSettings
from lattice.traversal.snippets import snippet
from lattice.traversal.steps import Ranked, Step
from lattice.traversal.walks import walk
from lattice.types import Hit, Judge, Node, Question, TrailNode, Tree, Understanding, Usage

if TYPE_CHECKING:
    from lattice.lattice import Lattice

Settings = SearchSettings | PaperSettings  # as we search by default, or as was published


@dataclass(frozen=True, slots=True)
class Answer:
    """A search at one moment: the hits so far, how they came about and what they cost.

    `mode` is "lattice" where a model reads, "prior" where none does; `notice` then says why, and the cure. Where one
    reads, `notice` says what was wrong with its answers. `stopped` is None while the search goes on, then "budget",
    "iterations", "seconds", "settled" (nothing unread would come near the first hits), "exhausted" or, without a model,
    "prior"; "filters" where they left nothing to search, and `notice` then says which.
    `step` holds what was read since the last answer (None for the lexical hits that come first). `understood` is what
    was searched for in place of `query`; None where that was the query, as it was asked. `without_vectors` says why
    vectors had no part in the search though the index has them, and the cure.
    """

    query: str
    root: str
    mode: Literal["lattice", "prior"]
    stopped: str | None
    hits: tuple[Hit, ...]
    usage: Usage = Usage()  # noqa: RUF009 - frozen, so one default serves all
    notice: str | None = None
    step: Step | None = None
    understood: Understanding | None = None
    without_vectors: str | None = None


class Answering:
    """One search: a question put to one generation of an index."""

    def __init__(
        self, lattice: Lattice, question: Question, limit: int, min_relevance: float, admission: Admission | None
    ) -> None:
        """Take the question as it was asked."""
        self._lattice, self._store = lattice, lattice.store
        self._question, self._limit, self._min_relevance = question, limit, min_relevance
        self._understood = stand_alone(question.text, question.history)
        self._admission = admission
        self._tree: Tree = lattice.store if admission is None else AdmittedTree(lattice.store, admission)
        self._root = lattice.store.status().root

    @property
    def _query(self) -> str:
        """What is searched for, as far as it is understood by now."""
        return self._understood.query if self._understood else self._question.text

    def answers(self, settings: Settings) -> Generator[Answer, None, None]:
        """Yield the answer as it grows; see `Lattice.iter_search`."""
        started = time.monotonic()
        if self._admission is not None and self._admission.nothing is not None:
            yield self._answer("filters", (), notice=self._admission.nothing)
            return
        yield self._at_once()
        judge = self._lattice.judge()
        spent = self._understand(settings, started)
        prior = self._lattice.prior(self._query, self._admission, self._vocabulary())
        if judge is None:
            yield self._without_model(prior)
            return
        yield from self._walked(self._prepared(judge, settings, started), prior, settings, spent)

    def _walked(self, judge: Judge, prior: Prior, settings: Settings, spent: Usage) -> Generator[Answer, None, None]:
        notice: str | None = None
        costs = judge.costs if isinstance(judge, ModelJudge) else None
        for step in walk(self._query, self._tree, judge, prior, _after(settings, spent), costs):
            if step.stopped is not None and isinstance(judge, RemoteJudge):
                judge.check()
            for slate in step.slates:
                notice = " ".join(slate.notes) or None
            notice = self._lattice.problem() or notice
            yield self._answer(step.stopped, self._hits(step.ranking), spent + step.usage, notice, step)

    def _understand(self, settings: Settings, started: float) -> Usage:
        """Have a model say what is meant, where that is wanted; give what it cost."""
        if not self._question.history and not self._question.expand:
            return Usage()
        from lattice.traversal.understanding import understand

        left = None if settings.seconds is None else settings.seconds - (time.monotonic() - started)
        self._understood = understand(self._question, self._lattice.scribe(), settings.budget_tokens, left)
        return self._understood.usage if self._understood else Usage()

    def _vocabulary(self) -> tuple[str, ...]:
        return self._understood.vocabulary if self._understood else ()

    def _prepared(self, judge: Judge, settings: Settings, started: float) -> Judge:
        """Give the judge as it is to read for this question alone."""
        if isinstance(judge, ModelJudge):
            # A new one a search: what a judge remembers of the last one would make this one cheaper, and so another.
            judge = replace(judge, deadline=None if settings.seconds is None else started + settings.seconds)
        if isinstance(judge, ToldJudge) and self._understood and self._understood.problem:
            judge = replace(judge, problem=self._understood.problem)
        return judge

    def _answer(
        self,
        stopped: str | None,
        hits: tuple[Hit, ...],
        usage: Usage = Usage(),  # noqa: B008 - frozen, so one default serves all
        notice: str | None = None,
        step: Step | None = None,
        mode: Literal["lattice", "prior"] | None = None,
    ) -> Answer:
        mode = mode or ("lattice" if self._lattice.reads else "prior")
        understood, without = self._understood, self._lattice.first_stage.problem
        return Answer(self._question.text, self._root, mode, stopped, hits, usage, notice, step, understood, without)

    def _at_once(self) -> Answer:
        prior = self._lattice.first_stage.at_once(self._query, self._admission)
        return self._answer(None, self._hits(_unread(prior)))

    def _without_model(self, prior: Prior) -> Answer:
        notice = f"No model reads: the ranking is that of lexical and vector search. {EMBEDDED_CURE}."
        return self._answer("prior", self._hits(_unread(prior)), notice=notice, mode="prior")

    def _hits(self, ranking: Sequence[Ranked]) -> tuple[Hit, ...]:
        chosen = [ranked for ranked in ranking if ranked.relevance >= self._min_relevance][: self._limit]
        return tuple(self._hit(rank, ranked) for rank, ranked in enumerate(chosen, start=1))

    def _hit(self, rank: int, ranked: Ranked) -> Hit:
        node = self._store.node(ranked.node)
        assert node.passage is not None
        passage = self._store.passage(node.passage)
        shown, marks = snippet(self._query, passage.text)
        return Hit(
            rank=rank,
            id=node.id,
            path=passage.document,
            title=passage.title,
            heading=passage.heading,
            location=passage.location,
            snippet=shown,
            marks=marks,
            relevance=round(ranked.relevance, 4),
            judged=ranked.judged,
            trail=self._trail(node),
        )

    def _trail(self, leaf: Node) -> tuple[TrailNode, ...]:
        """Give the nodes above a leaf, as a judge reads them."""
        above = tuple(node.id for node in self._store.ancestors(leaf.id)[1:])
        read = self._tree.candidates(above)
        nodes = (self._store.node(one.node) for one in read)
        # Of a node of which filters leave little, the name would tell what they leave out.
        return tuple(
            TrailNode(one.node, one.text, node.name if one.text == node.description else "")
            for one, node in zip(read, nodes, strict=True)
        )


def _unread(prior: Prior) -> tuple[Ranked, ...]:
    return tuple(Ranked(hit.leaf, hit.expected, False, hit.expected) for hit in prior.hits)


def _after(settings: Settings, spent: Usage) -> Settings:
    """Give what is left of the limits."""
    tokens, seconds = settings.budget_tokens, settings.seconds
    return replace(
        settings,
        budget_tokens=None if tokens is None else max(0, tokens - spent.evaluated - spent.reused),
        seconds=None if seconds is None else max(0.0, seconds - spent.seconds),
    )
