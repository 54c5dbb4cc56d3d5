from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import networkx
import pytest

import lattice
from lattice import Lattice, PaperSettings, SearchSettings
from lattice.errors import IndexNotFound, IndexProblem, ModelNotFound, ModelUnusable, UsageError
from lattice.models.embedders import TfidfSvd
from lattice.traversal.evidence import search_by_evidence
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.stand_ins import ScriptedJudge
from lattice.traversal.steps import Step

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def notes(observatory: Path) -> Iterator[Lattice]:
    with Lattice.open(observatory, model=None) as opened:
        yield opened


def test_public_names_exist_and_no_others_do() -> None:
    assert all(getattr(lattice, name) for name in lattice.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        lattice.nothing  # noqa: B018


def test_without_a_model_the_prior_answers_and_says_so(notes: Lattice) -> None:
    answers = list(notes.iter_search("who cleans the mirror"))
    last = answers[-1]
    assert (last.mode, last.stopped, last.usage.calls) == ("prior", "prior", 0)
    assert last.notice is not None
    assert "--model" in last.notice
    assert last.hits[0].path == "telescope/mirror_cleaning.md"


def test_hits_are_ranked_placed_and_marked(notes: Lattice) -> None:
    hits = notes.search("cleaning the mirror", limit=4)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert [hit.relevance for hit in hits] == sorted((hit.relevance for hit in hits), reverse=True)
    first = hits[0]
    text = (EXAMPLES / "observatory" / first.path).read_text().splitlines()
    shown = first.snippet.removeprefix("… ").split()[:3]
    assert " ".join(shown) in " ".join(" ".join(text[first.location.start - 1 : first.location.end]).split())
    assert {first.snippet[a:b].lower() for a, b in first.marks} & {"mirror", "cleaning", "clean"}
    assert first.trail
    assert all(step.description for step in first.trail)


def test_the_judge_reorders_what_the_prior_found(notes: Lattice, observatory: Path) -> None:
    before = notes.search("telescope", limit=5)
    judge = ScriptedJudge({before[4].id: 1.0})
    with Lattice.open(observatory, judge=judge) as opened:
        answers = list(opened.iter_search("telescope", 5))
    assert answers[-1].hits[0].id == before[4].id
    assert answers[-1].mode == "lattice"
    assert answers[-1].hits[0].judged


def test_answers_begin_with_lexical_hits_and_end_with_a_reason(observatory: Path) -> None:
    with Lattice.open(observatory, judge=ScriptedJudge({})) as opened:
        answers = list(opened.iter_search("telescope", settings=SearchSettings(budget_tokens=None, iterations=2)))
    assert answers[0].step is None
    assert answers[0].hits
    assert [answer.stopped for answer in answers[:-1]] == [None] * (len(answers) - 1)
    assert answers[-1].stopped == "iterations"


def test_the_published_search_begins_with_nothing_and_ends_with_what_it_read(observatory: Path) -> None:
    with Lattice.open(observatory, judge=ScriptedJudge({})) as opened:
        answers = list(opened.iter_search("telescope", settings=PaperSettings()))
    assert answers[1].step is not None
    assert answers[1].hits == ()
    assert answers[-1].hits
    assert all(hit.judged for hit in answers[-1].hits)


@pytest.mark.parametrize("slate_dependent", [False, True])
def test_a_judge_with_a_slate_bias_is_followed_by_the_model_of_the_whole_tree(
    observatory: Path, monkeypatch: pytest.MonkeyPatch, slate_dependent: bool
) -> None:
    begun: list[bool] = []

    def begin(*given: Any) -> Iterator[Step]:  # noqa: ANN401 - passed on as they come
        begun.append(True)
        return search_by_evidence(*given)

    monkeypatch.setattr("lattice.traversal.evidence.search_by_evidence", begin)
    with Lattice.open(observatory, judge=ScriptedJudge({}, slate_dependent=slate_dependent)) as opened:
        assert opened.search("telescope")
    assert begun == [True] * slate_dependent


def test_min_relevance_and_limit_cut_the_hits(notes: Lattice) -> None:
    everything = notes.search("telescope", limit=50)
    bar = everything[3].relevance
    assert all(hit.relevance >= bar for hit in notes.search("telescope", limit=50, min_relevance=bar))
    assert notes.search("telescope", min_relevance=1.0) == []
    assert len(notes.search("telescope", limit=2)) == 2


@pytest.mark.parametrize(
    "query", ["C++", "don't", "foo-bar?", '"', "NEAR(", "*", "赤道仪", "\x00", "x" * 5000, "mirror " * 10_000]
)
def test_any_query_is_answered(notes: Lattice, query: str) -> None:
    assert isinstance(notes.search(query), list)


@pytest.mark.parametrize("query", ["", "   ", "\n\t"])
def test_an_empty_query_is_refused(notes: Lattice, query: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        notes.search(query)
    with pytest.raises(UsageError, match="empty"):
        notes.iter_search(query)


def test_vector_search_is_exact_and_ties_go_by_id(notes: Lattice) -> None:
    found = notes.first_stage.similar("how cold may the camera get", 20)
    assert len(found) == 20
    assert found == sorted(found, key=lambda item: (-item[1], item[0]))
    ids, vectors = notes.store.vectors()
    embedder = TfidfSvd.from_arrays(notes.store.embedder())
    similarities = vectors @ embedder.embed(["how cold may the camera get"])[0]
    best = sorted(zip(ids.tolist(), similarities.tolist(), strict=True), key=lambda item: (-item[1], item[0]))[:20]
    assert [passage for passage, _ in found] == [passage for passage, _ in best]


def test_the_prior_orders_its_hits_and_maps_them_to_leaves(notes: Lattice) -> None:
    prior = notes.prior("how cold may the camera get")
    expected = [hit.expected for hit in prior.hits]
    assert expected == sorted(expected, reverse=True)
    assert all(prior.floor <= value <= 1.0 for value in expected)
    assert all(notes.store.node(hit.leaf).is_leaf for hit in prior.hits)


@pytest.mark.parametrize(("limit", "bar"), [(0, 0.0), (-1, 0.0), (5, 1.5), (5, float("nan"))])
def test_impossible_limits_are_refused(notes: Lattice, limit: int, bar: float) -> None:
    with pytest.raises(UsageError):
        notes.search("telescope", limit, min_relevance=bar)


def test_a_home_folder_is_found_in_paths(observatory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(observatory.parent))
    with Lattice.open(f"~/{observatory.name}", model=None) as opened:
        assert opened.store.status().documents > 0


def test_a_wrong_model_is_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        Lattice.index(EXAMPLES / "observatory", path=tmp_path / "x.lattice", model=tmp_path / "none.gguf")
    assert list(tmp_path.iterdir()) == []


def test_the_tree_is_a_graph_whose_leaves_are_the_passages(notes: Lattice) -> None:
    graph = notes.tree()
    assert networkx.is_arborescence(graph)
    leaves = [node for node in graph if graph.out_degree(node) == 0]
    assert len(leaves) == notes.store.status().passages
    assert all(graph.nodes[leaf]["path"] for leaf in leaves)
    root = next(node for node in graph if graph.in_degree(node) == 0)
    assert graph.nodes[root]["leaves"] == len(leaves)
    assert graph.nodes[root]["kind"] == "root"


def test_missing_index_and_missing_model_are_errors(observatory: Path, tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound):
        Lattice.open(tmp_path / "none.lattice", model=None)
    with pytest.raises(ModelNotFound):
        Lattice.open(observatory, model=tmp_path / "none.gguf")


def test_a_search_writes_nothing_beside_the_index(notes: Lattice, observatory: Path) -> None:
    before = observatory.read_bytes()
    notes.search("telescope")
    assert observatory.read_bytes() == before
    assert [path.name for path in observatory.parent.iterdir()] == [observatory.name]


def test_empty_and_tiny_folders_are_searched_like_any_other(tmp_path: Path) -> None:
    for count in (0, 1, 2):
        folder = tmp_path / f"folder{count}"
        folder.mkdir()
        for i in range(count):
            (folder / f"{i}.txt").write_text(f"number {i}: the dome motor stalls")
        with Lattice.index(folder, path=tmp_path / f"{count}.lattice", model=None) as opened:
            assert len(opened.search("dome motor")) == count
    with Lattice.open(tmp_path / "0.lattice", judge=ScriptedJudge({})) as opened:
        assert opened.search("dome motor") == []


@pytest.mark.model
def test_the_real_model_finds_what_shares_no_words_and_repeats_itself(observatory: Path) -> None:
    questions = json.loads((EXAMPLES / "questions.json").read_text())
    roof = next(item for item in questions if "roof" in item["question"])
    settings = SearchSettings(budget_tokens=900)
    with Lattice.open(observatory) as opened:
        *_, last = opened.iter_search(roof["question"], 5, settings=settings)
        again = opened.search(roof["question"], 5, settings=settings)
    assert last.mode == "lattice"
    assert set(roof["relevant"]) & {hit.path for hit in last.hits[:3]}
    assert 0 < last.usage.evaluated <= 900
    assert [(hit.id, hit.relevance) for hit in again] == [(hit.id, hit.relevance) for hit in last.hits]


def test_an_open_object_moves_on_to_another_index_in_the_same_place(tmp_path: Path) -> None:
    folder, index = tmp_path / "notes", tmp_path / "notes.lattice"
    folder.mkdir()
    for name in ("gnu", "bat", "emu", "owl"):
        (folder / f"{name}.txt").write_text(f"the {name} lives on the plain")
    with Lattice.index(folder, path=index, model=None) as notes:
        assert notes.search("gnu plain")[0].path == "gnu.txt"
        for name in ("gnu", "emu"):
            (folder / f"{name}.txt").unlink()
        index.unlink()
        Lattice.index(folder, path=index, model=None).close()
        assert {hit.path for hit in notes.search("plain bat")} == {"bat.txt", "owl.txt"}


def test_closing_midway_and_using_it_after_are_told_plainly(observatory: Path) -> None:
    opened = Lattice.open(observatory, model=None)
    midway = opened.iter_search("telescope")
    next(midway)
    opened.close()
    midway.close()
    with pytest.raises(IndexProblem, match="closed"):
        opened.search("telescope")


@pytest.mark.model
def test_closing_frees_the_model(observatory: Path) -> None:
    opened = Lattice.open(observatory)
    judge = opened.judge()
    assert isinstance(judge, LikelihoodJudge)
    opened.close()
    with pytest.raises(ModelUnusable, match="closed"):
        judge.engine.continuation_logprobs(["a"], "b")
