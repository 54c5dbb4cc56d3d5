from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.errors import ModelNotFound, ModelUnusable
from lattice.models import gguf_types
from lattice.models.gguf import check_gguf, part_files, read_gguf, stem_of
from lattice.models.registry import embedded_model
from tests.models.gguf_files import ARCHITECTURE, header, pair, tensor, text, write_model, write_split

HUGE = 2**62


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return path


@pytest.mark.model
def test_the_embedded_model_says_what_it_is() -> None:
    path = embedded_model()
    assert path is not None
    found = read_gguf(path)
    assert (found.architecture, found.kind, found.type, found.context) == ("llama", "generative", "Q4_1", 8192)
    assert (found.parameters, found.size, found.parts) == (134_515_008, path.stat().st_size, (path,))
    assert found.has_chat_template
    assert not found.has_rerank_template


@pytest.mark.model
def test_the_header_is_read_without_llama_cpp() -> None:
    import subprocess
    import sys

    code = (
        "import sys\nfrom lattice.models.gguf import read_gguf\nfrom lattice.models.registry import embedded_model\n"
        "read_gguf(embedded_model())\nprint([name for name in ('llama_cpp', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.model
@pytest.mark.parametrize("kept", [1_000_000, 5_000_000])
def test_a_model_that_was_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    whole = embedded_model()
    assert whole is not None
    with whole.open("rb") as file:
        path = _file(tmp_path, file.read(kept))
    with pytest.raises(ModelUnusable, match=r"cut short.*download it again"):
        check_gguf(path)


def test_what_the_file_says_is_told(tmp_path: Path) -> None:
    more: dict[str, str | int | bool] = {
        "general.name": "A small one",
        "general.file_type": 15 + gguf_types.GUESSED,
        "qwen3.context_length": 4096,
        "qwen3.embedding_length": 64,
        "qwen3.pooling_type": 4,
        "tokenizer.chat_template": "{{ messages }}",
        "tokenizer.chat_template.rerank": "{query} {document}",
        "tokenizer.ggml.add_bos_token": True,
    }
    found = read_gguf(write_model(tmp_path / "m.gguf", more, architecture="qwen3", tensors=("a", "b")))
    assert (found.name, found.type, found.kind, found.pooling) == ("A small one", "Q4_K_M", "reranker", 4)
    assert (found.parameters, found.context, found.embedding_length) == (64, 4096, 64)
    assert found.has_chat_template
    assert found.has_rerank_template


def test_a_file_that_names_no_type_has_that_of_most_bytes(tmp_path: Path) -> None:
    tensors = (tensor("a", (32,), 0, 0), tensor("b", (256, 4), 12, 128))
    found = read_gguf(_file(tmp_path, header(ARCHITECTURE, tensors=tensors) + bytes(1024)))
    assert found.type == "Q4_K"
    assert (found.context, found.name) == (None, "")


def test_an_encoder_with_a_classifier_is_a_reranker(tmp_path: Path) -> None:
    found = read_gguf(write_model(tmp_path / "r.gguf", architecture="bert", tensors=("cls.output.weight",)))
    assert found.kind == "reranker"


def test_a_vocabulary_is_walked_through_and_what_stands_after_it_is_found(tmp_path: Path) -> None:
    words = b"".join(text("w" * (number % 700)) for number in range(5000))
    entries = (
        pair("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 5000) + words),
        pair("tokenizer.ggml.scores", 9, struct.pack("<IQ", 6, 5000) + bytes(4 * 5000)),
        ARCHITECTURE,
        pair("llama.context_length", 10, struct.pack("<Q", 77)),
    )
    found = read_gguf(_file(tmp_path, header(*entries, tensors=(tensor("a", (2,)),)) + bytes(64)))
    assert (found.context, found.parameters) == (77, 2)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>Sign in</html>", "HTML page.*download the model again"),
        (b"\n\n  <HTML>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "git lfs pull"),
        (b"PK\x03\x04", "ZIP archive: unpack it"),
        (b"just a text", "no GGUF file: download"),
        (b"GGUF", "cut short"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "unknown GGUF version"),
        (header(ARCHITECTURE)[:-1], "cut short"),
        (header(ARCHITECTURE), "no weights"),
        (header(ARCHITECTURE, tensors=(tensor("a", (0, 4)),)) + bytes(64), "no weights"),
        (header(tensors=(tensor("a", (1,)),)) + bytes(64), "architecture"),
        (header(pair("general.architecture", 4, struct.pack("<I", 1)), tensors=(tensor("a", ()),)) + bytes(64), "arch"),
    ],
)
def test_what_is_no_model_is_refused_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ModelUnusable, match=reason):
        check_gguf(_file(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (header(counts=(HUGE, 0)), "cannot hold what its header counts"),
        (header(counts=(0, HUGE)), "cannot hold what its header counts"),
        (header(pair("a", 8, struct.pack("<Q", HUGE)), counts=(0, 1)), "goes on past"),
        (header(struct.pack("<Q", HUGE) + bytes(64)), "goes on past"),
        (header(pair("a", 9, struct.pack("<IQ", 8, HUGE))), "goes on past"),
        (header(pair("a", 9, struct.pack("<IQ", 8, 3) + struct.pack("<QQQ", 1, 1, 1))), "goes on past"),
        (header(pair("a", 9, struct.pack("<IQ", 8, 2) + struct.pack("<QQ", HUGE, 0))), "goes on past"),
        (header(pair("a", 9, struct.pack("<IQ", 10, HUGE))), "goes on past"),
        (header(pair("a", 9, struct.pack("<IQ", 9, 1) + bytes(32))), "array of the unknown type 9"),
        (header(pair("a", 99, bytes(32))), "unknown type 99"),
        (header(ARCHITECTURE, tensors=(tensor("a", (1,) * 5),)), "5 dimensions"),
        (header(ARCHITECTURE, tensors=(tensor("a", (HUGE,) * 4),)), "cut short"),
        (header(ARCHITECTURE, tensors=(tensor("a", (1,), offset=HUGE),)), "cut short"),
        (header(pair("general.alignment", 4, bytes(4)), tensors=(tensor("a", (1,)),)), "aligns its tensors to 0"),
        (header(pair("general.alignment", 8, text("x")), tensors=(tensor("a", (1,)),)), "aligns its tensors to 'x'"),
    ],
)
def test_a_header_that_lies_about_its_counts_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ModelUnusable, match=reason):
        check_gguf(_file(tmp_path, content))


