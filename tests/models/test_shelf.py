from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lattice.errors import ModelNotFound, ModelProblem, ModelUnusable, RegistryCorrupt, UsageError
from lattice.models import shelf
from lattice.models.shelf import Entry, add, entries, entry_named, models_below, owned_files, remove, verify
from tests.models.gguf_files import model_bytes, write_model, write_split

Environ = dict[str, str]


@pytest.fixture
def environ(tmp_path: Path) -> Environ:
    return {"LATTICE_HOME": str(tmp_path / "home")}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "small.Q8_0.gguf", {"general.file_type": 7})


def test_a_file_is_registered_where_it_lies(model: Path, environ: Environ) -> None:
    entry = add(model, environ)
    stat = model.stat()
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert entry == Entry(
        *("small.Q8_0", model, digest, stat.st_size, stat.st_mtime_ns),
        kind="generative",
        parameters=32,
        architecture="llama",
        type="Q8_0",
    )
    assert entries(environ) == [entry]
    assert entry_named("small.Q8_0", environ) == entry


def test_what_is_hashed_is_told(model: Path, environ: Environ) -> None:
    seen: list[tuple[str, int, int]] = []
    add(model, environ, progress=lambda *told: seen.append(told))
    size = model.stat().st_size
    assert seen == [("hashing small.Q8_0.gguf", size, size)]


def test_adding_again_refreshes_and_a_name_renames(model: Path, environ: Environ) -> None:
    add(model, environ, "mine")
    model.write_bytes(model_bytes(50))
    again = add(model, environ)
    assert (again.name, again.parameters) == ("mine", 50)
    add(model, environ, "yours")
    assert [entry.name for entry in entries(environ)] == ["yours"]


def test_a_name_that_is_taken_by_another_file_is_refused(model: Path, environ: Environ, tmp_path: Path) -> None:
    add(model, environ)
    (tmp_path / "b").mkdir()
    other = write_model(tmp_path / "b" / model.name)
    with pytest.raises(UsageError, match=r"taken by .*small\.Q8_0\.gguf: give .* by --name"):
        add(other, environ)
    add(other, environ, "other")
    assert [entry.name for entry in entries(environ)] == ["other", "small.Q8_0"]


