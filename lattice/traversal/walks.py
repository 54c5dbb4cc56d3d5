"""Which search walks a tree: as was published, or ours, which depends on what the judge's scores depend on."""

from __future__ import annotations

from collections.abc import Iterator

from lattice.traversal.paper import PaperSettings, search_as_published
from lattice.traversal.prior import Prior
from lattice.traversal.search import Costs, SearchSettings, search
from lattice.traversal.steps import Step
from lattice.types import Judge, Tree


def walk(
    query: str, tree: Tree, judge: Judge, prior: Prior, settings: SearchSettings | PaperSettings, costs: Costs | None
) -> Iterator[Step]:
    """Yield the steps of the search that the settings ask for and the judge needs (docs/method.md)."""
    if isinstance(settings, PaperSettings):
        return search_as_published(query, tree, judge, settings, costs)
    if judge.slate_dependent:
        # Late, for it needs numpy, and the first lexical hits do not wait for that.
        from lattice.traversal.evidence import search_by_evidence

        return search_by_evidence(query, tree, judge, prior, settings, costs)
    return search(query, tree, judge, prior, settings, costs)
