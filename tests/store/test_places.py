from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lattice.errors import IndexNotFound, IndexProblem
from lattice.store.places import (
    KnownIndex,
    Resolved,
    index_path_for,
    known_indexes,
    last_hits,
    remember_hits,
    resolve,
)
from tests.store.snapshots import make_snapshot, make_store


@pytest.fixture(name="environ")
def fixture_environ(tmp_path: Path) -> dict[str, str]:
    return {"LATTICE_HOME": str(tmp_path / "home")}


@pytest.fixture(name="notes")
def fixture_notes(tmp_path: Path) -> Path:
    folder = tmp_path / "My Notes & Co."
    (folder / "deep" / "er").mkdir(parents=True)
    return folder


def index(folder: Path, environ: dict[str, str]) -> Path:
    path = index_path_for(folder, environ)
    make_store(path, make_snapshot(root=str(folder))).close()
    return path


def test_a_folders_index_has_a_name_to_recognise(notes: Path, environ: dict[str, str], tmp_path: Path) -> None:
    path = index_path_for(notes, environ)
    assert path.parent == tmp_path / "home" / "indexes"
    assert path.name.startswith("my-notes-co-")
    assert path.name.endswith(".lattice")
    assert len(path.name) == len("my-notes-co-") + 12 + len(".lattice")