def test_a_header_that_counts_more_than_any_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lattice.models.gguf._MOST_STEPS", 10)
    words = pair("a", 9, struct.pack("<IQ", 8, 11) + bytes(8 * 11))
    with pytest.raises(ModelUnusable, match="counts more entries"):
        check_gguf(_file(tmp_path, header(words)))
    monkeypatch.setattr("lattice.models.gguf._MOST_TEXT", 10)
    with pytest.raises(ModelUnusable, match="more text in its header"):
        check_gguf(_file(tmp_path, header(ARCHITECTURE)))


def test_a_text_too_long_to_say_anything_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lattice.models.gguf._LONGEST_KEPT", 100)
    entries = (pair("general.name", 8, text("n" * 101)), ARCHITECTURE)
    found = read_gguf(_file(tmp_path, header(*entries, tensors=(tensor("a", (1,)),)) + bytes(64)))
    assert (found.name, found.architecture) == ("", "llama")


@pytest.mark.parametrize("kind", ["adapter", "mmproj", "imatrix"])
def test_what_belongs_to_a_model_is_no_model(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ModelUnusable, match=f"no model by itself .{kind}"):
        check_gguf(write_model(tmp_path / "m.gguf", {"general.type": kind}))
    with pytest.raises(ModelUnusable, match="mmproj"):
        check_gguf(write_model(tmp_path / "n.gguf", architecture="clip"))


