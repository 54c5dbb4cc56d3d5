"""Who organises a corpus top-down: a model, as far as its answers can be used; and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from lattice.index_builder.authors import Call, Writing
from lattice.index_builder.levels import Levels, batches, levels_call, read_levels
from lattice.index_builder.topics import Item, Repairs, Topic, read_answer, topics_call, topics_of
from lattice.types import Matrix, Usage

# A model is given up where it has failed so often, and more often than not.
FAILURES = 3
# Calls at a time until so many answers could be used, and later: the give-up must depend on the order of the calls
# alone, and not on which answer comes first.
PROBED, TOGETHER = 4, 64

GAVE_UP = "more of its answers were unusable than not"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Organised:
    """How a tree was organised top-down: `splits` in all, `by_vectors` of them where no model's answer was used.

    `texts` were summarised by the model, `by_rule` of them by rule since it gave nothing usable. What was repaired, in
    summaries and topics: `missing` from all topics, `doubled` in several, `unknown` numbers, `merged` topics, topics
    without a name. `kept` answers were there from an earlier build; `usage` is what the others cost. `reason` says why
    no model was asked, or none any more.
    """

    splits: int
    by_vectors: int
    texts: int
    by_rule: int
    missing: int
    doubled: int
    unknown: int
    merged: int
    unnamed: int
    kept: int
    usage: Usage
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """A node that is to be split: its summaries, as its texts have them, the rows of its texts, and its name."""

    items: Sequence[Item]
    vectors: Matrix
    above: str = ""


@dataclass(slots=True)
class Organising:
    """The top-down work of one build. `writing` asks the model; `reason` says why none is asked, or none any more.

    `persists` has a model asked on however bad its answers are, as an estimate must.
    """

    writing: Writing | None
    reason: str = ""
    persists: bool = False
    splits: int = 0
    by_vectors: int = 0
    texts: int = 0
    by_rule: int = 0
    repairs: Repairs = field(default_factory=Repairs)
    _used: int = 0
    _failed: int = 0

    def summaries(self, texts: Sequence[str], report: Progress) -> list[Levels] | None:
        """Give the summaries of five lengths of each text, empty ones where the model gave none; None without model."""
        if self.writing is None or self.reason:
            return None
        parts = batches(len(texts))
        calls = [levels_call([texts[place] for place in part]) for part in parts]
        found: list[Levels] = []
        report("summaries", 0, len(calls))
        for at, said in self._asked(calls):
            levels = read_levels(said, len(parts[at]))
            self._count(usable=sum(map(all, levels)) * 2 >= len(levels))
            found += levels
            report("summaries", at + 1, len(calls))
        if self.reason:
            return None
        self.texts += len(texts)
        return found

    def topics(self, splits: Sequence[Split], most: int, report: Progress) -> list[list[Topic] | None]:
        """Give the topics of each node; None for those that are left to their vectors."""
        found: list[list[Topic] | None] = [None] * len(splits)
        asked = [number for number, split in enumerate(splits) if split.items]
        calls = [topics_call(splits[number].items, most, splits[number].above) for number in asked]
        for at, said in self._asked(calls) if self.writing is not None and not self.reason else ():
            split = splits[asked[at]]
            usable = topics_of(read_answer(said, len(split.items)), split.items, split.vectors, most)
            self._count(usable=usable is not None)
            if usable is not None:
                found[asked[at]], repairs = usable
                self.repairs += repairs
            report("topics", self.splits + at + 1, self.splits + len(splits))
        self.splits += len(splits)
        self.by_vectors += sum(one is None for one in found)
        return found

    def _asked(self, calls: Sequence[Call]) -> Iterator[tuple[int, str]]:
        """Yield the answers in the order of the calls, until the model is given up."""
        assert self.writing is not None  # who asks has seen to it
        start = 0
        while start < len(calls) and not self.reason:
            end = start + (PROBED if self._used < FAILURES else TOGETHER)
            for at, said in sorted(self.writing.texts(calls[start:end])):
                yield start + at, said
            start = end

    def _count(self, *, usable: bool) -> None:
        self._used += usable
        self._failed += not usable
        if not self.persists and self._failed >= FAILURES and self._failed > self._used:
            self.reason = GAVE_UP

    def organised(self) -> Organised:
        """Give the counts."""
        kept, usage = (self.writing.kept, self.writing.usage) if self.writing else (0, Usage())
        repaired = self.repairs
        return Organised(
            self.splits,
            self.by_vectors,
            self.texts,
            self.by_rule,
            repaired.missing,
            repaired.doubled,
            repaired.unknown,
            repaired.merged,
            repaired.unnamed,
            kept,
            usage,
            self.reason,
        )