def test_every_way_of_writing_a_folder_gives_one_index(
    notes: Path, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(notes)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    ways = [notes, link, notes / "deep" / "..", Path("My Notes & Co."), Path("~") / notes.name]
    assert len({index_path_for(way, environ) for way in ways}) == 1
    assert index_path_for(notes / "deep", environ) != index_path_for(notes, environ)


def test_folders_of_one_name_have_their_own_indexes(tmp_path: Path, environ: dict[str, str]) -> None:
    assert index_path_for(tmp_path / "a" / "notes", environ) != index_path_for(tmp_path / "b" / "notes", environ)


@pytest.mark.parametrize(
    ("name", "slug"), [("/", "folder"), ("___", "folder"), ("Übersicht", "übersicht"), ("x" * 300, "x" * 40)]
)
def test_slugs_of_odd_names(name: str, slug: str, environ: dict[str, str]) -> None:
    assert index_path_for(Path("/", name), environ).name[:-21] == slug


def test_a_slug_fits_every_file_system(environ: dict[str, str]) -> None:
    assert len(os.fsencode(index_path_for(Path("/", "検" * 80), environ).name)) < 200


def test_the_default_place_is_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATTICE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = index_path_for(tmp_path)
    assert path.is_relative_to(tmp_path)
    assert path.parent.parts[-2:] == ("lattice", "indexes")
    assert remember_hits(path, "q", [1]) is None
    last = last_hits()
    assert last is not None
    assert last.query == "q"


def test_known_indexes_name_their_folders(notes: Path, environ: dict[str, str]) -> None:
    assert known_indexes(environ) == []
    first, second = index(notes, environ), index(notes / "deep", environ)
    expected = sorted([KnownIndex(first, str(notes)), KnownIndex(second, str(notes / "deep"))], key=lambda k: k.path)
    assert known_indexes(environ) == expected


def test_a_damaged_index_is_listed_with_its_problem(notes: Path, environ: dict[str, str]) -> None:
    whole, cut, foreign = index(notes, environ), index(notes / "deep", environ), index(notes / "deep" / "er", environ)
    os.truncate(cut, 5000)
    foreign.write_text("no index")
    listed = {each.path: each for each in known_indexes(environ)}
    assert listed[whole].problem is None
    assert listed[cut].root is None
    assert "cut short" in str(listed[cut].problem)
    assert "not a lattice index" in str(listed[foreign].problem)


def test_the_option_comes_first(notes: Path, environ: dict[str, str], tmp_path: Path) -> None:
    here = index(notes, environ)
    named = tmp_path / "elsewhere.lattice"
    make_store(named).close()
    environ["LATTICE_INDEX"] = str(here)
    assert resolve(named, environ, notes) == Resolved(named, "option")
    assert resolve(Path("elsewhere.lattice"), environ, tmp_path) == Resolved(named, "option")
    assert resolve(notes, environ, tmp_path) == Resolved(here, "option")


def test_then_the_environment(notes: Path, environ: dict[str, str], tmp_path: Path) -> None:
    here, deep = index(notes, environ), index(notes / "deep", environ)
    environ["LATTICE_INDEX"] = str(here)
    assert resolve(None, environ, notes / "deep") == Resolved(here, "environment")
    environ["LATTICE_INDEX"] = str(notes / "deep")
    assert resolve(None, environ, tmp_path) == Resolved(deep, "environment")
    environ["LATTICE_INDEX"] = ""
    assert resolve(None, environ, notes) == Resolved(here, "folder")


def test_then_the_nearest_indexed_folder(notes: Path, environ: dict[str, str]) -> None:
    outer = index(notes, environ)
    assert resolve(None, environ, notes / "deep" / "er") == Resolved(outer, "folder")
    inner = index(notes / "deep", environ)
    assert resolve(None, environ, notes / "deep" / "er") == Resolved(inner, "folder")
    assert resolve(None, environ, notes) == Resolved(outer, "folder")


def test_then_the_only_one(notes: Path, environ: dict[str, str], tmp_path: Path) -> None:
    only = index(notes, environ)
    assert resolve(None, environ, tmp_path) == Resolved(only, "only")


def test_several_are_listed(notes: Path, environ: dict[str, str], tmp_path: Path) -> None:
    paths = [index(notes, environ), index(notes / "deep", environ)]
    os.truncate(paths[1], 5000)
    with pytest.raises(IndexNotFound, match="Name one with --index") as caught:
        resolve(None, environ, tmp_path)
    message = str(caught.value)
    assert all(str(path) in message for path in paths)
    assert f"  {notes} (" in message
    assert "cut short" in message


def test_none_says_how_to_make_one(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound, match=r"no index yet\. Make one with `lattice index FOLDER`"):
        resolve(None, environ, tmp_path)


def test_what_is_named_must_exist(notes: Path, environ: dict[str, str]) -> None:
    with pytest.raises(IndexNotFound, match=r"There is no index at .*none\.lattice"):
        resolve(Path("none.lattice"), environ, notes)
    with pytest.raises(IndexNotFound, match=r"has no index\. Make one with"):
        resolve(notes, environ, notes)
    with pytest.raises(IndexNotFound, match="gone"):
        resolve(None, environ | {"LATTICE_INDEX": "gone"}, notes)


@pytest.mark.parametrize("leave", [lambda folder: folder.rename(folder.with_name("moved")), shutil.rmtree])
def test_a_folder_that_is_gone_still_names_its_index(
    notes: Path, environ: dict[str, str], tmp_path: Path, leave: Callable[[Path], object]
) -> None:
    path = index(notes, environ)
    leave(notes)
    assert resolve(notes, environ, tmp_path) == Resolved(path, "option")
    assert resolve(None, environ | {"LATTICE_INDEX": notes.name}, tmp_path) == Resolved(path, "environment")


def test_a_volume_that_does_not_answer_still_names_its_index(
    notes: Path, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, stat = index(notes, environ), os.stat

    def unanswered(which: Path, **options: bool) -> os.stat_result:
        if Path(which) == notes:
            raise OSError(107, "Transport endpoint is not connected")
        return stat(which, **options)

    monkeypatch.setattr(os, "stat", unanswered)
    assert resolve(notes, environ, tmp_path) == Resolved(path, "option")


def test_without_a_working_directory_absolute_names_are_found(
    notes: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    path = index(notes, environ)
    assert resolve(notes, environ, None) == Resolved(path, "option")
    assert resolve(None, environ | {"LATTICE_INDEX": str(path)}, None) == Resolved(path, "environment")
    assert resolve(None, environ, None) == Resolved(path, "only")
    index(notes / "deep", environ)
    with pytest.raises(IndexNotFound, match=r"directory was deleted, and there are several indexes\. Name one"):
        resolve(None, environ, None)


def test_without_a_working_directory_relative_names_say_the_cure(environ: dict[str, str]) -> None:
    with pytest.raises(IndexProblem, match=r"a\.lattice is relative .* deleted\. Change to a folder that exists"):
        resolve(Path("a.lattice"), environ, None)
    with pytest.raises(IndexProblem, match="notes is relative"):
        resolve(None, environ | {"LATTICE_INDEX": "notes"}, None)


def test_a_deleted_working_directory(notes: Path, environ: dict[str, str], tmp_path: Path) -> None:
    path = index(notes, environ)
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", DELETED, path.parent.parent, tmp_path / "gone"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    found, *problems = done.stdout.splitlines()
    assert found == str(path)
    assert len(problems) == 2
    assert all("LATTICE_HOME=home is relative to the working directory, which" in problem for problem in problems)


DELETED = """
import os, sys
from pathlib import Path
from lattice.errors import IndexProblem
from lattice.store.places import remember_hits, resolve

home, gone = sys.argv[1:]
os.chdir(gone)
os.rmdir(gone)
print(resolve(None, {"LATTICE_HOME": home}, None).path)
try:
    resolve(None, {"LATTICE_HOME": "home"}, None)
except IndexProblem as problem:
    print(problem)
print(remember_hits(Path("/a.lattice"), "q", [1], environ={"LATTICE_HOME": "home"}))
"""


def test_the_last_hits_are_remembered(environ: dict[str, str], tmp_path: Path) -> None:
    assert last_hits(environ) is None
    assert remember_hits(tmp_path / "a.lattice", "first", (9, 4), environ=environ) is None
    assert remember_hits(tmp_path / "b.lattice", "why? \udc80 検索", iter([7, 3, 5]), "b2d4", environ) is None
    last = last_hits(environ)
    assert last is not None
    assert (last.index, last.query, last.nodes) == (tmp_path / "b.lattice", "why? \udc80 検索", (7, 3, 5))
    assert last.build == "b2d4"
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["last-search.json"]


def test_hits_that_cannot_be_kept_fail_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    why = remember_hits(tmp_path / "a.lattice", "q", [1], environ={"LATTICE_HOME": str(tmp_path / "file" / "home")})
    assert why is not None
    assert "cannot be written: Not a directory" in why


def test_a_state_folder_on_read_only_media() -> None:
    why = remember_hits(Path("/a.lattice"), "q", [1], environ={"LATTICE_HOME": "/proc/sys"})
    assert why is not None
    assert last_hits({"LATTICE_HOME": "/proc/sys"}) is None


@pytest.mark.parametrize("raw", ["", "{", "[]", '{"index": "a"}', '{"index": "a", "query": "q", "nodes": ["x"]}'])
def test_a_damaged_record_is_no_record(raw: str, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "last-search.json").write_text(raw)
    assert last_hits(environ) is None


def test_a_record_is_replaced_whole(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember_hits(tmp_path / "a.lattice", "kept", [1], environ=environ)

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    assert "No space left" in str(remember_hits(tmp_path / "a.lattice", "lost", [2], environ=environ))
    last = last_hits(environ)
    assert last is not None
    assert last.query == "kept"
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["last-search.json"]


def test_finding_the_place_loads_no_heavy_library() -> None:
    script = "import sys; import lattice.store.places; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert not {"sqlite_utils", "platformdirs", "sklearn"} & set(done.stdout.split())
