"""The remote judge: a model on a server says what each passage offers, and gives it a score."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lattice.errors import ServerProblem
from lattice.models.prompts import (
    JSON_FORM,
    LETTERS,
    LISTWISE_STATIC,
    REASONED_DYNAMIC,
    RELEVANCE,
    SYSTEM,
    Question,
    estimated_tokens,
    listed,
)
from lattice.traversal.judges.answers import scores_of
from lattice.traversal.judges.reading import QUERY_WORDS, WINDOW_WORDS, Said, shortened, shown_text
from lattice.traversal.windows import query_stems
from lattice.types import Candidate, Judgement, OutOfTime, Slate, Usage

_REASON_CHARACTERS = 80  # as for the reasoned judge; a server that takes no schema does not hold its model to it
_PROBLEM_CHARACTERS = 200
_TOKENS_A_PASSAGE = 100  # twice what a model needs that keeps to the form
_TOKENS_AT_MOST = 300
_MIDDLE = 0.5  # of a candidate that the model gave no score


class Asker(Protocol):
    """A model that answers questions, several at once (`models.remote.model.RemoteModel`)."""

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of its answers so far."""
        ...

    def ask_all(self, questions: Sequence[Question], *, seconds: float | None = None) -> Sequence[Said]:
        """Answer the questions, in their order; OutOfTime after `seconds`."""
        ...


@dataclass(slots=True)
class _Tally:
    """What became of the slates of one query."""

    query: str = ""
    slates: int = 0
    failed: int = 0
    passages: int = 0
    unscored: int = 0
    last: str = ""


@dataclass(slots=True)
class RemoteJudge:
    """The paper's scoring prompt in our words (§3.2), for any server; what the model wrote is the reasoning.

    More than 20 candidates are asked in even parts, at once. Those that get no score are asked for once more; who still
    has none is in the middle of the scale, which the judgement's notes tell. One slate without any score does a search
    no harm; when there was no other, `check` says so. Scores depend on the company.
    """

    model: Asker
    relevance: str = RELEVANCE
    window_words: int = WINDOW_WORDS
    query_words: int = QUERY_WORDS
    slate_dependent: bool = True
    deadline: float | None = None
    _tally: _Tally = field(init=False, repr=False, default_factory=_Tally)

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate. OutOfTime when `deadline` comes before that; ServerProblem where the server is away,
        or two slates have come and no score.
        """
        started = time.monotonic()
        tally = self._begun(query)
        found, usage, texts = self._asked(query, slate.candidates)
        missing = [i for i in range(len(slate.candidates)) if i not in found]
        if missing:
            try:
                more, spent, again = self._asked(query, [slate.candidates[i] for i in missing])
            except OutOfTime as late:
                raise OutOfTime(usage + late.usage) from late
            found |= {missing[i]: score for i, score in more.items()}
            usage, texts = usage + spent, texts + again
        self._count(tally, len(slate.candidates), len(found), texts[-1])
        # Requests that were under way together took no longer than the longest.
        usage = replace(usage, seconds=time.monotonic() - started)
        scores = tuple(found.get(i, _MIDDLE) for i in range(len(slate.candidates)))
        return Judgement(scores, usage, "\n".join(texts), self._notes(tally))

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Estimate the tokens that judging each candidate would evaluate (`prompts.estimated_tokens`: the server has
        the vocabulary); what a request takes by itself is on its first candidate.
        """
        costs: list[int] = []
        for part in _parts(self._shown(query, candidates)):
            sizes = [0] + [_estimated(self._question(query, part[: i + 1])) for i in range(len(part))]
            costs += [after - before for before, after in itertools.pairwise(sizes)]
        return costs

    def check(self) -> None:
        """Raise ServerProblem where slates of the last query have come, and no score."""
        tally = self._tally
        if tally.slates and tally.failed == tally.slates:
            raise ServerProblem(
                f"The model at {self.model.name} gave no score for any passage; {_beginning(tally.last)}. A larger "
                "model follows the form, and so does one that does not think at length before it answers."
            )

    def _asked(self, query: str, candidates: Sequence[Candidate]) -> tuple[dict[int, float], Usage, list[str]]:
        """Give the scores by index that one round of questions brings, what it cost, and what was said."""
        parts = _parts(self._shown(query, candidates))
        seconds = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        answers = self.model.ask_all([self._question(query, part) for part in parts], seconds=seconds)
        found: dict[int, float] = {}
        usage, begin = Usage(), 0
        for part, said in zip(parts, answers, strict=True):
            letters = LETTERS[: len(part)]
            scores = scores_of(said.text, letters)
            found |= {begin + letters.index(letter): score for letter, score in scores.items()}
            usage += said.usage
            begin += len(part)
        return found, usage, [said.text for said in answers]

    def _shown(self, query: str, candidates: Sequence[Candidate]) -> list[str]:
        stems = query_stems(query)
        return [shown_text(one, stems, self.window_words) for one in candidates]

    def _question(self, query: str, texts: Sequence[str]) -> Question:
        asked = REASONED_DYNAMIC.format(query=shortened(query, self.query_words), relevance=self.relevance)
        form = JSON_FORM.format(letters=", ".join(LETTERS[: len(texts)]))
        return Question(
            SYSTEM,
            LISTWISE_STATIC.format(passages=listed(texts)) + asked + form,
            schema(len(texts)),
            _TOKENS_AT_MOST + _TOKENS_A_PASSAGE * len(texts),
        )

    def _begun(self, query: str) -> _Tally:
        if self._tally.query != query:
            self._tally = _Tally(query)
        return self._tally

    def _count(self, tally: _Tally, passages: int, scored: int, said: str) -> None:
        tally.slates += 1
        tally.failed += scored == 0
        tally.passages += passages
        tally.unscored += passages - scored
        tally.last = said
        if tally.slates > 1:
            self.check()

    def _notes(self, tally: _Tally) -> tuple[str, ...]:
        if not tally.unscored:
            return self.model.notes
        told = f"{tally.unscored} of the {tally.passages} passages shown got no score from the model, though asked for "
        return (f"{told}twice; they count as middling.", *self.model.notes)


def schema(count: int) -> Mapping[str, Any]:
    """Give the JSON schema of an answer for `count` passages: every letter, with a score from 0 to 100."""
    offers = {"type": "string", "maxLength": _REASON_CHARACTERS}
    passage = _object({"offers": offers, "score": {"type": "integer", "minimum": 0, "maximum": 100}})
    problem = {"type": "string", "maxLength": _PROBLEM_CHARACTERS}
    return _object({"problem": problem, **dict.fromkeys(LETTERS[:count], passage)})


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _parts(texts: Sequence[str]) -> list[Sequence[str]]:
    """Split texts into as few parts as there are letters for, of sizes as even as can be."""
    count = -(-len(texts) // len(LETTERS))
    ends = [len(texts) * i // count for i in range(count + 1)] if count else []
    return [texts[begin:end] for begin, end in itertools.pairwise(ends)]


def _estimated(question: Question) -> int:
    return estimated_tokens(question.system) + estimated_tokens(question.user)


def _beginning(said: str) -> str:
    line = " ".join(said.split())
    return f"its last answer begins {line[:100]!r}" if line else "its last answer is empty"
