from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lattice.errors import ModelUnusable
from lattice.models.fitting import fit_to_cpu, fitted
from lattice.models.llama import optimize
from lattice.models.llama.optimize import AS_IT_IS, Optimised, Trial
from lattice.models.registry import embedded_model, find_model, optimized_place
from tests.cli.conftest import Invoke, Place

pytestmark = pytest.mark.model

Outcome = Callable[[Path, Path], Optimised]


def _faster(source: Path, target: Path) -> Optimised:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    trials = (Trial("BF16", 900.0, 0.005, same_ranking=True), Trial(AS_IT_IS, 300.0, 0.02, same_ranking=True))
    return Optimised("BF16", target, trials)


def _as_it_is(source: Path, target: Path) -> Optimised:
    return Optimised(AS_IT_IS, source, (Trial(AS_IT_IS, 300.0, 0.02, same_ranking=True),))


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch, empty_home: Path) -> Callable[[Outcome], None]:
    def decide(chosen: Outcome) -> None:
        monkeypatch.setattr(optimize, "optimize", lambda source, target, _progress=None: chosen(source, target))

    return decide


def _embedded() -> Path:
    path = embedded_model()
    assert path is not None
    return path


def test_a_fitted_copy_is_told_and_used(invoke: Invoke, outcome: Callable[[Outcome], None], empty_home: Path) -> None:
    outcome(_faster)
    shown = invoke("models", "optimize")
    assert shown.exit_code == 0, shown.output
    assert "BF16 reads 3.0 times as fast" in shown.stdout
    environ = {"LATTICE_HOME": str(empty_home)}
    assert find_model(None, environ) == optimized_place(_embedded(), environ)
    assert find_model(None, {"LATTICE_HOME": str(empty_home / "another")}) == _embedded()
    assert json.loads(invoke("models", "optimize", "--json").stdout)["chosen"] == "BF16"


def test_a_copy_that_another_cpu_liked_goes_again(outcome: Callable[[Outcome], None], empty_home: Path) -> None:
    environ = {"LATTICE_HOME": str(empty_home)}
    outcome(_faster)
    fit_to_cpu(_embedded(), environ)
    outcome(_as_it_is)
    fit_to_cpu(_embedded(), environ)
    assert find_model(None, environ) == _embedded()
    assert (fitted(_embedded(), environ) or {})["chosen"] == AS_IT_IS


def test_a_record_that_cannot_be_read_is_none(outcome: Callable[[Outcome], None], empty_home: Path) -> None:
    environ = {"LATTICE_HOME": str(empty_home)}
    assert fitted(_embedded(), environ) is None
    outcome(_as_it_is)
    fit_to_cpu(_embedded(), environ)
    optimized_place(_embedded(), environ).with_suffix(".json").write_text("{")
    assert fitted(_embedded(), environ) is None


def test_indexing_fits_the_model_once_where_a_person_waits(
    invoke: Invoke, place: Place, outcome: Callable[[Outcome], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome(_faster)
    asked = ("index", str(place.folder), "--index", str(tmp_path / "i.lattice"))
    assert "Fitting" not in invoke(*asked).stderr  # nobody waits at a pipe
    monkeypatch.setattr("lattice.cli.models.is_terminal", lambda _: True)
    first, second = invoke(*asked), invoke(*asked)
    assert "Fitting the embedded model to this CPU, once" in first.stderr
    assert "3.0 times as fast" in first.stderr
    assert "Fitting" not in second.stderr


@pytest.mark.parametrize(
    "error", [ModelUnusable("it cannot be read"), OSError(28, "No space left"), KeyboardInterrupt()]
)
def test_what_goes_wrong_in_fitting_costs_no_index(
    invoke: Invoke,
    place: Place,
    outcome: Callable[[Outcome], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    def fail(_source: Path, _target: Path) -> Optimised:
        raise error

    outcome(fail)
    monkeypatch.setattr("lattice.cli.models.is_terminal", lambda _: True)
    result = invoke("index", str(place.folder), "--index", str(tmp_path / "i.lattice"))
    assert result.exit_code == 0
    assert "stays as it is" in result.stderr


def test_a_model_is_measured(invoke: Invoke) -> None:
    shown = json.loads(invoke("models", "bench", "--json").stdout)
    assert shown["read_rate"] > shown["write_rate"] > 0
    lines = invoke("models", "bench").stdout.splitlines()
    assert "million parameters" in lines[0]
    assert lines[1].startswith("  reads")


def test_a_registered_model_is_optimised_and_read_from_its_copy(
    invoke: Invoke, outcome: Callable[[Outcome], None], empty_home: Path, tmp_path: Path
) -> None:
    outcome(_faster)
    mine = Path(shutil.copy(_embedded(), tmp_path / "mine.gguf"))
    invoke("models", "add", str(mine), "--name", "mine")
    shown = json.loads(invoke("models", "optimize", "mine", "--json").stdout)
    assert shown["source"] == str(mine)
    assert find_model("mine", {"LATTICE_HOME": str(empty_home)}) == Path(shown["path"])
    assert "mine" in invoke("models", "remove", "mine").stdout
    assert not Path(shown["path"]).exists()


def test_the_embedded_model_keeps_its_copy_when_a_name_of_it_is_forgotten(
    invoke: Invoke, outcome: Callable[[Outcome], None], empty_home: Path
) -> None:
    outcome(_as_it_is)
    invoke("models", "add", str(_embedded()), "--name", "mine")
    invoke("models", "optimize", "mine")
    assert invoke("models", "remove", "mine").exit_code == 0
    assert fitted(_embedded(), {"LATTICE_HOME": str(empty_home)}) is not None


def test_the_embedded_model_is_listed_by_its_name(invoke: Invoke, empty_home: Path) -> None:
    (row,) = json.loads(invoke("models", "list", "--json").stdout)["models"]
    assert (row["name"], row["embedded"], row["used"], row["sha256"]) == ("smollm2", True, True, None)
    assert row["parameters"] == 134_515_008
    assert invoke("models", "path", "smollm2").stdout == f"{_embedded()}\n"
    for command in ("remove", "verify"):
        result = invoke("models", command, "smollm2")
        assert result.exit_code == 2
        assert "comes with a package" in result.stderr


def test_a_search_reads_with_a_model_by_its_name(invoke: Invoke, place: Place, empty_home: Path) -> None:
    invoke("models", "add", str(_embedded()), "--name", "mine")
    arguments = ("--index", str(place.index), "--budget", "200", "--json")
    shown = json.loads(invoke("search", "roses", "--model", "mine", *arguments).stdout)
    assert shown["mode"] == "lattice"
    assert shown["usage"]["evaluated"] > 0


def test_without_a_model_the_cure_is_told(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lattice.models.registry.embedded_model", lambda: None)
    for command in ("bench", "optimize"):
        result = invoke("models", command)
        assert result.exit_code == 3
        assert "smollm2" in result.stderr
