from __future__ import annotations

import json
from pathlib import Path

import pytest

from lattice.errors import UsageError
from lattice.evaluate.collection import load
from lattice.evaluate.judgements import Judgements, RecordedJudge, RecordedSlatesJudge
from lattice.evaluate.judging import Judging, LateEngine, Source
from lattice.evaluate.recorded import RecordedReader
from lattice.evaluate.session import Outcome, Plan, run
from lattice.models.registry import embedded_model
from lattice.models.remote.server import Server
from lattice.traversal.evidence import CALIBRATION
from lattice.traversal.judges.choice import JudgeName
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.scent import evenly
from lattice.traversal.search import DEFAULT_CALIBRATION, SearchSettings
from tests.evaluate.collections import write_collection

SERVER = Server("http://127.0.0.1:1", "big")
JUDGES: tuple[JudgeName, ...] = ("likelihood", "pointwise", "listwise", "reasoned")


def _model() -> Path:
    model = embedded_model()
    assert model is not None
    return model


def _judging(tmp_path: Path, judge: JudgeName = "auto", relevance: str | None = None) -> Judging:
    return Judging(Source(_model(), judge, relevance), tmp_path / "judgements.jsonl")


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lattice.evaluate.judging.opened", lambda *_: pytest.fail("the model was loaded"))


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize("judge", JUDGES)
def test_which_judge_it_is_is_known_before_the_model_is_loaded(tmp_path: Path, judge: JudgeName) -> None:
    with _judging(tmp_path, judge) as judging:
        assert judging.name == judging.model_json()["judge"] == judge
        assert Source(_model(), judge).judge_name() == judge
        assert judging.judge(evenly).slate_dependent is judging.slate_dependent
        assert judging.calibration == (CALIBRATION if judging.slate_dependent else DEFAULT_CALIBRATION)


@pytest.mark.usefixtures("unloaded")
def test_the_models_size_chooses_where_nobody_does(tmp_path: Path) -> None:
    with _judging(tmp_path) as judging:
        assert judging.name == "likelihood"
        assert isinstance(judging.record, RecordedReader)
        assert isinstance(judging.judge(evenly), LikelihoodJudge)
    with _judging(tmp_path, "listwise") as judging:
        assert isinstance(judging.record, Judgements)
        assert isinstance(judging.judge(evenly), RecordedJudge)


def test_what_the_judge_was_told_is_stated(tmp_path: Path) -> None:
    with _judging(tmp_path, "pointwise", "it is old") as judging:
        said = judging.model_json()
    assert (said["relevance"], said["name"]) == ("it is old", _model().name)
    with _judging(tmp_path, "pointwise") as judging:
        assert "relevance" not in judging.model_json()


def test_a_server_is_named_with_its_model(tmp_path: Path) -> None:
    with Judging(Source(None, server=SERVER), tmp_path / "r.jsonl") as judging:
        assert isinstance(judging.judge(evenly), RecordedSlatesJudge)
        said = judging.model_json()
    assert (said["name"], said["server"], said["judge"]) == ("big", "http://127.0.0.1:1/v1", "remote")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Source(None, server=Server("http://127.0.0.1:1")), "--llm-model"),
        (Source(None, "listwise", server=SERVER), "read by the remote judge"),
        (Source(Path("m.gguf"), "best"), "no judge 'best'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_judge_is_refused_before_anything_is_written(
    tmp_path: Path, source: Source, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lattice.evaluate.judging.LateEngine", lambda *_: None)
    with pytest.raises(UsageError, match=message):
        Judging(source, tmp_path / "deep" / "r.jsonl")
    assert not (tmp_path / "deep").exists()


def test_the_likelihood_judge_is_told_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="told nothing of relevance"):
        _judging(tmp_path, "likelihood", "it is old")


def test_a_late_engine_has_only_verbs_of_the_engine() -> None:
    engine = LateEngine(_model(), 0)
    assert (engine.kind, engine.parameters > 100_000_000) == ("generative", True)
    with pytest.raises(AttributeError):
        _ = engine._missing


def _run(tmp_path: Path, judge: JudgeName, work: str = "work") -> Outcome:
    collection = load(tmp_path / "c") if (tmp_path / "c").exists() else load(write_collection(tmp_path / "c"))
    plan = Plan(
        methods=["prior", "rerank", "paper", "lattice", "oracle"],
        baseline="prior",
        settings=SearchSettings(budget_tokens=800),
        model=_model(),
        work=tmp_path / work,
        judge=judge,
    )
    return run(collection, plan)


@pytest.mark.model
@pytest.mark.parametrize("judge", ["listwise", "pointwise"])
def test_the_real_model_as_another_judge_is_measured_replayed_and_kept_apart(
    tmp_path: Path, judge: JudgeName, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _run(tmp_path, judge)
    assert first.read > 0
    assert first.setup.model is not None
    assert first.setup.model["judge"] == judge
    for result in first.results[1:]:
        assert all(0 < one.usage.evaluated <= 800 for one in result.queries.values())
        assert all(one.usage.reused == 0 for one in result.queries.values())
    kept = (tmp_path / "work" / "judgements.jsonl").read_text()
    with monkeypatch.context() as asleep:
        asleep.setattr("lattice.evaluate.judging.opened", lambda *_: pytest.fail("the model was loaded"))
        again = _run(tmp_path, judge)
    assert (again.read, (tmp_path / "work" / "judgements.jsonl").read_text()) == (0, kept)
    for before, after in zip(first.results, again.results, strict=True):
        for query, one in before.queries.items():
            other = after.queries[query]
            assert (one.documents, one.usage.evaluated) == (other.documents, other.usage.evaluated)
    assert _run(tmp_path, "pointwise" if judge == "listwise" else "listwise").read > 0


@pytest.mark.model
def test_an_evaluation_cut_short_goes_on_to_the_same_figures(tmp_path: Path) -> None:
    whole = _run(tmp_path, "pointwise", "whole")
    lines = (tmp_path / "whole" / "judgements.jsonl").read_text().splitlines()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "judgements.jsonl").write_text("\n".join(lines[: len(lines) // 2])[:-5])
    resumed = _run(tmp_path, "pointwise", "cut")
    assert 0 < resumed.read < whole.read
    for before, after in zip(whole.results, resumed.results, strict=True):
        for query, one in before.queries.items():
            other = after.queries[query]
            assert (one.documents, one.values, one.usage.evaluated, one.usage.calls) == (
                other.documents,
                other.values,
                other.usage.evaluated,
                other.usage.calls,
            )
    assert json.loads(lines[0])[0] in {"scored", "priced"}
