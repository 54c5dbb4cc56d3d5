"""The remote judge: a model on a server says what each passage offers, and gives it a score."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from lattice.errors import ServerProblem
from lattice.models.prompts import (
    JSON_FORM,
    LETTERS,
    LISTWISE_STATIC,
    REASONED_DYNAMIC,
    RELEVANCE,
    SYSTEM,
    Request,
    estimated_tokens,
    listed,
)
from lattice.traversal.judges.answers import scores_of
from lattice.traversal.judges.reading import QUERY_WORDS, WINDOW_WORDS, Said, shown_text, told
from lattice.traversal.windows import query_stems
from lattice.types import Candidate, Judgement, OutOfTime, Slate, Usage

Item = TypeVar("Item")

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

    def ask_all(self, questions: Sequence[Request], *, seconds: float | None = None) -> Sequence[Said]:
        """Answer the questions, in their order; OutOfTime after `seconds`."""
        ...


@dataclass(slots=True)
class _Reading:
    """What is known of one slate: scores by index, what they cost, and what was said."""

    slate: Slate
    scores: dict[int, float] = field(default_factory=dict)
    usage: Usage = Usage()  # noqa: RUF009 - frozen, so one default serves all
    said: list[str] = field(default_factory=list)

    def missing(self) -> list[int]:
        return [i for i in range(len(self.slate.candidates)) if i not in self.scores]


@dataclass(slots=True)
class _Tally:
    """What became of the slates of one query."""

    query: str = ""
    slates: int = 0
    failed: int = 0
    passages: int = 0
    unscored: int = 0
    last: str = ""

    def add(self, reading: _Reading) -> None:
        if not reading.said:
            return  # nobody to be scored, nothing asked
        self.slates += 1
        self.failed += not reading.scores
        self.passages += len(reading.slate.candidates)
        self.unscored += len(reading.missing())
        self.last = reading.said[-1]


@dataclass(slots=True)
class RemoteJudge:
    """The paper's scoring prompt in our words (§3.2), for any server; what the model wrote is the reasoning.

    More than 20 candidates are asked in even parts, at once. Those that get no score are asked for once more; who still
    has none is in the middle of the scale, which the judgement's notes tell. One slate without any score does a search
    no harm; when there was no other, `check` says so. Scores depend on the company.
    """

    model: Asker
    relevance: str = RELEVANCE
    problem: str = ""
    window_words: int = WINDOW_WORDS
    query_words: int = QUERY_WORDS
    slate_dependent: bool = True
    deadline: float | None = None
    _tally: _Tally = field(init=False, repr=False, default_factory=_Tally)

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate; see `score_all`."""
        return self.score_all(query, [slate])[0]

    def score_all(self, query: str, slates: Sequence[Slate]) -> list[Judgement]:
        """Score every candidate of all slates, which are asked at once.

        OutOfTime when `deadline` comes before that; ServerProblem where the server is away, or two slates have come and
        no score.
        """
        started = time.monotonic()
        tally = self._begun(query)
        readings = [_Reading(slate) for slate in slates]
        self._read(query, readings)
        if any(reading.missing() for reading in readings):
            self._read(query, readings)
        # What was under way together took no longer than the longest: the sum is the time that has passed.
        seconds = (time.monotonic() - started) / max(1, len(slates))
        for reading in readings:
            tally.add(reading)
        if tally.slates > 1:
            self.check()
        return [self._judgement(tally, reading, seconds) for reading in readings]

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Estimate the tokens that judging each candidate would evaluate (`prompts.estimated_tokens`: the server has
        the vocabulary); what a request takes by itself is on its first candidate.
        """
        costs: list[int] = []
        stems = query_stems(query)
        for part in _parts([shown_text(one, stems, self.window_words) for one in candidates]):
            sizes = [0] + [_estimated(self._request(query, part[: i + 1])) for i in range(len(part))]
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

    def _read(self, query: str, readings: Sequence[_Reading]) -> None:
        """Ask for every candidate that has no score yet."""
        stems = query_stems(query)
        asked: list[tuple[_Reading, Sequence[int], Request]] = []
        for reading in readings:
            for part in _parts(reading.missing()):
                texts = [shown_text(reading.slate.candidates[i], stems, self.window_words) for i in part]
                asked.append((reading, part, self._request(query, texts)))
        seconds = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
        try:
            answers = self.model.ask_all([question for _, _, question in asked], seconds=seconds)
        except OutOfTime as late:
            raise OutOfTime(sum((reading.usage for reading in readings), late.usage)) from late
        for (reading, part, _), said in zip(asked, answers, strict=True):
            scores = scores_of(said.text, LETTERS[: len(part)])
            reading.scores |= {part[LETTERS.index(letter)]: score for letter, score in scores.items()}
            reading.usage += said.usage
            reading.said.append(said.text)

    def _judgement(self, tally: _Tally, reading: _Reading, seconds: float) -> Judgement:
        scores = tuple(reading.scores.get(i, _MIDDLE) for i in range(len(reading.slate.candidates)))
        usage = replace(reading.usage, seconds=seconds)
        return Judgement(scores, usage, "\n".join(reading.said), self._notes(tally))

    def _request(self, query: str, texts: Sequence[str]) -> Request:
        asked = REASONED_DYNAMIC.format(query=told(query, self.query_words, self.problem), relevance=self.relevance)
        form = JSON_FORM.format(letters=", ".join(LETTERS[: len(texts)]))
        return Request(
            SYSTEM,
            LISTWISE_STATIC.format(passages=listed(texts)) + asked + form,
            schema(len(texts)),
            _TOKENS_AT_MOST + _TOKENS_A_PASSAGE * len(texts),
        )

    def _begun(self, query: str) -> _Tally:
        if self._tally.query != query:
            self._tally = _Tally(query)
        return self._tally

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


def _parts(many: Sequence[Item]) -> list[Sequence[Item]]:
    """Split what is to be asked for into as few parts as there are letters for, of sizes as even as can be."""
    count = -(-len(many) // len(LETTERS))
    ends = [len(many) * i // count for i in range(count + 1)] if count else []
    return [many[begin:end] for begin, end in itertools.pairwise(ends)]


def _estimated(question: Request) -> int:
    return estimated_tokens(question.system) + estimated_tokens(question.user)


def _beginning(said: str) -> str:
    line = " ".join(said.split())
    return f"its last answer begins {line[:100]!r}" if line else "its last answer is empty"
