"""A stand-in for a model that organises, for tests and comparisons: it knows the labels of every text."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from lattice.index_builder.authors import Call
from lattice.index_builder.levels import LEVELS, SHOWN_WORDS
from lattice.models.prompts import LEVELS_STATIC, TOPICS_STATIC, estimated_tokens
from lattice.tokens import normalise
from lattice.types import Usage

_LINE = re.compile(r"^(\d+)\. (.*?)(?: \((\d+)\))?$", re.MULTILINE)
_MOST = re.compile(r"Make \d+ to (\d+) topics\.")

Labels = tuple[str, ...]
"""Where a text belongs, the widest label first."""


@dataclass(frozen=True, slots=True)
class Wrote:
    """What it wrote, and what that would have cost."""

    text: str
    usage: Usage


@dataclass(slots=True)
class ScriptedLibrarian:
    """Summarises texts by their labels and sorts summaries by them; `labels` gives those of a text as it is shown.

    `spoil` makes of a good answer about topics a bad one. `calls` keeps what it was asked.
    """

    labels: Callable[[str], Labels]
    spoil: Callable[[str], str] = lambda said: said
    calls: list[Call] = field(default_factory=list)
    _known: dict[str, Labels] = field(default_factory=dict)

    def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Wrote]]:
        """Answer one call after the other; nothing to what is neither about summaries nor about topics."""
        for number, call in enumerate(calls):
            self.calls.append(call)
            text = self._levels(call) if call.static == LEVELS_STATIC else ""
            if call.static == TOPICS_STATIC:
                text = self.spoil(self._topics(call))
            read = estimated_tokens(call.static + call.dynamic)
            yield number, Wrote(text, Usage(evaluated=read, generated=estimated_tokens(text), calls=1))

    def _levels(self, call: Call) -> str:
        answer = {}
        for number, text, _ in _LINE.findall(call.dynamic):
            labels = self.labels(text)
            own = text.split()[: SHOWN_WORDS // 2]
            # Summaries are read without what they end in; as such they come back to be sorted.
            answer[number] = [
                " ".join([*" ".join(labels[: level + 1]).split(), *(own if level > 1 else [])][:most]).strip(" .,;:")
                for level, (_, most) in enumerate(LEVELS)
            ]
            self._known |= {normalise(summary): labels for summary in answer[number]}
        return json.dumps(answer)

    def _topics(self, call: Call) -> str:
        found = _MOST.search(call.dynamic)
        assert found is not None  # the prompt says how many
        items = [(number, self._known.get(normalise(text), ())) for number, text, _ in _LINE.findall(call.dynamic)]
        named = _sorted(items, int(found[1]))
        topics = [{"name": name, "description": f"All about {name.lower()}."} for name in named]
        members = {number: at for at, numbers in enumerate(named.values(), start=1) for number in numbers}
        return json.dumps({"topics": topics, "members": members})


def _sorted(items: Sequence[tuple[str, Labels]], most: int) -> dict[str, list[str]]:
    """Group the numbers by the first label in which they differ, several labels a topic where there are more."""
    depth = next((depth for depth in range(8) if len({labels[: depth + 1] for _, labels in items}) > 1), None)
    groups: dict[str, list[str]] = {}
    for place, (number, labels) in enumerate(items):
        label = f"Part {place * most // len(items) + 1}" if depth is None else " ".join(labels[depth : depth + 1])
        groups.setdefault(label or "Other", []).append(number)
    names = sorted(groups)
    each = -(-len(names) // most)
    bins = [names[start : start + each] for start in range(0, len(names), each)]
    return {" and ".join(some[:2]): list(itertools.chain.from_iterable(groups[name] for name in some)) for some in bins}
