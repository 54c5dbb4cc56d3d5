"""An index whose vectors a GGUF embedding model makes, with tiny models that llama.cpp really runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lattice import Lattice
from lattice.embedding import settled
from lattice.errors import ModelNotFound, ModelUnusable, UsageError
from lattice.first_stage import FirstStage
from lattice.index_builder.build import embedded_text
from lattice.indexing import Built, index_folder
from lattice.models.embedders import TfidfSvd
from lattice.models.gguf_embedder import EmbeddingModel, GgufEmbedder
from lattice.models.llama.engine import LlamaEngine
from lattice.models.shelf import add, digest
from lattice.store.store import Store
from lattice.types import BuildSettings, Matrix
from tests.models import tiny

QUERY, PASSAGE = "why: ", "stars "
TEXTS = {
    "stars.md": "# Stars\n\nThe stars look like lines.\n",
    "bread.md": "# Bread\n\nBread needs flour and water.\n",
    "polar.md": "# Polar alignment\n\nWhy polar alignment? The stars look like lines.\n",
    "long.md": "# Long\n\n" + "flour and water, " * 60 + "\n",
}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "home"))


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(name="model")
def fixture_model(tmp_path: Path) -> Path:
    tiny.make_bert(tmp_path / "tiny.gguf", context=128)
    return tmp_path / "tiny.gguf"


@pytest.fixture(name="index")
def fixture_index(tmp_path: Path) -> Path:
    return tmp_path / "i.lattice"


def built(folder: Path, index: Path, model: Path | str, *, force: bool = False) -> Built:
    settings = BuildSettings(embedder=str(model), query_prefix=QUERY, passage_prefix=PASSAGE)
    return index_folder(folder, index, settings, force=force)


def counts(done: Built) -> tuple[int, int]:
    assert done.embedded is not None
    return done.embedded.new, done.embedded.reused


def vectors_of(index: Path) -> dict[str, Matrix]:
    with Store.open(index) as store:
        ids, matrix = store.vectors()
        return {embedded_text(store.passage(int(i))): row for i, row in zip(ids, matrix, strict=True)}


def ranking(index: Path, query: str = "Why do stars look like lines?") -> list[tuple[str, float]]:
    with Lattice.open(index, model=None) as lattice:
        return [(hit.path, hit.relevance) for hit in lattice.search(query)]


@pytest.mark.parametrize("kind", ["encoder", "decoder"])
def test_the_vectors_of_an_index_are_those_of_the_engine(kind: str, folder: Path, index: Path, tmp_path: Path) -> None:
    model = tmp_path / f"{kind}.gguf"
    (tiny.make_bert if kind == "encoder" else tiny.make_decoder)(model, context=128)
    built(folder, index, model)
    engine = LlamaEngine(model)  # reads many at a time, where the index was made one by one
    found = vectors_of(index)
    expected = engine.embed([PASSAGE + text for text in found])
    asked = engine.embed([f"{QUERY}polar alignment"])[0]
    engine.close()
    rows = np.stack(list(found.values()))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    with Store.open(index) as store:
        stage = FirstStage(store)
        nearest = stage.similar("polar alignment", 9)
        stage.close()
        assert [pytest.approx(cosine, abs=1e-4) for _, cosine in nearest] == sorted(
            (cosine for cosine in (rows @ asked).tolist() if cosine > 0), reverse=True
        )
        assert store.settings().embedder == str(model)
        record = EmbeddingModel.from_arrays(store.embedder())
    assert record is not None
    assert (record.name, record.sha256, record.dimensions) == (kind, digest([model], ""), tiny.WIDTH)
    assert (record.query_prefix, record.passage_prefix) == (QUERY, PASSAGE)


def test_what_is_fused_is_how_far_a_cosine_is_above_the_usual(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    with Store.open(index) as store:
        stage = FirstStage(store)
        passages = store.status().passages
        cosines = dict(stage.similar("polar alignment", passages))
        found, _, _ = stage.found("polar alignment")
        stage.close()
    usual = sum(cosines.values()) / passages
    above = {passage: cosine - usual for passage, cosine in cosines.items() if cosine > usual}
    assert 0 < len(above) < passages
    assert dict(found.vectors) == pytest.approx(above, abs=1e-6)


def test_prefixes_make_other_vectors(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    with_prefix = vectors_of(index)
    done = index_folder(folder, index, BuildSettings(embedder=str(model)))
    assert counts(done) == (len(TEXTS), 0)
    assert all(np.abs(with_prefix[text] - row).max() > 1e-3 for text, row in vectors_of(index).items())


def test_a_search_ranks_the_same_again_and_in_another_process(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    first = ranking(index)
    assert first == ranking(index)
    call = [sys.executable, "-m", "lattice", "search", "Why do stars look like lines?", "--no-model", "--json"]
    done = subprocess.run([*call, "--index", str(index)], capture_output=True, check=True, timeout=60)
    told = json.loads(done.stdout)
    assert [(hit["path"], hit["relevance"]) for hit in told["hits"]] == first
    assert told["without_vectors"] is None
    index_folder(folder, index.with_name("words.lattice"))
    assert first != ranking(index.with_name("words.lattice"))


def test_the_model_is_loaded_for_the_vectors_and_not_for_the_words(
    folder: Path, index: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(folder, index, model)
    loaded: list[str] = []
    load = GgufEmbedder.load

    def counted(record: EmbeddingModel, environ: dict[str, str]) -> GgufEmbedder:
        loaded.append(record.name)
        return load(record, environ)

    monkeypatch.setattr(GgufEmbedder, "load", counted)
    with Lattice.open(index, model=None) as lattice:
        answers = lattice.iter_search("stars")
        assert next(answers).hits
        assert not loaded
        list(answers)
        lattice.search("bread")
    assert loaded == ["tiny"]


def test_only_what_is_new_is_embedded_again(folder: Path, index: Path, model: Path) -> None:
    first = built(folder, index, model)
    assert counts(first) == (4, 0)
    assert first.embedded is not None
    assert (first.embedded.model, first.embedded.trimmed) == ("tiny", 1)
    before = vectors_of(index)
    (folder / "new.md").write_text("# New\n\nWater like lines.\n")
    again = built(folder, index, model)
    assert counts(again) == (1, 4)
    assert again.embedded is not None
    assert again.embedded.trimmed == 1
    (folder / "new.md").unlink()
    assert counts(built(folder, index, model)) == (0, 4)
    kept = vectors_of(index)
    index.unlink()
    assert counts(built(folder, index, model)) == (4, 0)
    afresh = vectors_of(index)
    assert {text: row.tobytes() for text, row in before.items()} == {text: row.tobytes() for text, row in kept.items()}
    assert {text: row.tobytes() for text, row in afresh.items()} == {text: row.tobytes() for text, row in kept.items()}


def test_an_index_is_fresh_while_its_model_is_the_same(folder: Path, index: Path, model: Path) -> None:
    assert not built(folder, index, model).fresh
    assert built(folder, index, model).fresh
    os.utime(model, ns=(1, 1))
    assert built(folder, index, model).fresh
    tiny.make_bert(model, context=128, seed=5)
    changed = built(folder, index, model)
    assert not changed.fresh
    assert counts(changed) == (4, 0)
    model.unlink()
    assert built(folder, index, model).fresh  # nothing that a build could do; a search says so


@pytest.mark.parametrize("fate", ["missing", "changed", "damaged", "a reranker"])
def test_without_the_very_model_words_alone_are_searched_and_that_is_told(
    fate: str, folder: Path, index: Path, model: Path
) -> None:
    built(folder, index, model)
    if fate == "missing":
        model.unlink()
    elif fate == "changed":
        tiny.make_bert(model, context=128, seed=5)
    elif fate == "damaged":
        model.write_bytes(model.read_bytes()[:-100])
    else:
        tiny.make_bert(model, 4, head=True)
    with Lattice.open(index, model=None) as lattice:
        first, last = lattice.iter_search("polar alignment")
        similar = lattice.first_stage
        with pytest.raises(ModelNotFound, match="tiny"):
            similar.similar("polar", 3)
    assert first.without_vectors is None
    assert first.hits == last.hits
    assert last.without_vectors is not None
    assert "words alone" in last.without_vectors
    assert "build the index again with --embedder" in last.without_vectors
    assert ("there is no file" in last.without_vectors) == (fate == "missing")


def test_words_alone_take_a_vocabulary_too(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    model.unlink()
    with Store.open(index) as store:
        prior = FirstStage(store).prior("polar", vocabulary=("flour",))
        found = [store.passage(store.node(hit.leaf).passage or 0).document for hit in prior.hits]
    assert found[0] == "polar.md"
    assert {"bread.md", "long.md"} <= set(found)


def test_a_model_that_moved_is_found_where_it_is_registered(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    expected = ranking(index)
    moved = model.with_name("moved.gguf")
    shutil.move(model, moved)
    add(moved, os.environ)
    assert ranking(index) == expected
    done = built(folder, index, model, force=True)
    assert counts(done) == (0, 4)


def test_a_registered_model_is_named(folder: Path, index: Path, model: Path) -> None:
    add(model, os.environ, name="stellar")
    done = built(folder, index, "stellar")
    assert done.embedded is not None
    assert done.embedded.model == "stellar"
    with Store.open(index) as store:
        assert store.settings().embedder == "stellar"
    assert built(folder, index, "stellar").fresh


@pytest.mark.parametrize(("kind", "told"), [("generative", "writes text"), ("reranker", "scores pairs")])
def test_a_model_of_another_kind_is_refused_before_anything_is_read(
    kind: str, told: str, folder: Path, index: Path, tmp_path: Path
) -> None:
    model = tmp_path / "other.gguf"
    if kind == "generative":
        tiny.make_decoder(model, None)
    else:
        tiny.make_bert(model, 4, head=True)
    stages: list[str] = []
    with pytest.raises(ModelUnusable, match=f"{told}.*--embedder tfidf"):
        index_folder(
            folder, index, BuildSettings(embedder=str(model)), lambda stage, _done, _total: stages.append(stage)
        )
    assert set(stages) <= {"hashing other.gguf"}
    assert not index.exists()


def test_a_model_that_is_not_there_is_told_and_leaves_the_old_index(folder: Path, index: Path, model: Path) -> None:
    index_folder(folder, index)
    before = index.read_bytes()
    for name in (str(model) + "x.gguf", "nobody"):
        with pytest.raises(ModelNotFound, match="--embedder tfidf"):
            index_folder(folder, index, BuildSettings(embedder=name))
    assert index.read_bytes() == before


def test_progress_tells_of_every_passage_and_ctrl_c_loses_nothing(folder: Path, index: Path, model: Path) -> None:
    index_folder(folder, index)
    before = index.read_bytes()
    settings = BuildSettings(embedder=str(model))
    seen: list[tuple[int, int]] = []

    def interrupt(stage: str, done: int, total: int) -> None:
        if stage == "vectors":
            seen.append((done, total))
            if done == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_folder(folder, index, settings, interrupt)
    assert seen == [(0, 4), (1, 4), (2, 4)]
    assert index.read_bytes() == before
    begun = index.with_name(".i.lattice-vectors")
    begun.write_bytes(begun.read_bytes()[:-3])  # as if it had been killed
    done = index_folder(folder, index, settings)
    assert counts(done) == (3, 1)
    assert not begun.exists()
    resumed = vectors_of(index)
    index.unlink()
    assert counts(index_folder(folder, index, settings)) == (4, 0)
    assert {text: row.tobytes() for text, row in resumed.items()} == {
        text: row.tobytes() for text, row in vectors_of(index).items()
    }


def test_what_another_model_has_begun_is_dropped(folder: Path, index: Path, model: Path) -> None:
    def interrupt(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("vectors", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_folder(folder, index, BuildSettings(embedder=str(model)), interrupt)
    tiny.make_bert(model, context=128, seed=5)
    assert counts(index_folder(folder, index, BuildSettings(embedder=str(model)))) == (4, 0)


def test_another_prefix_for_queries_embeds_nothing_again(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    first = ranking(index, "polar")
    settings = BuildSettings(embedder=str(model), query_prefix="bread and water: ", passage_prefix=PASSAGE)
    assert counts(index_folder(folder, index, settings)) == (0, 4)
    assert ranking(index, "polar") != first


def test_the_usual_embedder_is_what_it_was_and_comes_back(folder: Path, index: Path, model: Path) -> None:
    index_folder(folder, index)
    with Store.open(index) as store:
        usual = {name: array.tobytes() for name, array in store.embedder().items()}
    built(folder, index, model)
    done = index_folder(folder, index, BuildSettings())
    assert done.embedded is None
    with Store.open(index) as store:
        assert {name: array.tobytes() for name, array in store.embedder().items()} == usual
        assert TfidfSvd.from_arrays(store.embedder()).dimensions
        assert EmbeddingModel.from_arrays(store.embedder()) is None


def test_an_empty_folder_can_be_indexed_with_a_model(tmp_path: Path, index: Path, model: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "empty.md").write_text("")
    assert counts(built(tmp_path / "nothing", index, model)) == (0, 0)
    assert ranking(index) == []


def test_settings_are_kept_with_the_path_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert settled(BuildSettings(embedder="x.gguf")).embedder == str(tmp_path / "x.gguf")
    assert settled(BuildSettings(embedder="name")).embedder == "name"
    assert settled(BuildSettings()) == BuildSettings()
    with pytest.raises(UsageError, match="--embedder"):
        settled(BuildSettings(query_prefix="query: "))
    with pytest.raises(UsageError, match="empty"):
        settled(BuildSettings(embedder=""))


def test_a_changed_time_alone_does_not_make_it_another_model(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    expected = ranking(index)
    os.utime(model, ns=(1, 1))
    assert ranking(index) == expected
    with Lattice.open(index, model=None) as lattice:
        *_, last = lattice.iter_search("polar")
    assert last.without_vectors is None
