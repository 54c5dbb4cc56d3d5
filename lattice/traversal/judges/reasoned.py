"""The reasoned judge: the model says what the query is about, what each passage offers, and a score."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from lattice.models.prompts import LETTERS, LISTWISE_STATIC, REASONED_DYNAMIC, RELEVANCE, SYSTEM, Prompt, listed
from lattice.traversal.judges.reading import (
    QUERY_WORDS,
    WINDOW_WORDS,
    Writer,
    costs_in_turn,
    shown_text,
    shown_to_fit,
    told,
)
from lattice.traversal.windows import query_stems
from lattice.types import Candidate, Judgement, Slate, Usage

_REASON_CHARACTERS = 80  # of what is said of a passage: a few words, some twenty tokens
_PROBLEM_CHARACTERS = 200
_TOKENS_A_PASSAGE = 50  # room for its letter, reason and score
_TOKENS_AT_MOST = 90  # and for the problem
_LONGEST = 4  # times that, where the context has the room
_MIDDLE = 0.5  # of a candidate that the model did not come to

_SCORED = re.compile(r'"([A-T])": \{"offers": "((?:[^"\\]|\\.)*)", "score": (\d{1,3})')


@dataclass(slots=True)
class ReasonedJudge:
    """The paper's scoring prompt in our words (§3.2), under a grammar that allows nothing but the slate's own letters.

    What the model wrote is kept as the judgement's reasoning. Where it was cut, the scores that were written count, and
    a candidate that it did not come to is in the middle. Scores depend on the company.
    """

    engine: Writer
    relevance: str = RELEVANCE
    problem: str = ""
    window_words: int = WINDOW_WORDS
    query_words: int = QUERY_WORDS
    slate_dependent: bool = True
    deadline: float | None = None

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate; slates of more than 20 are split. OutOfTime when `deadline` comes before any word."""
        scores: list[float] = []
        stems = query_stems(query)
        usage, reasoning = Usage(), []
        for begin in range(0, len(slate.candidates), len(LETTERS)):
            part = slate.candidates[begin : begin + len(LETTERS)]
            writing = _TOKENS_AT_MOST + _TOKENS_A_PASSAGE * len(part)
            prompt, cut = shown_to_fit(
                [shown_text(one, stems, self.window_words) for one in part],
                lambda shown: self._prompt(query, shown),
                lambda prompt, writing=writing: self.engine.room(prompt, writing),  # type: ignore[misc]
            )
            said = self.engine.generate(
                prompt,
                grammar=grammar(len(part)),
                # A reason in a script that takes several tokens a character must not cost the passages behind it.
                max_tokens=max(writing, min(self.engine.room(prompt), _LONGEST * writing)),
                seconds=None if self.deadline is None else max(0.0, self.deadline - time.monotonic()),
            )
            scores += salvaged(said.text, len(part))
            usage += said.usage + Usage(trimmed=cut)
            reasoning.append(said.text)
        return Judgement(tuple(scores), usage, "\n".join(reasoning))

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens that judging each candidate would evaluate, the request itself put on the first."""
        costs: list[int] = []
        stems = query_stems(query)
        texts = [shown_text(one, stems, self.window_words) for one in candidates]
        for begin in range(0, len(texts), len(LETTERS)):
            part = texts[begin : begin + len(LETTERS)]
            costs += costs_in_turn(part, lambda shown: self._prompt(query, shown), self.engine.prompt_cost)
        return costs

    def _prompt(self, query: str, texts: Sequence[str]) -> Prompt:
        asked = REASONED_DYNAMIC.format(query=told(query, self.query_words, self.problem), relevance=self.relevance)
        return self.engine.prompt(SYSTEM, LISTWISE_STATIC.format(passages=listed(texts)), asked)


def grammar(count: int) -> str:
    """Give the GBNF of an answer for `count` passages: each letter once, in order, with a score from 0 to 100."""
    passages = ' ", " '.join(f"passage-{letter.lower()}" for letter in LETTERS[:count])
    rules = [
        f'root ::= "{{\\"problem\\": " problem ", " {passages} "}}"',
        f'problem ::= "\\"" character{{1,{_PROBLEM_CHARACTERS}}} "\\""',
        f'offers ::= "\\"" character{{1,{_REASON_CHARACTERS}}} "\\""',
        'character ::= [^"\\\\\\x00-\\x1F\\x7F]',
        'score ::= "100" | [1-9] [0-9]? | "0"',
    ]
    rules += [
        f'passage-{letter.lower()} ::= "\\"{letter}\\": {{\\"offers\\": " offers ", \\"score\\": " score "}}"'
        for letter in LETTERS[:count]
    ]
    return "\n".join(rules)


def salvaged(text: str, count: int) -> list[float]:
    """Read the scores in [0, 1] out of an answer that may be cut anywhere."""
    try:
        said = json.loads(text)
        found = {letter: int(said[letter]["score"]) for letter in LETTERS[:count]}
    except (ValueError, KeyError, TypeError):
        # A number at the very end may lack its last digit.
        whole = text if text.endswith("}") else text[: text.rfind("}") + 1]
        found = {letter: int(score) for letter, _, score in _SCORED.findall(whole)}
    return [min(100, found[letter]) / 100 if letter in found else _MIDDLE for letter in LETTERS[:count]]
