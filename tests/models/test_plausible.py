from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from lattice.errors import ModelUnusable
from lattice.models.gguf import check_gguf
from lattice.models.plausible import implausible
from tests.models.conftest import Tiny
from tests.models.gguf_files import ARCHITECTURE, header, pair, tensor, write_model

LLAMA = {"general.architecture": "llama"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"block_count": 0}, "has 0 layers by its header, where 1 to 512"),
        ({"block_count": -1}, "has -1 layers"),
        ({"block_count": 2**31}, "has 2,147,483,648 layers"),
        ({"block_count": 2, "nextn_predict_layers": 3}, r"more layers that predict \(3\) than layers \(2\)"),
        ({"expert_count": 8, "expert_used_count": 9}, "uses 9 of 8 experts"),
        ({"expert_count": 8, "expert_used_count": 0}, "uses 0 of 8 experts"),
        ({"expert_count": 2**16, "expert_used_count": 8}, "has 65,536 experts by its header, where up to 512"),
        ({"expert_used_count": 1}, "uses 1 of 0 experts"),
        ({"attention.layer_norm_rms_epsilon": -1e-6}, "has -1e-06 as attention.layer_norm_rms_epsilon"),
        ({"attention.layer_norm_epsilon": math.nan}, "has nan as attention.layer_norm_epsilon"),
    ],
)
def test_what_llama_cpp_dies_of_is_told(said: dict[str, object], told: str) -> None:
    found = implausible(LLAMA | {f"llama.{key}": value for key, value in said.items()})
    assert found is not None
    assert re.search(told, found)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"block_count": 512, "nextn_predict_layers": 1},
        {"expert_count": 8, "expert_used_count": 2},
        {"expert_count": 8},  # a number a layer, which is not kept of a header
        {"expert_count": 0, "expert_used_count": 0},
        {"attention.layer_norm_rms_epsilon": 0.0},
        {"block_count": "many", "attention.layer_norm_epsilon": "x"},  # llama.cpp refuses these itself
    ],
)
def test_what_it_takes_is_no_flaw(said: dict[str, object]) -> None:
    assert implausible(LLAMA | {f"llama.{key}": value for key, value in said.items()}) is None


def test_the_numbers_of_another_architecture_do_not_count() -> None:
    assert implausible(LLAMA | {"bert.block_count": 0}) is None


def test_whole_models_are_plausible(tiny_models: dict[str, Tiny]) -> None:
    for model in tiny_models.values():
        check_gguf(model.path)


def test_a_file_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.gguf", {"llama.block_count": 0})
    with pytest.raises(ModelUnusable, match=r"m\.gguf has 0 layers.*it is damaged\. Download it again, or use another"):
        check_gguf(path)


@pytest.mark.parametrize("alignment", [1, 16, 33])
def test_weights_that_are_aligned_to_less_than_llama_cpp_needs_are_refused(tmp_path: Path, alignment: int) -> None:
    entries = (ARCHITECTURE, pair("general.alignment", 4, alignment.to_bytes(4, "little")))
    (tmp_path / "m.gguf").write_bytes(header(*entries, tensors=(tensor("a", (1,)),)) + bytes(256))
    with pytest.raises(ModelUnusable, match=f"aligns its tensors to {alignment} bytes"):
        check_gguf(tmp_path / "m.gguf")
