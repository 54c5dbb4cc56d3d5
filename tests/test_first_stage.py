"""Lexical and vector search before anyone reads: over passages and over whole documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lattice.first_stage import PRIOR_DEPTH, FirstStage
from lattice.indexing import index_folder
from lattice.models.embedders import TfidfSvd
from lattice.store.lexical import Unit
from lattice.store.store import Store
from lattice.traversal.admitted import Admission
from lattice.types import BuildSettings

FILLER = "The harbour was quiet and the gulls slept on the wall until the tide came back in the grey morning. "


@pytest.fixture(name="store", scope="module")
def fixture_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "together.md").write_text(
        f"# Boats\n\n## Hull\n\nThe varnish of the hull is thick. {FILLER * 5}\n\n"
        f"## Mast\n\nA spruce mast bends. {FILLER * 5}\n"
    )
    (folder / "varnish.md").write_text(f"# Paint\n\nA varnish dries in a day. {FILLER * 5}\n")
    (folder / "spruce.md").write_text(f"# Trees\n\nThe spruce is an evergreen. {FILLER * 5}\n")
    for number in range(12):
        (folder / f"other{number}.md").write_text(f"# Note {number}\n\n{FILLER * (1 + number % 3)} Item {number}.\n")
    index_folder(folder, folder / "i.lattice", BuildSettings(max_passage_words=120))
    return Store.open(folder / "i.lattice")


def _paths(store: Store, leaves: list[int]) -> list[str]:
    return [store.passage(store.node(leaf).passage or 0).document for leaf in leaves]


def test_the_words_of_a_document_meet_across_its_passages(store: Store) -> None:
    both = "spruce varnish"
    numbers = {number: path for path, (number, _) in store.spans().items()}
    assert numbers[store.lexical(both, 5, unit=Unit.DOCUMENTS)[0][0]] == "together.md"
    # No passage of it has both words, and the others have one of them as well.
    assert all(len(store.lexical(word, 9)) == 2 for word in both.split())
    for prior in (FirstStage(store).prior(both), FirstStage(store).at_once(both)):
        assert _paths(store, [hit.leaf for hit in prior.hits[:2]]) == ["together.md", "together.md"]


def test_a_heading_counts_once_in_a_document_however_many_passages_stand_below_it(store: Store) -> None:
    assert len(store.lexical("boats", 9, unit=Unit.DOCUMENTS)) == 1
    assert (
        len(store.lexical("boats", 9)) == store.spans()["together.md"][1].stop - store.spans()["together.md"][1].start
    )


def test_the_cosine_of_a_document_is_that_of_the_sum_of_its_vectors(store: Store) -> None:
    query = "varnish on the hull of a boat"
    _, documents, document_of = FirstStage(store).found(query)
    _, matrix = store.vectors()
    asked = TfidfSvd.from_arrays(store.embedder()).embed([query])[0]
    numbers = np.array(store.document_numbers())
    for number, cosine in documents.vectors:
        whole = matrix[numbers == number].sum(axis=0)
        assert cosine == pytest.approx(float(whole @ asked) / float(np.linalg.norm(whole)), abs=1e-5)
    assert {number for number, _ in documents.vectors} == set(document_of.values())


def test_nothing_known_is_nothing_found(store: Store) -> None:
    assert FirstStage(store).prior("zzyzx").hits == ()
    assert FirstStage(store).at_once("zzyzx").hits == ()


def test_the_depth_bounds_the_prior(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(FirstStage(store).prior("harbour gulls").hits) <= PRIOR_DEPTH
    monkeypatch.setattr("lattice.first_stage.PRIOR_DEPTH", 3)
    assert len(FirstStage(store).prior("harbour gulls").hits) == 3


def test_an_index_without_passages_has_a_prior_without_hits(tmp_path: Path) -> None:
    (tmp_path / "empty.md").write_text("")
    index_folder(tmp_path, tmp_path / "i.lattice")
    with Store.open(tmp_path / "i.lattice") as store:
        assert FirstStage(store).prior("anything").hits == ()


def test_a_vocabulary_brings_what_the_query_does_not_and_keeps_what_it_does(store: Store) -> None:
    stage = FirstStage(store)
    plain, more = stage.prior("varnish"), stage.prior("varnish", vocabulary=("evergreen", "bends"))
    found = set(_paths(store, [hit.leaf for hit in more.hits]))
    assert "spruce.md" in found
    assert {hit.leaf for hit in plain.hits} <= {hit.leaf for hit in more.hits}
    assert _paths(store, [more.hits[0].leaf]) == _paths(store, [plain.hits[0].leaf])
    assert stage.prior("varnish", vocabulary=()) == plain


def test_a_vocabulary_of_unknown_words_changes_nothing(store: Store) -> None:
    stage = FirstStage(store)
    assert stage.prior("varnish", vocabulary=("xylophone",)) == stage.prior("varnish")
    assert stage.prior("xylophone", vocabulary=("varnish",)).hits


def test_a_share_of_nothing_is_no_vocabulary(store: Store) -> None:
    stage = FirstStage(store)
    plain, none = stage.found("varnish"), stage.found("varnish", None, ("varnish",), 0.0)
    assert none[0].words == plain[0].words
    assert none[1] == plain[1]


def test_a_search_looks_its_words_up_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    lexical = Store.lexical

    def counted(self: Store, query: str, *how: Any) -> list[tuple[int, float]]:  # noqa: ANN401 - passed on
        asked.append(query)
        return lexical(self, query, *how)

    monkeypatch.setattr(Store, "lexical", counted)
    stage = FirstStage(store)
    stage.at_once("varnish")
    found = stage.prior("varnish")
    assert asked == ["varnish"] * 2  # passages and documents
    assert found == FirstStage(store).prior("varnish")
    everything, nothing = (Admission(bytes([one] * 99), bytes([one] * 99), ()) for one in (1, 0))
    assert stage.at_once("varnish", everything).hits
    assert not stage.at_once("varnish", nothing).hits
    assert stage.at_once("spruce") != stage.at_once("varnish")
