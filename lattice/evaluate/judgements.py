"""The record of whole judgements, for the judges that read more than a probability a text (see also `recorded`).

What is kept is a slate's scores under a key of the judge with all its parameters, the model, the version of the
prompts, the query and what was shown, in its order: nothing else can be mistaken for it. Prices are kept as well, so
that a replay chooses as the first run did and loads no model.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Self

from lattice.evaluate.recorded import end_last_line
from lattice.models.prompts import VERSION
from lattice.traversal.judges.choice import ModelJudge
from lattice.traversal.judges.pointwise import PointwiseJudge
from lattice.traversal.judges.remote import RemoteJudge
from lattice.types import Candidate, Judgement, Slate, Usage

_SCORED, _PRICED = "scored", "priced"
_DIGITS = 6  # of a score: far below what moves a ranking
_UNLIKE = frozenset({"engine", "model", "deadline", "slate_dependent"})  # fields that say nothing of what is read


@dataclass(frozen=True, slots=True)
class _Known:
    """What a slate was given, and what it cost beside the tokens that its prices tell; `evaluated` where counted."""

    scores: tuple[float, ...]
    generated: int = 0
    calls: int = 0
    seconds: float = 0.0
    trimmed: int = 0
    evaluated: int | None = None
    notes: tuple[str, ...] = ()


class Judgements:
    """A file of judgements and prices of one judge; another judge's lines in it are left alone. A context manager.

    `read` and `replayed` count slates. `elapsed` holds the seconds that reading and looking up took.
    """

    def __init__(self, path: Path, judge: str, seeds: Sequence[Path] = ()) -> None:
        """Read what `path` holds already, and the read-only files `seeds`; `judge` is all that decides a score."""
        self._path, self._judge = path, judge
        self._scored: dict[str, _Known] = {}
        self._priced: dict[str, list[int]] = {}
        self._new: list[str] = []
        self.read = self.replayed = 0
        self.elapsed = 0.0
        for file in (*seeds, path):
            self._learn(file)
        end_last_line(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Keep the prices of what was never read, so that a replay can choose as this run did."""
        if self._new:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("".join(self._new))
            self._new.clear()

    def judgement(self, key: str) -> _Known | None:
        """Give what is known of a slate."""
        return self._scored.get(key)

    def keep(self, key: str, known: _Known) -> None:
        """Write a judgement down at once: an evaluation may be ended at any time."""
        self._scored[key] = known
        self._new.append(_line([_SCORED, key, asdict(known)]))
        self.close()

    def prices(self, key: str) -> list[int] | None:
        """Give what the candidates of a slate are known to cost."""
        return self._priced.get(key)

    def keep_prices(self, key: str, prices: list[int]) -> None:
        """Keep prices with the next judgement, or at the end."""
        self._priced[key] = prices
        self._new.append(_line([_PRICED, key, prices]))

    def key(self, query: str, candidates: Sequence[Candidate], what: str = "") -> str:
        """Name a slate: `what` tells apart different facts about the same one."""
        shown = [[one.is_leaf, one.title, one.text] for one in candidates]
        source = json.dumps([self._judge, what, query, shown]).encode()
        return hashlib.blake2b(source, digest_size=12).hexdigest()

    def _learn(self, file: Path) -> None:
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            try:
                what, key, value = json.loads(line)
                if what == _SCORED:
                    scores, notes = tuple(map(float, value.pop("scores"))), tuple(value.pop("notes"))
                    self._scored[key] = _Known(scores, notes=notes, **value)
                elif what == _PRICED:
                    self._priced[key] = list(map(int, value))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # cut short, or a line of another kind of record


