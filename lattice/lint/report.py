"""What a check of a tree finds, as values, and the limits that it is held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lattice.types import Usage

Kind = Literal["empty", "alike", "namesakes", "unbalanced", "uncovered"]
# Only an empty node is a fault whatever the corpus; of the others there may be some, as the limits say.
KINDS: dict[Kind, str] = {
    "empty": "says nothing, or holds nothing",
    "alike": "these two can't be told apart",
    "namesakes": "these two have one name",
    "unbalanced": "nearly all of it is below one child",
    "uncovered": "none of its own terms stands in a description above it",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at `nodes` (ids: the node, or both of two siblings); `detail` says what exactly."""

    kind: Kind
    nodes: tuple[int, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class Shape:
    """How a tree is built. `depths` counts leaves by depth, `branching` inner nodes by their number of children.

    `balance` is the mean over inner nodes of H / ln k, H the entropy (nats) of how their leaves divide among their k
    children: 1 where all have as many. None where no node has two children.
    """

    leaves: int
    inner: int
    depths: dict[int, int]
    branching: dict[int, int]
    balance: float | None


@dataclass(frozen=True, slots=True)
class Level:
    """What happened at one depth: `chosen` right choices among `asked`; a walk that is astray is not asked again."""

    depth: int
    asked: int
    chosen: int


@dataclass(frozen=True, slots=True)
class Sender:
    """A node that was reached rightly by `asked` walks and sent `astray` of them to a wrong child."""

    node: int
    asked: int
    astray: int


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How many leaves a walk with a sentence of their own finds again.

    `walker` says what chose. Of `asked` leaves `found` were reached, `parents` had their parent reached, and `kept`
    are among the leaves of a walk that keeps the best three nodes. `by_depth` counts by the leaf's depth, `levels`
    by that of the node where a child was chosen; `senders` are the worst nodes first. `silent` leaves have no words.
    """

    walker: str
    asked: int
    found: int
    parents: int
    kept: int
    by_depth: tuple[Level, ...]
    levels: tuple[Level, ...]
    senders: tuple[Sender, ...]
    silent: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tree must keep to; shares in [0, 1]. An empty node always fails.

    `found` is the least share of leaves found again, `covered` the least share of leaves' terms that stand in a
    description above them, `alike` the largest share of inner nodes with children that cannot be told apart, by
    texts or by names.
    """

    found: float = 0.1
    covered: float = 0.05
    alike: float = 0.05


@dataclass(frozen=True, slots=True)
class Report:
    """All that a check found. `covered` is the mean share of a sampled leaf's terms that a description above holds.

    `alike` is the share of inner nodes with children that are alike or namesakes; `same_words` that of the pairs of
    named siblings whose names hold the same words; `model` is the walk of a model, where one was asked.
    """

    top: int
    shape: Shape
    findings: tuple[Finding, ...]
    covered: float | None
    alike: float
    same_words: float | None
    retrieval: Retrieval
    limits: Limits
    model: Retrieval | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """What is beyond the limits, a sentence each; empty where the check is passed."""
        return tuple(self._failures())

    def count(self, kind: Kind) -> int:
        """Give how many findings there are of a kind."""
        return sum(finding.kind == kind for finding in self.findings)

    def _failures(self) -> Iterator[str]:
        if empty := self.count("empty"):
            yield f"{empty:,} empty nodes (none is allowed): build the index again, or look at what was indexed"
        if self.alike > self.limits.alike:
            yield (
                f"{self.alike:.0%} of the nodes have children that cannot be told apart (at most "
                f"{self.limits.alike:.0%}): look for copies among the documents, or for documents without titles"
            )
        if self.covered is not None and self.covered < self.limits.covered:
            yield (
                f"{self.covered:.0%} of the passages' terms stand in a description above them (at least "
                f"{self.limits.covered:.0%}): give descriptions more words, or documents titles"
            )
        asked, found = self.retrieval.asked, self.retrieval.found
        if asked and found / asked < self.limits.found:
            yield (
                f"{found / asked:.0%} of the passages are found again (at least {self.limits.found:.0%}): the levels "
                "and nodes below say where the way is lost"
            )
