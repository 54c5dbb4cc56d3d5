"""Descriptions (paper: φ) that an LLM writes, bottom-up, from those of the children; and what it must not write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lattice.index_builder.authors import Call, Writing
from lattice.index_builder.summaries import (
    BEFORE_MORE,
    BETWEEN_TITLES,
    CUT,
    ExtractiveSummarizer,
    named,
    with_terms,
)
from lattice.models.embedders import terms_of
from lattice.models.prompts import DESCRIBE_STATIC, DESCRIBE_SYSTEM, DESCRIBE_VERSION, describe_dynamic
from lattice.types import BEFORE_TERMS, Group, Passage

MOST_WORDS = 40
# Room for as many words of English; a model that goes on behind them goes round in circles.
MOST_TOKENS = 64
# One line, of some length.
ONE_LINE = r"root ::= [^\x00-\x1F\x7F]{20,360}"
# Shorter than it was asked for, a sentence may still say something; below this it says less than a title.
FEWEST_WORDS = 6
# A child is shown by so many words, and all of them by so many bytes (a token has one or more): they fit any context.
CHILD_WORDS = 20
PROMPT_BYTES = 2_000
# Of an answer's content words, at least this share must be different ones; one that goes in circles has fewer.
LEAST_VARIETY = 0.5
# An answer is the instruction given back where more of its content words than this stand there.
MOST_REPEATED = 0.6
# The author's own name for a node takes at most so many words.
NAME_WORDS = 12

# How small models begin: the instruction's own words, which every judge would read and learn nothing from.
_BEGINNING = re.compile(r"(?:the|these) documents (?:of|in) this group are (?:all )?about (?=\S)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|$|[\u3040-\u9fff])")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A group that a model is asked about: its number, and what the model is shown of it."""

    number: int
    group: Group
    name: str
    shown: tuple[str, ...]
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LLMSummarizer:
    """Describes nodes by what a model says of their children; made once for a corpus.

    `openings[i]` are the first words of passage i. What the model writes and cannot be used is replaced by the
    description of `extractive`, which also gives the terms that stand behind every summary.
    """

    extractive: ExtractiveSummarizer
    openings: Sequence[str]
    writing: Writing

    def describe_all(self, groups: Sequence[Group]) -> Iterator[tuple[int, str]]:
        """Yield the index of each group and its description, those first that need no new call.

        That is a sentence of at most 40 words, behind the author's name for the node if any, and the node's terms.
        """
        calls: list[Call] = []
        asked: list[_Asked] = []
        for number, group in enumerate(groups):
            if group.said or not group.leaves:
                yield number, self.extractive.describe(group)
                continue
            one = _Asked(
                number,
                group,
                named(group.headings, NAME_WORDS),
                tuple(self._shown(group.children, group.described)),
                tuple(self.extractive.terms(group.leaves)),
            )
            asked.append(one)
            calls.append(describing_call(describe_dynamic(one.shown, one.terms, one.name)))
        self.writing.nodes += len(calls)
        for at, said in self.writing.texts(calls):
            yield asked[at].number, self._finished(asked[at], cut(said))

    def _finished(self, asked: _Asked, summary: str) -> str:
        if flaw(summary, [asked.name, *asked.shown, *asked.terms]) is not None:
            self.writing.by_rule += 1
            return self.extractive.describe(asked.group)
        text = asked.name + BETWEEN_TITLES + summary if asked.name else summary
        return with_terms(text, self.extractive.terms(asked.group.leaves, text), BEFORE_MORE)

    def _shown(self, children: Sequence[Sequence[int]], described: Sequence[str]) -> list[str]:
        """Give a line for each child: its description without the terms; of a passage also its first words."""
        share = max(1, PROMPT_BYTES // max(1, len(children)))
        lines = []
        for leaves, description in zip(children, described, strict=True):
            text = description.partition(BEFORE_TERMS)[0].partition(BEFORE_MORE)[0]
            if len(leaves) == 1 and not self.openings[leaves[0]].startswith(text.rstrip(CUT)):
                text = f"{text}: {self.openings[leaves[0]]}"
            words = " ".join(text.split()[:CHILD_WORDS])
            lines.append(words.encode("utf-8", "replace")[:share].decode("utf-8", "ignore"))
        return lines


def written_summarizer_of(
    passages: Sequence[Passage], extractive: ExtractiveSummarizer, writing: Writing
) -> LLMSummarizer:
    """Make the summarizer of a corpus, of which `extractive` is the other."""
    openings = tuple(" ".join(passage.text[:PROMPT_BYTES].split()[:CHILD_WORDS]) for passage in passages)
    return LLMSummarizer(extractive, openings, writing)


def describing_call(dynamic: str) -> Call:
    """Give what is asked of a model about one group, of which it is shown `dynamic`."""
    return Call(DESCRIBE_SYSTEM, DESCRIBE_STATIC, dynamic, DESCRIBE_VERSION, MOST_TOKENS, ONE_LINE)


def cut(said: str) -> str:
    """Give what was said on one line, up to the last sentence end within 40 words; marked where there is none."""
    for marker in (BEFORE_TERMS, BEFORE_MORE):
        said = said.replace(marker.strip(), "-")
    line = _BEGINNING.sub("", " ".join(said.split()))
    line = line[:1].upper() + line[1:]
    within = " ".join(line.split(" ")[:MOST_WORDS])
    ends = [found.end() for found in _SENTENCE_END.finditer(within)]
    if ends:
        return within[: ends[-1]]
    return within + (CUT if within != line else "")


def flaw(summary: str, shown: Sequence[str]) -> str | None:
    """Say why a summary cannot be used, given what its model was shown of the group; None where it can."""
    content = terms_of(summary)
    known = {found for text in shown for found in terms_of(text)}
    asked = set(terms_of(f"{DESCRIBE_SYSTEM} {DESCRIBE_STATIC}"))
    echoed = [line for line in shown if len(line.split()) >= FEWEST_WORDS]
    faults = {
        "empty": not content,
        "too short": len(content) < 2 or (len(summary.split()) < FEWEST_WORDS and summary.isascii()),
        "looped": len(set(content)) < LEAST_VARIETY * len(content) or _circles(summary),
        "strange": not known & set(content),
        "repeats the prompt": sum(found in asked for found in content) > MOST_REPEATED * len(content)
        or not (known - asked) & set(content)
        or any(line in summary or summary in line for line in echoed),
    }
    return next((fault for fault, holds in faults.items() if holds), None)


def _circles(summary: str) -> bool:
    """Whether three words in a row stand there three times."""
    words = summary.lower().split()
    return any(count > 2 for count in Counter(zip(words, words[1:], words[2:], strict=False)).values())
