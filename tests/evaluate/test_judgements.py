from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from lattice.evaluate.judgements import Judgements, RecordedJudge, RecordedSlatesJudge, identity
from lattice.evaluate.recorded import RecordedReader
from lattice.models.prompts import Part, Prompt, Request
from lattice.models.remote.model import Said
from lattice.traversal.judges.listwise import ListwiseJudge
from lattice.traversal.judges.pointwise import PointwiseJudge
from lattice.traversal.judges.reading import Labels, Scale
from lattice.traversal.judges.remote import RemoteJudge
from lattice.types import Candidate, Slate, SlatesJudge, Usage

BREAD = Candidate(1, "bread rises", is_leaf=True)
SHIPS = Candidate(2, "ships float far away", is_leaf=True)


class Read:
    def __init__(self, logprobs: Sequence[Sequence[float]], usage: Usage) -> None:
        self.logprobs, self.usage = np.array(logprobs, dtype=np.float32), usage


class Engine:
    """Says yes, and names a letter, the more the longer what it is shown; a word is a token."""

    def __init__(self) -> None:
        self.read = self.priced = 0

    def prompt(self, system: str, static: str, dynamic: str) -> Prompt:
        return Prompt((Part(static),), (Part(dynamic),))

    def label_logits(
        self, prompts: Sequence[Prompt], labels: Sequence[str], *, keep: bool = True, seconds: float | None = None
    ) -> Labels:
        self.read += len(prompts)
        rows = [[len(prompt.static[0].text) / 100 - i for i in range(len(labels))] for prompt in prompts]
        return Read(rows, Usage(evaluated=3, reused=5, calls=1, seconds=0.5))

    def prompt_cost(self, prompt: Prompt) -> int:
        self.priced += 1
        return sum(len(part.text.split()) for part in (*prompt.static, *prompt.dynamic))

    def room(self, prompt: Prompt, writing: int = 0) -> int:
        return 1000


def _slate(*candidates: Candidate) -> Slate:
    return Slate(None, candidates)


def _pointwise(record: Judgements, engine: Engine) -> RecordedJudge:
    return RecordedJudge(PointwiseJudge(engine), record)


def test_a_judgement_is_replayed_without_reading_or_pricing(tmp_path: Path) -> None:
    path, engine, asleep = tmp_path / "r.jsonl", Engine(), Engine()
    with Judgements(path, "j") as record:
        judge = RecordedJudge(ListwiseJudge(engine), record)
        costs, first = judge.costs("q", (BREAD, SHIPS)), judge.score("q", _slate(BREAD, SHIPS))
    with Judgements(path, "j") as record:
        judge = RecordedJudge(ListwiseJudge(asleep), record)
        assert judge.costs("q", (BREAD, SHIPS)) == costs
        assert judge.score("q", _slate(BREAD, SHIPS)) == first
        assert (record.read, record.replayed) == (0, 1)
    assert engine.read > 0
    assert asleep.read == asleep.priced == 0
    assert judge.slate_dependent


def test_a_judgement_costs_what_a_cold_one_would(tmp_path: Path) -> None:
    with Judgements(tmp_path / "r.jsonl", "j") as record:
        judge = RecordedJudge(ListwiseJudge(Engine()), record)
        usage = judge.score("q", _slate(BREAD, SHIPS)).usage
        assert usage.evaluated == sum(judge.costs("q", (BREAD, SHIPS)))
    assert (usage.reused, usage.calls, usage.seconds) == (0, 2, 1.0)


def test_the_company_and_its_order_are_part_of_a_judgement(tmp_path: Path) -> None:
    engine = Engine()
    with Judgements(tmp_path / "r.jsonl", "j") as record:
        judge = RecordedJudge(ListwiseJudge(engine, corrected=False), record)
        for slate in (_slate(BREAD, SHIPS), _slate(SHIPS, BREAD), _slate(BREAD), _slate(BREAD, SHIPS)):
            judge.score("q", slate)
        judge.score("another", _slate(BREAD, SHIPS))
        assert (engine.read, record.read, record.replayed) == (4, 4, 1)


