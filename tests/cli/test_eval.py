from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.session import Plan
from tests.cli.conftest import Invoke, Place
from tests.evaluate.collections import TOPICS, write_collection, write_queries
from tests.models.remote.scripted import reader, serving

METHOD_KEYS = {
    *("method", "nDCG@10", "Recall@100", "MRR@10", "success@1"),
    *("evaluated", "reused", "generated", "calls", "seconds", "seconds_p95", "intervals"),
}


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return write_collection(tmp_path / "topics")


def test_a_report_for_people(invoke: Invoke, collection: Path) -> None:
    result = invoke("eval", str(collection), "--methods", "bm25,prior")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "topics: 6 documents, 6 passages; 3 of 3 queries, qrels test"
    (row,) = [line for line in lines if line.startswith("bm25") and "[" in line]
    assert row.split()[1:4] == ["1.000", "[1.000,", "1.000]"]
    assert any(line.startswith("Paired differences to bm25") for line in lines)


def test_json_keeps_the_contract(invoke: Invoke, collection: Path) -> None:
    report = json.loads(invoke("eval", str(collection), "--methods", "bm25,prior", "--json").stdout)
    assert report["schema_version"] == 1
    assert report["collection"]["queries"] == 3
    bm25, prior = report["methods"]
    assert bm25.keys() == METHOD_KEYS
    assert prior.keys() == METHOD_KEYS | {"against"}
    assert prior["against"]["baseline"] == "bm25"
    assert report["command"] == "lattice eval topics --methods bm25,prior --seed 1"


def test_the_index_is_reused_and_rebuilt_when_asked(invoke: Invoke, collection: Path, place: Place) -> None:
    asked = ("eval", str(collection), "--methods", "prior")
    (first, again, anew) = (invoke(*asked), invoke(*asked), invoke(*asked, "--rebuild"))
    assert first.exit_code == again.exit_code == anew.exit_code == 0
    (index,) = (place.home / "evaluations").glob("topics-*/index.lattice")
    before = index.stat().st_ino
    invoke(*asked)
    assert index.stat().st_ino == before
    invoke(*asked, "--rebuild")
    assert index.stat().st_ino != before


def test_record_runs_and_plots_are_written(invoke: Invoke, collection: Path, tmp_path: Path) -> None:
    result = invoke(
        *("eval", str(collection), "--methods", "bm25,prior", "--work", str(tmp_path / "work")),
        *("--record", str(tmp_path / "r.json"), "--runs", str(tmp_path / "runs"), "--plots", str(tmp_path / "plots")),
    )
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["methods"][0]["queries"].keys() == {"q1", "q2", "q3"}
    run = (tmp_path / "runs" / "bm25.trec").read_text().splitlines()
    assert run[0].split()[:4] == ["q1", "Q0", "bread", "1"]
    assert {path.name for path in (tmp_path / "plots").iterdir()} >= {"prior-against-bm25.svg"}


def test_the_gate_passes_on_the_same_and_fails_on_worse(invoke: Invoke, collection: Path, tmp_path: Path) -> None:
    asked = ("eval", str(collection), "--methods", "bm25,prior")
    path = tmp_path / "r.json"
    assert invoke(*asked, "--queries", "2", "--record", str(path)).exit_code == 0
    held = invoke(*asked, "--gate", str(path))
    assert held.exit_code == 0
    assert "2 of 3 queries" in held.stdout
    assert "holds" in held.stdout
    record = json.loads(path.read_text())
    for query in record["methods"][1]["queries"].values():
        query["nDCG@10"] += 0.1
    path.write_text(json.dumps(record))
    failed = invoke(*asked, "--gate", str(path))
    assert failed.exit_code == 4
    assert "worse" in failed.stdout
    shown = json.loads(invoke(*asked, "--gate", str(path), "--json").stdout)
    assert [bool(one["failures"]) for one in shown["gate"]] == [False, True]


