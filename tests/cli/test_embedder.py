"""An embedding model on the command line: to index by, to be told of, and to be missed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lattice.store.store import Store
from tests.cli.conftest import Invoke
from tests.cli.folder import TEXTS, write_folder
from tests.models import tiny


@pytest.fixture(name="own")
def fixture_own(empty_home: Path, tmp_path: Path) -> tuple[str, str, Path]:
    """A folder, the place of its index, and an embedding model."""
    assert not empty_home.exists()
    model = tmp_path / "tiny.gguf"
    tiny.make_bert(model)
    return str(write_folder(tmp_path / "docs")), str(tmp_path / "i.lattice"), model


def test_a_folder_is_indexed_by_a_model_and_keeps_it(invoke: Invoke, own: tuple[str, str, Path]) -> None:
    folder, index, model = own
    first = invoke("index", folder, "--index", index, "--embedder", "tiny.gguf", "--prefixes", "query: ", "passage: ")
    assert first.exit_code == 0
    assert "Vectors by tiny: " in first.stdout
    assert " made, 0 kept from before.\n" in first.stdout
    with Store.open(Path(index)) as store:
        settings = store.settings()
    assert (settings.embedder, settings.query_prefix, settings.passage_prefix) == (str(model), "query: ", "passage: ")
    assert "up to date" in invoke("index", folder, "--index", index, "--embedder", str(model)).stdout
    again = json.loads(invoke("index", folder, "--index", index, "--branching", "5", "--json").stdout)
    assert (again["embedded"]["new"], again["fresh"]) == (0, False)
    assert again["embedded"]["reused"] >= len(TEXTS) - 1


def test_prefixes_go_with_their_model(invoke: Invoke, own: tuple[str, str, Path]) -> None:
    folder, index, model = own
    tiny.make_bert(model.with_name("other.gguf"), seed=4)
    invoke("index", folder, "--index", index, "--embedder", "tiny.gguf", "--prefixes", "query: ", "passage: ")
    invoke("index", folder, "--index", index, "--embedder", "other.gguf")
    with Store.open(Path(index)) as store:
        assert (store.settings().query_prefix, store.settings().passage_prefix) == ("", "")
    back = invoke("index", folder, "--index", index, "--embedder", "tfidf")
    assert back.exit_code == 0
    assert "Vectors by" not in back.stdout


def test_what_the_model_could_not_read_is_told(invoke: Invoke, own: tuple[str, str, Path]) -> None:
    folder, index, _ = own
    Path(folder, "long.md").write_text("# Long\n\n" + "bread and water " * 40)
    told = invoke("index", folder, "--index", index, "--embedder", "tiny.gguf").stdout
    assert " longer than the model reads: the vector is of the beginning.\n" in told


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--embedder", "nobody"], 3, "--embedder names nobody"),
        (["--embedder", "gone.gguf"], 3, "there is no such file"),
        (["--embedder", "ranks.gguf"], 3, "is a reranker"),
        (["--embedder", "writes.gguf"], 3, "is a generative model"),
        (["--prefixes", "query: ", "passage: "], 2, "--prefixes"),
        (["--embedder", ""], 2, "tfidf"),
    ],
)
def test_what_cannot_embed_is_refused_with_the_cure(
    arguments: list[str], code: int, told: str, invoke: Invoke, own: tuple[str, str, Path]
) -> None:
    folder, index, model = own
    tiny.make_bert(model.with_name("ranks.gguf"), 4, head=True)
    tiny.make_decoder(model.with_name("writes.gguf"), None)
    result = invoke("index", folder, "--index", index, *arguments)
    assert result.exit_code == code
    assert told in result.stderr
    assert not Path(index).exists()


def test_a_search_says_that_words_alone_are_left_and_finds_by_them(invoke: Invoke, own: tuple[str, str, Path]) -> None:
    folder, index, model = own
    invoke("index", folder, "--index", index, "--embedder", "tiny.gguf")
    query = ["search", "bread", "--index", index, "--no-model"]
    assert "words alone" not in invoke(*query).stderr
    model.unlink()
    result = invoke(*query)
    assert "words alone" in result.stderr
    assert "lattice models add" in result.stderr
    told = json.loads(invoke(*query, "--json").stdout)
    assert "words alone" in told["without_vectors"]
    assert result.exit_code == (0 if told["hits"] else 1)


def test_status_and_doctor_tell_of_the_embedder(invoke: Invoke, own: tuple[str, str, Path]) -> None:
    folder, _, model = own
    invoke("index", folder)
    assert "embedder: tfidf" in invoke("status").stdout
    assert json.loads(invoke("status", "--json").stdout)["embedder"] == {"name": "tfidf", "problem": None}
    invoke("index", folder, "--embedder", "tiny.gguf")
    assert f"embedder: tiny, {tiny.WIDTH} dimensions, {model}" in invoke("status").stdout
    assert "ok      embedders: tiny\n" in invoke("doctor").stdout
    model.unlink()
    assert "cannot be used now\n  problem: " in invoke("status").stdout
    shown = json.loads(invoke("status", "--json").stdout)["embedder"]
    assert (shown["name"], shown["path"]) == ("tiny", str(model))
    assert "there is no file" in shown["problem"]
    ill = invoke("doctor")
    assert ill.exit_code == 4
    assert f"problem embedders: {folder}: The index's embedding model tiny" in ill.stdout


def test_the_model_that_reads_makes_the_vectors(invoke: Invoke, own: tuple[str, str, Path]) -> None:
    folder, index, model = own
    writer = model.with_name("writes.gguf")
    tiny.make_decoder(writer, None, context=1024)
    first = invoke("index", folder, "--index", index, "--embedder", "promptreps", "--model", str(writer))
    assert first.exit_code == 0
    assert "Vectors by promptreps by writes: " in first.stdout
    with Store.open(Path(index)) as store:
        assert store.settings().embedder == f"promptreps:{writer}"
    assert "up to date" in invoke("index", folder, "--index", index).stdout
    assert (
        f"embedder: promptreps by writes, {tiny.WIDTH} dimensions, {writer}"
        in invoke("status", "--index", index).stdout
    )
    other = model.with_name("other.gguf")
    tiny.make_decoder(other, None, context=1024, seed=4)
    assert "promptreps by other" in invoke("index", folder, "--index", index, "--model", str(other)).stdout
    dry = invoke("index", folder, "--index", index, "--dry-run")
    assert dry.exit_code == 0
    assert "Nothing was built." in dry.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--model", "tiny.gguf"], 3, "is an embedding model"),
        (["--model", "ranks.gguf"], 3, "is a reranker"),
        (["--model", "gone.gguf"], 3, "there is no such file"),
        (["--llm", "http://127.0.0.1:9"], 2, "a server does not give hidden states"),
        (["--prefixes", "a", "b"], 2, "words of its own"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_cure(
    arguments: list[str], code: int, told: str, invoke: Invoke, own: tuple[str, str, Path]
) -> None:
    folder, index, model = own
    tiny.make_bert(model.with_name("ranks.gguf"), 4, head=True)
    result = invoke("index", folder, "--index", index, "--embedder", "promptreps", *arguments)
    assert result.exit_code == code
    assert told in result.stderr
    assert not Path(index).exists()