@pytest.mark.parametrize(
    "name",
    ["", " ", "a/b", "a\\b", "x.gguf", "X.GGUF", "-x", "~x", "a\nb", " x", "x" * 101, "auto", "smollm2", "\udcff"],
)
def test_a_name_that_could_be_a_path_or_a_choice_is_refused(model: Path, environ: Environ, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a model"):
        add(model, environ, name)
    assert entries(environ) == []


def test_what_is_no_model_is_not_registered(environ: Environ, tmp_path: Path) -> None:
    page = tmp_path / "page.gguf"
    page.write_text("<!DOCTYPE html>")
    with pytest.raises(ModelUnusable, match="HTML page"):
        add(page, environ)
    with pytest.raises(ModelNotFound):
        add(tmp_path / "gone.gguf", environ)
    assert entries(environ) == []


def test_a_file_that_is_still_being_written_is_not_registered(model: Path, environ: Environ) -> None:
    def write_on(_stage: str, _done: int, _total: int) -> None:
        with model.open("ab") as file:
            file.write(b"more")

    with pytest.raises(ModelUnusable, match="was written to while it was read"):
        add(model, environ, progress=write_on)
    assert entries(environ) == []


def test_a_model_in_parts_is_one_entry(environ: Environ, tmp_path: Path) -> None:
    parts = write_split(tmp_path, "big", 2)
    entry = add(parts[0], environ)
    whole = b"".join(part.read_bytes() for part in parts)
    assert (entry.name, entry.parts, entry.size) == ("big", tuple(parts), len(whole))
    assert entry.sha256 == hashlib.sha256(whole).hexdigest()
    assert verify(entry).state == "ok"
    parts[1].unlink()
    assert shelf.state_of(entry) == "missing"
    assert verify(entry).state == "damaged"


def test_links_are_kept_for_the_parts_lie_beside_them(environ: Environ, tmp_path: Path) -> None:
    for number, part in enumerate(write_split(tmp_path, "big", 2)):
        blob = part.rename(tmp_path / f"blob{number}")
        part.symlink_to(blob)
    assert add(tmp_path / "big-00001-of-00002.gguf", environ).name == "big"


def test_a_folder_is_searched_to_its_bottom_and_parts_are_found_once(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    deep = write_model(tmp_path / "a" / "b" / "deep.GGUF")
    first, _ = write_split(tmp_path / "a", "big", 2)
    (tmp_path / "a" / "readme.md").touch()
    assert models_below(tmp_path) == [first, deep]
    first.unlink()
    assert models_below(tmp_path)[0].name == "big-00002-of-00002.gguf"  # to be refused with its reason
    with pytest.raises(FileNotFoundError):
        models_below(tmp_path / "gone")


def test_a_model_is_what_it_was_or_it_is_said_what_became_of_it(model: Path, environ: Environ) -> None:
    entry = add(model, environ)
    assert verify(entry).state == shelf.state_of(entry) == "ok"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + b"x")
    assert verify(entry).state == shelf.state_of(entry) == "changed"
    assert entry.sha256 in verify(entry).reason
    model.write_bytes(content[:-1])
    assert verify(entry).state == "damaged"
    assert "cut short" in verify(entry).reason
    model.unlink()
    assert verify(entry).state == shelf.state_of(entry) == "missing"


def test_a_model_that_cannot_be_read_to_its_end_is_damaged(
    model: Path, environ: Environ, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise OSError(5, "Input/output error")

    entry = add(model, environ)
    monkeypatch.setattr(shelf, "digest", fail)
    assert verify(entry).state == "damaged"
    assert "Input/output error" in verify(entry).reason


def test_only_what_was_pulled_goes_with_its_entry(model: Path, environ: Environ) -> None:
    ours = shelf.pulled_folder(environ) / "owner" / "name" / "small.gguf"
    ours.parent.mkdir(parents=True)
    write_model(ours)
    for entry in (add(model, environ), add(ours, environ)):
        assert owned_files(entry, environ) == ([ours] if entry.path == ours else [])
        remove(entry, environ)
    assert model.exists()
    assert not ours.parent.exists()
    assert entries(environ) == []


def test_an_unknown_name_is_told_the_known_ones(model: Path, environ: Environ) -> None:
    with pytest.raises(ModelNotFound, match="Known names: none yet"):
        entry_named("qwen", environ)
    add(model, environ)
    with pytest.raises(ModelNotFound, match=r"as qwen\. Known names: small\.Q8_0\. .*lattice models add PATH"):
        entry_named("qwen", environ)
    with pytest.raises(UsageError, match="comes with a package"):
        entry_named("smollm2", environ)


def _damaged_records() -> list[str]:
    good = {"name": "a", "path": "/a", "sha256": "", "size": 1, "mtime_ns": 1, "kind": "generative"}
    good |= {"parameters": 1, "architecture": "llama", "type": "F16"}
    wrong = [{**good, "size": "1"}, {**good, "name": None}, {**good, "path": 3}, {"name": "a"}, "a"]
    records: list[object] = [{"schema_version": 1, "models": [one]} for one in wrong]
    records += [[], {}, {"schema_version": "x", "models": []}, {"schema_version": 1, "models": 7}]
    return ["", "{", "\xff", *map(json.dumps, records)]


@pytest.mark.parametrize("record", _damaged_records())
def test_a_damaged_record_is_told_and_left_as_it_is(model: Path, environ: Environ, record: str) -> None:
    place = shelf.record_place(environ)
    place.parent.mkdir(parents=True)
    place.write_text(record, encoding="latin-1")
    for action in (entries, lambda environ: add(model, environ)):
        with pytest.raises(RegistryCorrupt, match="move it away, then register them again"):
            action(environ)
    assert place.read_text(encoding="latin-1") == record


def test_a_later_versions_record_is_left_alone(environ: Environ) -> None:
    place = shelf.record_place(environ)
    place.parent.mkdir(parents=True)
    place.write_text('{"schema_version": 2}')
    with pytest.raises(ModelProblem, match="later version"):
        entries(environ)
    place.unlink()
    place.mkdir()
    with pytest.raises(ModelProblem, match="cannot be read"):
        entries(environ)


def test_a_record_that_cannot_be_written_is_left_whole(
    model: Path, environ: Environ, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add(model, environ)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        add(write_model(tmp_path / "other.gguf"), environ)
    assert [entry.name for entry in entries(environ)] == ["small.Q8_0"]
    assert sorted(path.name for path in shelf.models_folder(environ).iterdir()) == ["models.json", "models.lock"]


def test_processes_at_once_lose_nothing_of_each_others(environ: Environ, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom lattice.models.shelf import add\n"
        "for path in sys.argv[2:]:\n    add(Path(path), {'LATTICE_HOME': sys.argv[1]})"
    )
    paths = [str(write_model(tmp_path / f"m{number}.gguf")) for number in range(12)]
    command = [sys.executable, "-c", code, environ["LATTICE_HOME"]]
    running = [subprocess.Popen([*command, *paths[start::3]]) for start in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert sorted(entry.name for entry in entries(environ)) == sorted(Path(path).stem for path in paths)