def test_what_reading_a_query_alone_costs_is_on_its_first_slate_replayed_or_not(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    slates = (_slate(BREAD), _slate(SHIPS))
    with Judgements(path, "j") as record:
        _pointwise(record, Engine()).score("q", slates[0])
    cut = path.read_text()
    with Judgements(tmp_path / "whole.jsonl", "j") as record:
        judge = _pointwise(record, Engine())
        whole = [judge.score("q", slate) for slate in slates]
        alone = judge.prices("q", (BREAD,))
    assert whole[0].usage.evaluated > alone[0]
    path.write_text(cut)
    with Judgements(path, "j") as record:
        judge = _pointwise(record, Engine())
        resumed = [judge.score("q", slate) for slate in slates]
    assert [one.scores for one in resumed] == [one.scores for one in whole]
    assert [(one.usage.evaluated, one.usage.calls) for one in resumed] == [
        (one.usage.evaluated, one.usage.calls) for one in whole
    ]


def test_a_judgement_is_kept_at_once_and_a_line_cut_short_read_again(tmp_path: Path) -> None:
    path, engine = tmp_path / "r.jsonl", Engine()
    record = Judgements(path, "j")
    RecordedJudge(ListwiseJudge(engine, corrected=False), record).score("q", _slate(BREAD, SHIPS))
    assert len(path.read_text().splitlines()) == 2  # its price and its scores, with the record still open
    path.write_text(path.read_text()[:-9])
    with Judgements(path, "j") as again:
        RecordedJudge(ListwiseJudge(engine, corrected=False), again).score("q", _slate(BREAD, SHIPS))
        assert (again.read, engine.read) == (1, 2)
    with Judgements(path, "j") as after:
        RecordedJudge(ListwiseJudge(engine, corrected=False), after).score("q", _slate(BREAD, SHIPS))
        assert (after.read, after.replayed) == (0, 1)


def test_a_file_may_hold_the_readings_of_a_likelihood_judge_too(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('["0123456789abcdef01234567",[16000,500],30,0.1]\n')
    with Judgements(path, "j") as record:
        RecordedJudge(ListwiseJudge(Engine(), corrected=False), record).score("q", _slate(BREAD))
        assert record.read == 1
    with RecordedReader(path, "m", lambda: pytest.fail("nothing is read")) as reader:
        assert reader.replayed == 0
    assert path.read_text().startswith('["0123456789abcdef01234567"')


def test_further_files_are_read_and_not_added_to(tmp_path: Path) -> None:
    seed, own = tmp_path / "seed.jsonl", tmp_path / "own.jsonl"
    with Judgements(seed, "j") as record:
        RecordedJudge(ListwiseJudge(Engine()), record).score("q", _slate(BREAD))
    before = seed.read_text()
    with Judgements(own, "j", [seed]) as record:
        RecordedJudge(ListwiseJudge(Engine()), record).score("q", _slate(BREAD))
        assert (record.read, record.replayed) == (0, 1)
    assert seed.read_text() == before
    assert not own.exists()


def test_what_is_kept_holds_no_text(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with Judgements(path, "j") as record:
        RecordedJudge(ListwiseJudge(Engine()), record).score("a secret", _slate(BREAD))
    assert "secret" not in path.read_text()
    assert "bread" not in path.read_text()


def test_an_identity_holds_all_that_decides_a_score() -> None:
    engine = Engine()
    plain = identity(ListwiseJudge(engine), "m")
    assert plain == identity(ListwiseJudge(Engine(), deadline=1.0), "m")
    others = [
        identity(ListwiseJudge(engine), "n"),
        identity(PointwiseJudge(engine), "m"),
        identity(ListwiseJudge(engine, relevance="it is old"), "m"),
        identity(ListwiseJudge(engine, permutations=2), "m"),
        identity(ListwiseJudge(engine, window_words=30), "m"),
        identity(ListwiseJudge(engine, scale=Scale(0.0, 1.0)), "m"),
    ]
    assert len({plain, *others}) == 7


def test_the_prompts_version_is_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(ListwiseJudge(Engine()), "m")
    monkeypatch.setattr("lattice.evaluate.judgements.VERSION", -1)
    assert identity(ListwiseJudge(Engine()), "m") != before


class Asker:
    name = "http://server"
    notes = ("The server does not count tokens.",)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def ask_all(self, questions: Sequence[Request], *, seconds: float | None = None) -> Sequence[Said]:
        self.asked.append(len(questions))
        answer: Mapping[str, object] = {"A": {"offers": "x", "score": 70}, "B": {"offers": "y", "score": 20}}
        return [Said(json.dumps(answer), Usage(evaluated=40, reused=60, generated=9, calls=1)) for _ in questions]


def test_a_server_is_asked_for_several_slates_at_once_and_only_for_unknown_ones(tmp_path: Path) -> None:
    path, asker = tmp_path / "r.jsonl", Asker()
    slates = [_slate(BREAD, SHIPS), _slate(SHIPS, BREAD)]
    with Judgements(path, "j") as record:
        judge = RecordedSlatesJudge(RemoteJudge(asker), record)
        assert isinstance(judge, SlatesJudge)
        first = judge.score_all("q", slates)
        judge.score_all("q", [slates[1], _slate(BREAD)])
    assert asker.asked == [2, 1]
    assert [one.scores for one in first] == [(0.7, 0.2), (0.7, 0.2)]
    assert first[0].notes == asker.notes
    # All that the server read counts, also what it had kept; what it counted, not what was estimated.
    assert (first[0].usage.evaluated, first[0].usage.reused, first[0].usage.generated) == (100, 0, 9)
    with Judgements(path, "j") as record:
        again = RecordedSlatesJudge(RemoteJudge(asker), record).score_all("q", slates)
    assert again == first
    assert asker.asked == [2, 1]


def test_only_a_judge_of_several_slates_is_taken_for_one(tmp_path: Path) -> None:
    with Judgements(tmp_path / "r.jsonl", "j") as record:
        assert not isinstance(RecordedJudge(ListwiseJudge(Engine()), record), SlatesJudge)
