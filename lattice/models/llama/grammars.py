"""What a grammar (GBNF) must not be: llama.cpp dies of it, or does not come to an end with it.

The grammars here are our own, and this keeps mistakes in them from ending the process. It is no wall against a
stranger's: rules that are ambiguous at every step double llama.cpp's work with each, and no look at them tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

LONGEST = 20_000  # characters; that of the reasoned judge has some 2,000
DEEPEST = 100  # brackets within brackets; llama.cpp's parser calls itself for each
MOST_REPEATS = 10_000  # llama.cpp writes each out

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*) | (?P<text>"(?:\\.|[^"\\])*") | (?P<letters>\[(?:\\.|[^\]\\])*\]|\.)
    | (?P<rule>[\w-]+)(?=\s*::=) | (?P<name>[\w-]+) | (?P<is>::=) | (?P<open>\() | (?P<close>\)) | (?P<or>\|)
    | (?P<some>[*+?]) | \{\s*(?P<least>\d+)\s*(?P<range>,\s*(?P<most>\d*)\s*)?\} """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class _Symbol:
    """One part of a sequence: the rule that it names, None for text; and whether it may be left out."""

    rule: str | None
    optional: bool


_Rules = dict[str, list[list[_Symbol]]]


@dataclass(slots=True)
class _Reader:
    """Takes a grammar apart; what stands in brackets becomes a rule of its own, named by a number."""

    rules: _Rules = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def take(self, found: re.Match[str]) -> str | None:
        """Take one token; give what is wrong with it."""
        kind = found.lastgroup
        if kind == "rule":
            self.open = [found["rule"]]
            self.rules[found["rule"]] = [[]]
        elif not self.open:
            return "begins without a rule"
        elif kind in {"text", "letters", "name"}:
            self._last().append(_Symbol(found["name"], found["text"] == '""'))
        elif kind == "or":
            self.rules[self.open[-1]].append([])
        elif kind == "open":
            name = str(len(self.rules)) + "("
            self._last().append(_Symbol(name, False))
            self.open.append(name)
            self.rules[name] = [[]]
        elif kind == "close":
            self.open.pop()
        elif kind not in {"space", "is"}:
            return self._repeat(found)
        return "nests too deeply" if len(self.open) > DEEPEST else None

    def _last(self) -> list[_Symbol]:
        return self.rules[self.open[-1]][-1]

    def _repeat(self, found: re.Match[str]) -> str | None:
        if not self._last():
            return "repeats nothing"
        if found["some"]:
            self._last()[-1].optional |= found["some"] != "+"
            return None
        if max(len(found["least"]), len(found["most"] or "")) > len(str(MOST_REPEATS)):
            return "repeats too often"
        least = int(found["least"])
        most = int(found["most"] or max(least, 1)) if found["range"] else least
        self._last()[-1].optional |= least == 0
        return "repeats too often" if max(least, most) > MOST_REPEATS or most < least else None


def grammar_flaw(grammar: str) -> str | None:
    """Say what is wrong with a grammar, to follow its name; None where llama.cpp may be given it."""
    if not grammar or "\0" in grammar or len(grammar) > LONGEST:
        return "is empty, too long, or has a NUL"
    if not grammar.isascii() and re.search(r"[\ud800-\udfff]", grammar):
        return "has half a character"
    reader, at = _Reader(), 0
    while at < len(grammar):
        found = _TOKEN.match(grammar, at)
        flaw = f"cannot be read at {grammar[at : at + 20]!r}" if found is None else reader.take(found)
        if flaw is not None or found is None:
            return flaw
        at = found.end()
    return "comes back to a rule before it has read anything" if _goes_round(reader.rules) else None


def _goes_round(rules: _Rules) -> bool:
    """Whether a rule can begin with itself, also behind parts that may be empty."""
    empty: set[str] = set()
    while more := {name for name, ways in rules.items() if any(_is_empty(way, empty) for way in ways)} - empty:
        empty |= more
    first = {name: [one for way in ways for one in _beginnings(way, empty)] for name, ways in rules.items()}
    try:
        TopologicalSorter(first).prepare()
    except CycleError:
        return True
    return False


def _is_empty(way: list[_Symbol], empty: set[str]) -> bool:
    return all(one.optional or one.rule in empty for one in way)


def _beginnings(way: list[_Symbol], empty: set[str]) -> list[str]:
    found: list[str] = []
    for one in way:
        found += [one.rule] if one.rule is not None else []
        if not (one.optional or one.rule in empty):
            break
    return found