def test_a_missing_file_and_a_folder_are_no_model_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.gguf"):
        with pytest.raises(ModelNotFound, match=path.name):
            check_gguf(path)


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write_model(tmp_path / "m.gguf")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ModelUnusable, match="cannot be read: Permission denied"):
        check_gguf(path)


def test_a_model_in_parts_is_the_sum_of_them(tmp_path: Path) -> None:
    parts = write_split(tmp_path, "big", 3)
    found = read_gguf(parts[0])
    assert found.parts == tuple(parts)
    assert found.parameters == 3 * 32
    assert found.size == sum(part.stat().st_size for part in parts)


def test_a_part_that_is_missing_cut_or_not_the_first_is_named(tmp_path: Path) -> None:
    parts = write_split(tmp_path, "big", 3)
    with pytest.raises(ModelUnusable, match=r"part 2 of 3: give the first, .*big-00001-of-00003\.gguf"):
        read_gguf(parts[1])
    parts[2].write_bytes(parts[2].read_bytes()[:-1])
    with pytest.raises(ModelUnusable, match=r"00003-of-00003\.gguf is cut short"):
        read_gguf(parts[0])
    parts[2].unlink()
    with pytest.raises(
        ModelUnusable, match=r"1 of them are missing beside it, first big-00003-of-00003\.gguf: download"
    ):
        read_gguf(parts[0])


def test_a_part_under_another_name_is_told_the_one_that_llama_cpp_wants(tmp_path: Path) -> None:
    renamed = write_split(tmp_path, "big", 2)[0].rename(tmp_path / "mine.gguf")
    with pytest.raises(ModelUnusable, match=r"like mine-00001-of-00002\.gguf"):
        read_gguf(renamed)


def test_the_names_of_parts() -> None:
    assert part_files("m-00002-of-00003.gguf") == tuple(f"m-0000{number}-of-00003.gguf" for number in (1, 2, 3))
    for alone in ("m.gguf", "m-00004-of-00003.gguf", "m-00000-of-00003.gguf"):
        assert part_files(alone) == (alone,)
    assert stem_of(Path("x/m-00001-of-00002.gguf")) == "m"
    assert stem_of(Path("x/m.Q4_K_M.gguf")) == "m.Q4_K_M"


def test_the_tables_are_those_of_the_format() -> None:
    import gguf

    sizes = {kind.value: (kind.name, *gguf.GGML_QUANT_SIZES[kind]) for kind in gguf.GGMLQuantizationType}
    assert {kind: sizes[kind] for kind in gguf_types.TENSORS if kind in sizes} == {
        kind: known for kind, known in gguf_types.TENSORS.items() if kind in sizes
    }
    named = {kind.value: kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in gguf.LlamaFileType}
    assert {kind: named.get(kind, name) for kind, name in gguf_types.FILES.items()} == gguf_types.FILES


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_header_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    """Overwrite, cut out and cut off bytes of a header: it is read, or refused with a reason."""
    words = pair("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 4) + b"".join(map(text, ("a", "bc", "", "d"))))
    template = pair("tokenizer.chat_template", 8, text("{{ messages }}"))
    whole = bytearray(header(ARCHITECTURE, words, template, tensors=(tensor("a", (8, 4)),)) + bytes(160))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(4, len(whole) - 1))
        new = data.draw(st.binary(min_size=0, max_size=9) | st.sampled_from([b"\xff" * 8, bytes(8)]))
        whole[at : at + data.draw(st.sampled_from([0, 1, len(new)]))] = new
    with tempfile.TemporaryDirectory() as folder:
        path = _file(Path(folder), bytes(whole[: data.draw(st.integers(0, len(whole)))]))
        try:
            assert read_gguf(path).size == path.stat().st_size
        except ModelUnusable as error:
            assert str(path) in str(error)  # noqa: PT017 - either outcome is right