def test_a_folder_of_files_is_a_collection(invoke: Invoke, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    for name, text in TOPICS.items():
        (notes / "deep").mkdir(parents=True, exist_ok=True)
        (notes / "deep" / f"{name}.md").write_text(f"# {name}\n\n{text}\n")
    write_queries(tmp_path / "asked", [{"_id": "1", "text": "dough yeast"}], [("1", "deep/bread.md", 1)])
    result = invoke(
        *("eval", str(tmp_path / "asked"), "--folder", str(notes), "--methods", "bm25,prior", "--json"),
    )
    assert [one["success@1"] for one in json.loads(result.stdout)["methods"]] == [1.0, 1.0]


def test_paths_as_ids_are_written_out_and_read_as_files(invoke: Invoke, tmp_path: Path) -> None:
    documents = {f"deep/{name}.md": f"# {name}\n\n{text}" for name, text in TOPICS.items()}
    folder = write_collection(tmp_path / "c", documents, qrels=[("q1", "deep/bread.md", 1)])
    report = json.loads(invoke("eval", str(folder), "--methods", "prior", "--json").stdout)
    assert report["index"]["documents"] == 6
    assert report["methods"][0]["success@1"] == 1.0


def test_relevant_documents_that_are_missing_are_told(invoke: Invoke, tmp_path: Path) -> None:
    folder = write_collection(tmp_path / "c", qrels=[("q1", "bread", 1), ("q1", "lost", 1)])
    assert "1 relevant document of the qrels" in invoke("eval", str(folder), "--methods", "prior").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--methods", "bm26"), "no method 'bm26'"),
        (("--methods", "prior,prior"), "Name every method once"),
        (("--methods", "prior", "--baseline", "bm25"), "Add it to --methods"),
        (("--gate", "nothing.json"), "no record"),
        (("--replay", "nothing.jsonl"), "no such file"),
        (("--record", "missing/r.json"), "cannot be written"),
        (("--runs", "topics/corpus.jsonl"), "is a file"),
        (("--judge", "best"), "no judge 'best'"),
        (("--judge", "remote"), "needs a server"),
        (("--judge", "likelihood", "--relevance", "it is old"), "told nothing of relevance"),
        (("--judge", "listwise", "--llm", "http://127.0.0.1:1"), "leave it out"),
        (("--llm", "http://127.0.0.1:1"), "--llm-model"),
        (("--llm-model", "big"), "name the server too"),
        (("--llm", "http://127.0.0.1:1", "--model", "smollm2"), "only one of"),
    ],
)
def test_what_is_asked_wrongly_is_refused_before_the_work(
    invoke: Invoke, collection: Path, empty_home: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = invoke("eval", str(collection), *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not empty_home.exists()


def test_what_is_not_installed_is_missed_before_the_work(
    invoke: Invoke, collection: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, arguments in (("ir_measures", ()), ("matplotlib.figure", ("--plots", "plots"))):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, name, None)
            result = invoke("eval", str(collection), "--methods", "prior", *arguments)
        assert result.exit_code == 3
        assert "lattice-search[eval]" in result.stderr
    assert not empty_home.exists()


def test_what_is_no_collection_is_refused_with_the_cure(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("eval", str(tmp_path))
    assert result.exit_code == 3
    assert "queries.jsonl" in result.stderr


def test_without_a_model_the_methods_that_read_are_refused(
    invoke: Invoke, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lattice.models.registry.embedded_model", lambda: None)
    result = invoke("eval", str(collection), "--methods", "prior,rerank,lattice")
    assert result.exit_code == 3
    assert "rerank, lattice" in result.stderr
    assert invoke("eval", str(collection), "--methods", "prior").exit_code == 0


def test_an_interrupt_says_that_the_readings_are_kept(
    invoke: Invoke, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(collection: Collection, plan: Plan, progress: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lattice.evaluate.session.run", interrupted)
    result = invoke("eval", str(collection))
    assert result.exit_code == 130
    assert "goes on from there" in result.stderr


def test_a_record_of_another_judge_is_refused_before_the_work(
    invoke: Invoke, collection: Path, tmp_path: Path, empty_home: Path
) -> None:
    digest = load(collection).digest
    queries = {"q1": {"nDCG@10": 1.0, "evaluated": 10}}
    record = {
        "collection": {"name": "topics", "sha256": digest},
        "model": {"judge": "likelihood"},
        "methods": [{"method": "lattice", "queries": queries}],
    }
    (tmp_path / "r.json").write_text(json.dumps(record))
    result = invoke("eval", str(collection), "--judge", "listwise", "--gate", str(tmp_path / "r.json"))
    assert result.exit_code == 2
    assert "read by the likelihood judge" in result.stderr
    assert not empty_home.exists()


@pytest.mark.model
def test_another_judge_is_stated_wherever_its_figures_are(invoke: Invoke, collection: Path, tmp_path: Path) -> None:
    plain = ("eval", str(collection), "--methods", "prior,lattice", "--budget", "300", "--work", str(tmp_path / "w"))
    asked = (*plain, "--judge", "pointwise", "--relevance", "it answers")
    shown = json.loads(invoke(*asked, "--json").stdout)
    assert (shown["model"]["judge"], shown["model"]["relevance"]) == ("pointwise", "it answers")
    assert shown["command"].endswith("--judge pointwise --relevance 'it answers'")
    lines = invoke(*asked, "--record", str(tmp_path / "r.json")).stdout.splitlines()
    assert any(line.startswith("judge: pointwise by ") for line in lines)
    assert "told that a passage is relevant if it answers" in lines
    assert json.loads((tmp_path / "r.json").read_text())["model"] == shown["model"]
    assert "holds" in invoke(*asked, "--gate", str(tmp_path / "r.json")).stdout
    other = invoke(*plain, "--gate", str(tmp_path / "r.json"))
    assert other.exit_code == 2
    assert "relevant if it answers" in other.stderr


def test_a_servers_model_is_measured_kept_and_replayed(invoke: Invoke, collection: Path, tmp_path: Path) -> None:
    plain = ("eval", str(collection), "--methods", "prior,lattice", "--work", str(tmp_path / "w"), "--json")
    with serving(reader("hive")) as server:
        asked = (*plain, "--llm", server.url, "--llm-model", "big")
        first = json.loads(invoke(*asked).stdout)
        before = len(server.questions)
        again = json.loads(invoke(*asked).stdout)
        assert len(server.questions) == before > 0
    assert (first["model"]["name"], first["model"]["judge"]) == ("big", "remote")
    assert first["model"]["server"].startswith(server.url)
    assert first["methods"][1]["evaluated"] > 0
    for name in ("nDCG@10", "evaluated", "generated", "calls", "curve"):
        assert [one.get(name) for one in again["methods"]] == [one.get(name) for one in first["methods"]]


@pytest.mark.model
def test_the_real_model_is_measured_replayed_and_explained(invoke: Invoke, collection: Path, tmp_path: Path) -> None:
    asked = ("eval", str(collection), "--methods", "bm25,prior,rerank,lattice,oracle", "--budget", "400")
    first = json.loads(invoke(*asked, "--work", str(tmp_path / "w"), "--json").stdout)
    kept = (tmp_path / "w" / "judgements.jsonl").read_text()
    again = json.loads(invoke(*asked, "--work", str(tmp_path / "w"), "--json").stdout)
    for before, after in zip(first["methods"], again["methods"], strict=True):
        for name in ("nDCG@10", "evaluated", "calls", "curve", "losses"):
            assert before.get(name) == after.get(name)
    assert (tmp_path / "w" / "judgements.jsonl").read_text() == kept
    assert all(0 < one["evaluated"] <= 400 for one in first["methods"][2:])
    oracle = first["methods"][-1]
    assert oracle["nDCG@10"] == 1.0
    told = invoke(*asked, "--work", str(tmp_path / "w"), "--misses", "3").stdout
    assert "A judge that knows the answers reaches 1.000" in told


@pytest.mark.model
def test_an_interrupted_evaluation_goes_on_where_it_was(collection: Path, tmp_path: Path) -> None:
    def command(work: str) -> list[str]:
        asked = ["eval", str(collection), "--methods", "prior,lattice", "--budget", "600", "--json"]
        return [sys.executable, "-m", "lattice", *asked, "--work", str(tmp_path / work)]

    kept = tmp_path / "cut" / "judgements.jsonl"
    running = subprocess.Popen(command("cut"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not kept.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=120)
    assert running.returncode == 130, told
    assert "goes on from there" in told
    before = kept.read_text()
    assert before
    resumed, whole = (
        json.loads(subprocess.run(command(work), capture_output=True, text=True, check=True, timeout=300).stdout)
        for work in ("cut", "whole")
    )
    assert kept.read_text().startswith(before)
    for one, other in zip(resumed["methods"], whole["methods"], strict=True):
        assert {name: one[name] for name in ("nDCG@10", "evaluated", "calls")} == {
            name: other[name] for name in ("nDCG@10", "evaluated", "calls")
        }


def test_it_runs_as_a_program_of_its_own(collection: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lattice", "eval", str(collection), "--methods", "prior", "--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
