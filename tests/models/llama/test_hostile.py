"""A sample of damaged and malicious models (`make fuzz` tries more): each works, or is refused with a reason."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from lattice.errors import ModelUnusable
from lattice.models.gguf import check_gguf
from tests.models.llama import hostile
from tests.models.llama.hostile import GOOD, Outcome, Source, tried
from tests.models.llama.mutants import bases, catalogue, damaged, put_together

SEED = 7


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source(tmp_path_factory.mktemp("bases"), SEED)


def test_a_sample_of_hostile_models_neither_aborts_nor_hangs() -> None:
    # Of the named ones, and of the mixtures and damaged bytes that come after them.
    outcomes = [*tried(range(24), SEED), *tried(range(100_000, 100_016), SEED)]
    assert [one for one in outcomes if one.what not in GOOD] == []
    assert len(outcomes) == 40


def test_what_the_bases_say_is_put_together_as_it_was(tmp_path: Path) -> None:
    made = bases(tmp_path)
    for name, model in made.items():
        (tmp_path / "again.gguf").write_bytes(put_together(model))
        check_gguf(tmp_path / "again.gguf")
        if name != "speaker":
            assert (tmp_path / "again.gguf").read_bytes() == (tmp_path / f"{name}.gguf").read_bytes()


def test_a_variant_is_the_same_whenever_it_is_made(source: Source, tmp_path: Path) -> None:
    for number in (0, 5, 100_000, 100_001):
        assert source[number] == Source(tmp_path, SEED)[number]
    assert source[0] != Source(tmp_path, SEED + 1)[0]


def test_every_mutation_can_be_made(tmp_path: Path) -> None:
    names = [name for name, _ in catalogue()]
    assert len(names) == len(set(names)) > 500
    model = bases(tmp_path)["writer"]
    random = Random(1)
    assert damaged(put_together(model), random) != damaged(put_together(model), random)


def test_what_dies_is_named_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The ones that died are tried as the command line tries a new model; what it lets pass is told."""
    source = Source(tmp_path, SEED)
    died = Outcome(3, "writer + something", "died", "code -6")
    monkeypatch.setattr(hostile, "_until_death", lambda numbers, *_: iter([died] if 3 in numbers else []))
    monkeypatch.setattr(hostile, "check_survived", lambda *_: None)
    assert next(iter(tried(range(2, 5), SEED))) == died
    monkeypatch.setattr(hostile, "check_survived", _refuse)
    assert hostile._tried_first(died, source, tmp_path).what == "caught"


def _refuse(*_: object) -> None:
    raise ModelUnusable("llama.cpp died of it")