class RecordedJudge:
    """A judge of one query whose judgements are replayed where they are known, and kept where they are not.

    Usage is that of a cold run: the tokens that the judge's own prices tell, as if no state had been kept; a server's
    as it counted them.
    """

    def __init__(self, judge: ModelJudge, record: Judgements) -> None:
        self._judge, self._record = judge, record
        self.slate_dependent = judge.slate_dependent
        self._asked: str | None = None

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate."""
        return self._scored(query, [slate])[0]

    def costs(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens of judging each candidate; reading what the query costs alone is on the first, once."""
        return self._prices(query, candidates, first=self._asked != query)

    def prices(self, query: str, candidates: Sequence[Candidate]) -> list[int]:
        """Give the tokens of judging each candidate where something has been judged for the query."""
        return self._prices(query, candidates, first=False)

    def _scored(self, query: str, slates: Sequence[Slate]) -> list[Judgement]:
        started = time.perf_counter()
        keys = [self._record.key(query, slate.candidates) for slate in slates]
        unknown = {key: slate for key, slate in zip(keys, slates, strict=True) if self._record.judgement(key) is None}
        found = list[Judgement]()
        costs = list[int]()
        for slate in slates:
            costs.append(sum(self.costs(query, slate.candidates)))
            self._asked = query
        if unknown:
            for key, judgement in zip(unknown, self._read(query, list(unknown.values())), strict=True):
                self._record.keep(key, self._known(judgement))
        for key, cost in zip(keys, costs, strict=True):
            known = self._record.judgement(key)
            assert known is not None, "it was replayed or has just been read"
            found.append(_judgement(known, cost))
        self._record.read += len(unknown)
        self._record.replayed += len(slates) - len(unknown)
        self._record.elapsed += time.perf_counter() - started
        return found

    def _read(self, query: str, slates: Sequence[Slate]) -> Sequence[Judgement]:
        return [self._judge.score(query, slate) for slate in slates]

    def _known(self, judgement: Judgement) -> _Known:
        used = judgement.usage
        counted = used.evaluated + used.reused if isinstance(self._judge, RemoteJudge) else None
        scores = tuple(round(score, _DIGITS) for score in judgement.scores)
        # Whether the query alone was read in this call depends on what was replayed before: it is no call of its own.
        calls = 1 if isinstance(self._judge, PointwiseJudge) else used.calls
        seconds = round(used.seconds, 4)
        return _Known(scores, used.generated, calls, seconds, used.trimmed, counted, judgement.notes)

    def _prices(self, query: str, candidates: Sequence[Candidate], *, first: bool) -> list[int]:
        started = time.perf_counter()
        judge = self._judge
        # No other judge reads anything of a query alone.
        alone = isinstance(judge, PointwiseJudge) and first
        key = self._record.key(query, candidates, "first" if alone else "price")
        prices = self._record.prices(key)
        if prices is None:
            priced = judge.prices if isinstance(judge, PointwiseJudge) and not first else judge.costs
            prices = priced(query, candidates)
            self._record.keep_prices(key, prices)
        self._record.elapsed += time.perf_counter() - started
        return list(prices)


class RecordedSlatesJudge(RecordedJudge):
    """The same for a judge that is asked for several slates at once."""

    def score_all(self, query: str, slates: Sequence[Slate]) -> list[Judgement]:
        """Score every candidate of every slate, in their order."""
        return self._scored(query, slates)

    def _read(self, query: str, slates: Sequence[Slate]) -> Sequence[Judgement]:
        assert isinstance(self._judge, RemoteJudge)
        return self._judge.score_all(query, slates)


def identity(judge: ModelJudge, model: str) -> str:
    """Name a judge by all that decides its scores: its kind, its parameters, the model (by hash) and the prompts."""
    shown: dict[str, Any] = {
        one.name: _plain(getattr(judge, one.name)) for one in fields(judge) if one.init and one.name not in _UNLIKE
    }
    return json.dumps([type(judge).__name__, model, VERSION, shown], sort_keys=True)


def _plain(value: object) -> object:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _judgement(known: _Known, cost: int) -> Judgement:
    usage = Usage(
        evaluated=cost if known.evaluated is None else known.evaluated,
        generated=known.generated,
        calls=known.calls,
        seconds=known.seconds,
        trimmed=known.trimmed,
    )
    return Judgement(known.scores, usage, notes=known.notes)


def _line(value: Sequence[Any] | Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"
