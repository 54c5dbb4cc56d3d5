"""A search of a part of the index."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lattice import Filters, Lattice, SearchSettings
from lattice.answering import Answer
from lattice.errors import UsageError
from lattice.traversal.admitted import BETWEEN_NAMES
from lattice.traversal.prior import Found
from lattice.traversal.stand_ins import ScriptedJudge

WORDS = ("mirror", "dome", "camera", "motor", "shutter", "rain", "filter", "clock", "guide", "star")
FOLDERS = ("alpha", "beta", "gamma")
MANY = 60


def _write(folder: Path) -> list[str]:
    """Sixty documents of two passages, five words of ten each; return their paths."""
    paths = []
    for i in range(MANY):
        suffix = ("md", "txt", "py")[i % 3]
        path = folder / FOLDERS[i % 2 + (i % 5 == 0)] / f"note{i}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        said = " ".join(WORDS[(i * j + j) % len(WORDS)] for j in range(1, 6))
        path.write_text(f"{said} number{i} " * 20 + "\n\n" + f"{WORDS[i % 10]} of the night {i} " * 30)
        os.utime(path, ns=(i * 86_400 * 10**9, i * 86_400 * 10**9))  # a day a document, from 1 January 1970
        paths.append(path.relative_to(folder).as_posix())
    return sorted(paths)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    _write(folder)
    path = tmp_path_factory.mktemp("index") / "many.lattice"
    Lattice.index(folder, path=path, model=None).close()
    return path


@pytest.fixture(scope="module")
def notes(index: Path) -> Iterator[Lattice]:
    with Lattice.open(index, model=None) as opened:
        yield opened


def _paths(answer: Answer) -> set[str]:
    return {hit.path for hit in answer.hits}


@pytest.mark.parametrize(
    ("filters", "admits"),
    [
        (Filters(paths=("beta/",)), lambda path: path.startswith("beta/")),
        (Filters(types=("md", "code")), lambda path: path.endswith((".md", ".py"))),
        (Filters(exclude=("note1*",)), lambda path: "/note1" not in path),
        (Filters(since="1970-02-10"), lambda path: int(path.split("note")[1].split(".")[0]) >= 40),
        (Filters(excluded_ids=frozenset({"beta/note1.txt"})), lambda path: path != "beta/note1.txt"),
    ],
)
def test_each_filter_leaves_only_what_it_admits(notes: Lattice, filters: Filters, admits: object) -> None:
    assert callable(admits)
    hits = notes.search("mirror of the night", limit=300, filters=filters)
    assert hits
    assert all(admits(hit.path) for hit in hits)
    everything = {hit.path for hit in notes.search("mirror of the night", limit=300)}
    assert {hit.path for hit in hits} >= {path for path in everything if admits(path)}


def test_a_narrow_filter_still_fills_the_prior(notes: Lattice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lattice.first_stage.PRIOR_DEPTH", 4)
    best = {hit.path for hit in notes.search("mirror of the night", limit=4)}
    hits = notes.search("mirror of the night", limit=4, filters=Filters(excluded_ids=frozenset(best)))
    assert len(hits) == 4
    assert not best & {hit.path for hit in hits}


def test_filters_that_leave_nothing_answer_once_and_say_which(notes: Lattice) -> None:
    (answer,) = notes.iter_search("mirror", filters=Filters(types=("pdf",)))
    assert (answer.hits, answer.stopped, answer.mode) == ((), "filters", "prior")
    assert answer.notice is not None
    assert "--type pdf admits none of the 60 documents" in answer.notice
    assert notes.search("mirror", filters=Filters(types=("pdf",))) == []


def test_no_filters_and_empty_filters_are_the_same(notes: Lattice) -> None:
    assert notes.search("mirror", filters=Filters()) == notes.search("mirror")
    assert notes.admission(Filters()) is None


def test_filters_that_make_no_sense_are_refused_before_the_first_answer(notes: Lattice) -> None:
    with pytest.raises(UsageError, match="--since"):
        notes.iter_search("mirror", filters=Filters(since="soon"))


def test_what_is_admitted_is_worked_out_once(notes: Lattice) -> None:
    first = notes.admission(Filters(paths=("alpha/",)))
    assert notes.admission(Filters(paths=("alpha/",))) is first


def test_a_judge_is_shown_nothing_that_is_left_out(index: Path) -> None:
    judge = ScriptedJudge({}, slate_dependent=True)
    filters = Filters(paths=("alpha/",), exclude=("*.py",))
    with Lattice.open(index, judge=judge) as opened, opened.store.reading():
        how = SearchSettings(budget_tokens=None)
        *_, last = opened.iter_search("mirror", 200, settings=how, filters=filters)
        shown = [opened.store.node(node) for slate in judge.seen for node in slate]
        passages = opened.store.passages([node.passage for node in shown if node.passage is not None])
        admission = opened.admission(filters)
        assert admission is not None
        assert all(admission.leaves[node.id] for node in shown)
        expected = {path for path in opened.store.spans() if path.startswith("alpha/") and not path.endswith(".py")}
    assert {passage.document for passage in passages.values()} == expected == _paths(last)
    assert last.stopped == "exhausted"


def test_the_trail_of_a_hit_is_described_by_what_is_left(notes: Lattice) -> None:
    filters = Filters(paths=("note11.*", "note25.*"))
    hits = notes.search("night", limit=300, filters=filters)
    assert {Path(hit.path).stem for hit in hits} == {"note11", "note25"}
    with notes.store.reading():
        clusters = {step for hit in hits for step in hit.trail if notes.store.node(step.id).kind == "cluster"}
        names = {step.description for hit in hits for step in hit.trail if step not in clusters}
        names |= {notes.store.node(hit.id).description for hit in hits}
    assert clusters
    for step in clusters:
        assert all(any(name.startswith(part) for name in names) for part in step.description.split(BETWEEN_NAMES))


@st.composite
def _filters(draw: st.DrawFn) -> Filters:
    globs = st.sampled_from(["alpha/", "/beta", "*.md", "note1*", "**/note?.txt", "gamma/*.py", "*3*"])
    return Filters(
        paths=tuple(draw(st.lists(globs, max_size=2))),
        types=tuple(draw(st.lists(st.sampled_from(["md", "text", "code", "pdf"]), max_size=2))),
        since=draw(st.sampled_from([None, "1970-01-20", "1970-02-20", "1971-01-01"])),
        exclude=tuple(draw(st.lists(globs, max_size=2))),
        excluded_ids=frozenset(draw(st.lists(st.sampled_from(["alpha/note2.py", "beta/note1.txt"]), max_size=2))),
    )


@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_filters(), st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True))
def test_what_is_admitted_keeps_its_scores_and_order(notes: Lattice, filters: Filters, words: list[str]) -> None:
    query = " ".join(words)
    with notes.store.reading():
        admission = notes.admission(filters)
        inside = None if admission is None else {i for i, byte in enumerate(admission.passages, 1) if byte}
        admitted = None if admission is None else admission.passages

        def part(found: list[tuple[int, float]]) -> list[tuple[int, float]]:
            return [one for one in found if inside is None or one[0] in inside]

        stage = notes.first_stage
        lexical, similar = notes.store.lexical(query, 10_000), stage.similar(query, 10_000)
        assert notes.store.lexical(query, 10_000, admitted) == part(lexical)
        assert notes.store.lexical(query, 7, admitted) == part(lexical)[:7]
        assert stage.similar(query, 10_000, admission) == part(similar)
        assert stage.similar(query, 7, admission) == part(similar)[:7]
        passages, documents, document_of = stage.found(query, admission)
        assert passages == Found(part(lexical), part(similar), [])
        numbers = set(document_of.values())
        everything = stage.found(query)[1]
        assert documents.words == [one for one in everything.words if one[0] in numbers]
        kept = dict(everything.vectors)
        assert dict(documents.vectors) == pytest.approx({one: kept[one] for one in numbers}, abs=1e-6)


@settings(deadline=None, derandomize=True, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_filters(), st.sampled_from(WORDS), st.booleans())
def test_no_hit_candidate_or_anchor_is_ever_outside(
    index: Path, filters: Filters, word: str, slate_dependent: bool
) -> None:
    judge = ScriptedJudge({node: node % 10 / 10 for node in range(1, 200)}, slate_dependent)
    with Lattice.open(index, judge=judge) as opened, opened.store.reading():
        admission = opened.admission(filters)
        for answer in opened.iter_search(word, 200, settings=SearchSettings(budget_tokens=600), filters=filters):
            for hit in answer.hits:
                assert admission is None or admission.leaves[hit.id] == 1
        assert admission is None or all(admission.leaves[node] for slate in judge.seen for node in slate)
