from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lattice.errors import ModelNotFound
from lattice.lattice import Lattice
from lattice.lint.check import BY_MODEL, BY_WORDS, check
from lattice.lint.report import Limits, Report
from lattice.models.registry import embedded_model
from lattice.store.store import Store
from lattice.traversal.stand_ins import ScriptedJudge
from tests.lint.trees import BIRDS, TOOLS, good_tree, write_tree
from tests.store.snapshots import make_snapshot, make_store


@pytest.fixture(name="good")
def fixture_good(tmp_path: Path) -> Iterator[Store]:
    with good_tree(tmp_path / "good.lattice") as store:
        yield store


def kinds(report: Report) -> dict[str, list[tuple[int, ...]]]:
    found: dict[str, list[tuple[int, ...]]] = {}
    for finding in report.findings:
        found.setdefault(finding.kind, []).append(finding.nodes)
    return found


def test_a_good_tree_passes_and_every_passage_is_found_again(good: Store) -> None:
    report = check(good)
    assert report.failures == ()
    assert report.findings == ()
    assert (report.retrieval.walker, report.retrieval.asked, report.retrieval.found) == (BY_WORDS, 4, 4)
    assert report.model is None


def test_coverage_is_the_mean_share_of_terms_that_a_description_above_holds(tmp_path: Path) -> None:
    # Of n3's owl and vole the node says both; of n4's heron and frog the root says one.
    with write_tree(tmp_path / "tree.lattice", [("owl vole", ["owl vole", "heron frog"])], root="heron") as store:
        report = check(store)
    # The title "00" is a term of both, and nobody's description holds it.
    assert report.covered == pytest.approx((2 / 3 + 1 / 3) / 2)


def test_children_of_the_top_need_nobody_to_speak_for_them(tmp_path: Path) -> None:
    with make_store(tmp_path / "one.lattice", make_snapshot({"a.md": [((), text) for text in BIRDS]})) as store:
        report = check(store, top=2)
    assert (report.covered, report.findings, report.retrieval.found) == (None, (), 2)


def test_a_passage_of_which_nothing_is_said_above_is_named_with_its_terms(tmp_path: Path) -> None:
    with write_tree(tmp_path / "tree.lattice", [("owl", BIRDS), ("chisel", [*TOOLS, "Zebras graze."])]) as store:
        found = {one.nodes: one.detail for one in check(store).findings if one.kind == "uncovered"}
    assert set(found) == {(3,), (7,), (8,)}
    assert found[(8,)].split(", ")[:2] == ["graze", "Zebras"], "as they are written, not as they are stemmed"


def test_descriptions_that_are_exchanged_send_everyone_astray(tmp_path: Path) -> None:
    birds, tools = "heron rivers frogs owl voles meadows", "chisel joints oak lathe wooden bowls"
    with write_tree(tmp_path / "tree.lattice", [(tools, BIRDS), (birds, TOOLS)]) as store:
        report = check(store)
    assert report.retrieval.found == 0
    assert report.retrieval.senders[0].node == 1
    assert report.retrieval.senders[0].astray == 4
    assert [failure for failure in report.failures if "are found again" in failure]


def test_siblings_and_empty_nodes_are_found_and_fail(tmp_path: Path) -> None:
    same = "heron rivers frogs owl voles meadows"
    with write_tree(tmp_path / "tree.lattice", [(same, BIRDS), (same, TOOLS), (" ", ["oak"])]) as store:
        report = check(store)
    assert kinds(report)["alike"] == [(2, 5)]
    assert kinds(report)["empty"] == [(8,)]
    assert report.alike == pytest.approx(1 / 4)
    assert len(report.failures) == 2


def test_siblings_of_one_name_are_found_and_fail_as_those_that_read_alike(tmp_path: Path) -> None:
    birds, tools = "heron rivers frogs owl voles meadows", "chisel joints oak lathe wooden bowls"
    with write_tree(tmp_path / "tree.lattice", [(birds, BIRDS), (tools, TOOLS)], names=("Work", "work")) as store:
        report = check(store)
    assert kinds(report) == {"namesakes": [(2, 5)]}
    assert report.alike == pytest.approx(1 / 3)
    assert report.same_words == 1.0
    assert len(report.failures) == 1


@pytest.mark.parametrize(
    ("limits", "fails"),
    [
        (Limits(found=1.0, covered=0.0), 0),
        (Limits(found=0.0, covered=0.99), 1),
        (Limits(alike=0.0), 0),
    ],
)
def test_limits_decide(good: Store, limits: Limits, fails: int) -> None:
    assert len(check(good, limits=limits).failures) == fails


def test_a_part_is_checked_alone(good: Store) -> None:
    report = check(good, top=5)
    assert (report.top, report.shape.leaves, report.retrieval.asked) == (5, 2, 2)
    leaf = check(good, top=6)
    assert (leaf.shape.leaves, leaf.retrieval.asked, leaf.covered, leaf.failures) == (1, 0, None, ())
    with pytest.raises(KeyError):
        check(good, top=99)


def test_a_sample_is_the_same_for_the_same_seed(good: Store) -> None:
    assert check(good, sample=2).retrieval.asked == 2
    assert check(good, sample=2, seed=3) == check(good, sample=2, seed=3)


def test_an_empty_index_and_one_of_one_passage_pass(tmp_path: Path) -> None:
    with make_store(tmp_path / "one.lattice", make_snapshot({"a.md": [((), "An owl hunts voles at night.")]})) as store:
        assert check(store, limits=Limits(covered=0.0)).failures == ()
    with Lattice.index(tmp_path_of(tmp_path, "empty"), path=tmp_path / "empty.lattice", model=None) as lattice:
        report = lattice.check()
    assert (report.shape.leaves, report.retrieval.asked, report.failures) == (0, 0, ())


def tmp_path_of(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def test_a_passage_without_words_is_counted_and_not_looked_for(tmp_path: Path) -> None:
    with write_tree(tmp_path / "tree.lattice", [("owl", [*BIRDS, "— … —"])]) as store:
        retrieval = check(store).retrieval
    assert (retrieval.asked, retrieval.silent) == (2, 1)


def test_a_judge_walks_a_sample_of_its_own_and_what_it_took_is_told(good: Store) -> None:
    judge = ScriptedJudge({5: 1.0, 7: 1.0})
    stages: list[str] = []
    report = check(good, judge=judge, model_sample=4, progress=lambda stage, _, __: stages.append(stage))
    assert report.model is not None
    assert (report.model.walker, report.model.asked, report.model.found, report.model.parents) == (BY_MODEL, 4, 1, 2)
    assert report.model.usage.evaluated == judge.price * sum(map(len, judge.seen))
    assert stages.count("walks") == stages.count("model") == 4


def test_without_a_model_none_can_walk(good: Store) -> None:
    with Lattice.open(good.path, model=None) as lattice, pytest.raises(ModelNotFound, match="smollm2"):
        lattice.check(with_model=True)


@pytest.mark.model
def test_the_embedded_model_finds_passages_again(good: Store) -> None:
    model = embedded_model()
    assert model is not None
    with Lattice.open(good.path, model=model) as lattice:
        found = lattice.check(with_model=True).model
    assert found is not None
    assert found.asked == 4
    assert found.found >= 3
    assert found.usage.evaluated > 0
