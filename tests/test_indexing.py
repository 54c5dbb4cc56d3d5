from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lattice.errors import CorpusProblem, IndexLocked, IndexProblem, IndexTooNew
from lattice.indexing import changes, index_folder
from lattice.store.store import Store
from lattice.types import BuildSettings


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "bees.md").write_text("# Bees\n\nThe hives stand behind the dome and are opened in May.\n")
    (folder / "dome.md").write_text("# Dome\n\nWhen the motor stalls, use the hand crank.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    return folder


def test_an_index_is_built_left_alone_and_refreshed(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    first = index_folder(notes, index)
    assert (first.documents, first.passages, first.fresh) == (2, 2, False)
    assert [skipped.path for skipped in first.skipped] == ["broken.pdf"]
    before = index.read_bytes()
    again = index_folder(notes, index)
    assert again.fresh
    assert (again.documents, again.skipped) == (2, first.skipped)
    assert index.read_bytes() == before
    (notes / "kitchen.txt").write_text("Who washes up is on the rota.")
    assert index_folder(notes, index).documents == 3


def test_changes_name_what_was_added_written_removed_and_mended(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    index_folder(notes, index)
    assert not changes(index, notes, BuildSettings())
    (notes / "bees.md").write_text("# Bees\n\nThey moved.\n")
    (notes / "dome.md").unlink()
    (notes / "new.md").write_text("new")
    (notes / "broken.pdf").write_bytes(b"mended, or at least another file")
    found = changes(index, notes, BuildSettings())
    assert (found.added, found.changed, found.removed) == (("new.md",), ("bees.md", "broken.pdf"), ("dome.md",))


def test_other_settings_build_anew_and_stay(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    index_folder(notes, index)
    assert not index_folder(notes, index, BuildSettings(branching=3)).fresh
    assert index_folder(notes, index).fresh
    with Store.open(index) as store:
        assert store.settings().branching == 3


def test_the_same_folder_gives_the_same_content(notes: Path, tmp_path: Path) -> None:
    def content(name: str) -> object:
        index_folder(notes, tmp_path / name)
        with Store.open(tmp_path / name) as store:
            ids, vectors = store.vectors()
            return store.root(), store.documents(), store.passages(ids.tolist()), vectors.tobytes()

    assert content("one.lattice") == content("two.lattice")


def test_a_damaged_index_is_built_anew(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    index_folder(notes, index)
    os.truncate(index, 5000)
    assert not index_folder(notes, index).fresh
    with Store.open(index) as store:
        assert store.status().documents == 2


def test_an_index_of_a_later_version_is_left_alone(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    index_folder(notes, index)
    raw = bytearray(index.read_bytes())
    raw[60:64] = (999).to_bytes(4, "big")  # user_version in SQLite's header
    index.write_bytes(raw)
    with pytest.raises(IndexTooNew):
        index_folder(notes, index)


def test_a_renamed_folder_is_not_the_one_that_was_indexed(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    index_folder(notes, index)
    moved = notes.rename(tmp_path / "moved")
    assert not index_folder(moved, index).fresh
    with Store.open(index) as store:
        assert store.status().root == str(moved)


def test_another_builder_version_builds_anew(notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "notes.lattice"
    index_folder(notes, index)
    monkeypatch.setattr("lattice.indexing.BUILDER_VERSION", 999)
    assert not index_folder(notes, index).fresh


def test_a_second_builder_is_refused_before_it_works(notes: Path, tmp_path: Path) -> None:
    index = tmp_path / "notes.lattice"
    refused: list[BaseException] = []

    def at(stage: str, _done: int, _total: int) -> None:
        if stage == "tree" and not refused:
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()

    def other() -> None:
        try:
            index_folder(notes, index, progress=lambda *_: pytest.fail("it began to work"))
        except IndexLocked as error:
            refused.append(error)

    index_folder(notes, index, progress=at)
    assert len(refused) == 1


def test_a_place_that_cannot_be_written_is_refused_before_the_work(notes: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "shopping.txt"
    foreign.write_text("milk")
    with pytest.raises(IndexProblem):
        index_folder(notes, foreign, progress=lambda *_: pytest.fail("it began to work"))
    assert foreign.read_text() == "milk"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusProblem, match="nowhere"):
        index_folder(tmp_path / "nowhere", tmp_path / "x.lattice")


def test_an_index_inside_its_folder_does_not_index_itself(notes: Path) -> None:
    index = notes / "own.lattice"
    index_folder(notes, index)
    assert index_folder(notes, index).fresh


def test_progress_names_the_stages_in_order(notes: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    index_folder(notes, tmp_path / "x.lattice", progress=lambda stage, _done, _total: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["reading", "vectors", "tree", "descriptions", "names", "writing"]
