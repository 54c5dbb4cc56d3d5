"""The record of an embedding model, how its file is found again, and what it makes of texts."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from lattice.errors import IndexCorrupt, ModelNotFound, ModelUnusable
from lattice.models.gguf_embedder import (
    ENGINE,
    EmbeddingModel,
    GgufEmbedder,
    find_embedding_model,
    place_of,
    problem_of,
)
from lattice.models.llama.engine import LlamaEngine
from lattice.models.shelf import add, digest
from lattice.types import MODEL_ARRAY
from tests.models import tiny


@pytest.fixture(name="model")
def fixture_model(tmp_path: Path) -> Path:
    tiny.make_bert(tmp_path / "tiny.gguf", context=128)
    return tmp_path / "tiny.gguf"


@pytest.fixture(name="environ")
def fixture_environ(tmp_path: Path) -> dict[str, str]:
    return {"LATTICE_HOME": str(tmp_path / "home"), "LATTICE_TRIAL": "never"}


def test_a_model_is_recorded_by_its_hash_and_hashed_once(model: Path, environ: dict[str, str]) -> None:
    hashed: list[str] = []
    found, path = find_embedding_model(
        str(model), ("q ", "p "), environ, None, lambda stage, _done, _total: hashed.append(stage)
    )
    assert path == model
    assert found.sha256 == digest([model], "")
    assert (found.name, found.query_prefix, found.passage_prefix) == ("tiny", "q ", "p ")
    assert found.size == model.stat().st_size
    assert set(hashed) == {"hashing tiny.gguf"}
    hashed.clear()
    again, _ = find_embedding_model(
        str(model), ("", ""), environ, found, lambda stage, _done, _total: hashed.append(stage)
    )
    assert (again.sha256, again.query_prefix, hashed) == (found.sha256, "", [])


def test_the_same_vectors_are_made_by_the_same_file_and_passage_prefix(model: Path) -> None:
    found, _ = find_embedding_model(str(model), ("", ""), {})
    assert found.makes_the_same(find_embedding_model(str(model), ("q", ""), {})[0])
    assert not found.makes_the_same(find_embedding_model(str(model), ("", "p"), {})[0])
    tiny.make_bert(model, seed=3)
    assert not found.makes_the_same(find_embedding_model(str(model), ("", ""), {})[0])


def test_a_model_is_found_where_it_went_and_never_mistaken(model: Path, environ: dict[str, str]) -> None:
    found, _ = find_embedding_model(str(model), ("", ""), environ)
    assert place_of(found, environ) == model
    moved = model.with_name("moved.gguf")
    shutil.move(model, moved)
    with pytest.raises(ModelNotFound, match="there is no file at"):
        place_of(found, environ)
    add(moved, environ, name="elsewhere")
    assert place_of(found, environ) == moved
    os.utime(moved, ns=(1, 1))
    assert place_of(found, environ) == moved
    tiny.make_bert(model, context=128, seed=4)  # as large as the other
    assert place_of(found, environ) == moved
    tiny.make_bert(moved, context=128, seed=4)
    with pytest.raises(ModelNotFound, match="another file lies at"):
        place_of(found, environ)
    assert "another file lies at" in str(problem_of(found, environ))


def test_what_is_no_embedding_model_is_refused(model: Path, environ: dict[str, str]) -> None:
    tiny.make_bert(model, 4, head=True)
    with pytest.raises(ModelUnusable, match=r"is a reranker.*--embedder tfidf"):
        find_embedding_model(str(model), ("", ""), environ)
    model.write_bytes(b"GGUF")
    with pytest.raises(ModelUnusable):
        find_embedding_model(str(model), ("", ""), environ)
    with pytest.raises(ModelNotFound, match="--embedder tfidf"):
        find_embedding_model("nobody", ("", ""), environ)


def test_queries_and_passages_have_their_prefixes(model: Path, environ: dict[str, str]) -> None:
    found, _ = find_embedding_model(str(model), ("why ", "the "), environ)
    embedder = GgufEmbedder.load(found, environ)
    plain = LlamaEngine(model, ENGINE)
    assert embedder.dimensions == tiny.WIDTH
    assert embedder.embed(["stars", "bread"]).tobytes() == plain.embed(["why stars", "why bread"]).tobytes()
    made = embedder.embed_passage("stars")
    assert (made.vector.tobytes(), made.was_cut) == (plain.embed(["the stars"])[0].tobytes(), False)
    assert embedder.embed_passage("stars " * 300).was_cut
    assert not len(made.terms.ids)
    embedder.close()
    plain.close()


def test_a_damaged_record_of_the_model_is_told(model: Path) -> None:
    found, _ = find_embedding_model(str(model), ("why: ", ""), {})
    arrays = found.arrays()
    assert EmbeddingModel.from_arrays(arrays) == found
    assert EmbeddingModel.from_arrays({}) is None
    record = json.loads(arrays[MODEL_ARRAY].tobytes())
    for broken in (b"{", json.dumps({**record, "size": "1"}).encode(), json.dumps({**record, "path": 1}).encode()):
        with pytest.raises(IndexCorrupt, match="build the index again"):
            EmbeddingModel.from_arrays({MODEL_ARRAY: np.frombuffer(broken, dtype=np.uint8)})


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_a_vector_does_not_depend_on_the_company(kind: str, tmp_path: Path) -> None:
    model = tmp_path / f"{kind}.gguf"
    (tiny.make_bert if kind == "encoder" else tiny.make_decoder)(model, context=128)
    engine = LlamaEngine(model, ENGINE)
    texts = ["the stars", "bread needs flour and water", "why"]
    alone = [engine.embed([text])[0].tobytes() for text in texts]
    assert [row.tobytes() for row in engine.embed(texts)] == alone
    engine.close()
