"""An index whose vectors the model that reads makes (PromptReps), with a tiny model that llama.cpp really runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lattice import Lattice
from lattice.embedding import settled
from lattice.errors import ModelNotFound, UsageError
from lattice.estimating import SAMPLE_ASKED, estimate
from lattice.first_stage import FirstStage
from lattice.indexing import Built, index_folder
from lattice.models.gguf_embedder import EmbeddingModel
from lattice.models.promptreps import PromptReps
from lattice.models.sparse import SPARSE_ARRAYS, SparseRows
from lattice.store.store import Store
from lattice.traversal.prior import Found, fuse
from lattice.types import BuildSettings
from tests.models import tiny

TEXTS = {
    "stars.md": "# Stars\n\nThe stars look like lines.\n",
    "bread.md": "# Bread\n\nBread needs flour and water.\n",
    "polar.md": "# Polar alignment\n\nWhy polar alignment? The stars look like lines.\n",
    "long.md": "# Long\n\n" + "flour and water, " * 60 + "\n",
}


@pytest.fixture(name="folder")
def fixture_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LATTICE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LATTICE_MODEL", raising=False)
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(name="model")
def fixture_model(tmp_path: Path) -> Path:
    tiny.make_decoder(tmp_path / "tiny.gguf", None, context=1024)
    return tmp_path / "tiny.gguf"


@pytest.fixture(name="index")
def fixture_index(tmp_path: Path) -> Path:
    return tmp_path / "i.lattice"


def built(folder: Path, index: Path, model: Path) -> Built:
    return index_folder(folder, index, BuildSettings(embedder=f"promptreps:{model}"))


def counts(done: Built) -> tuple[int, int]:
    assert done.embedded is not None
    return done.embedded.new, done.embedded.reused


def everything(index: Path) -> tuple[bytes, ...]:
    with Store.open(index) as store:
        arrays = store.embedder()
        return store.vectors()[1].tobytes(), *(arrays[name].tobytes() for name in SPARSE_ARRAYS)


def ranking(index: Path) -> list[tuple[str, float]]:
    with Lattice.open(index, model=None) as lattice:
        return [(hit.path, hit.relevance) for hit in lattice.search("Why do stars look like lines?")]


def test_an_index_keeps_both_vectors_of_every_passage(folder: Path, index: Path, model: Path) -> None:
    done = built(folder, index, model)
    assert counts(done) == (4, 0)
    assert done.embedded is not None
    assert (done.embedded.model, done.embedded.trimmed) == ("promptreps by tiny", 1)
    with Store.open(index) as store:
        arrays, (_, rows) = store.embedder(), store.vectors()
        record = EmbeddingModel.from_arrays(arrays)
        assert store.settings().embedder == f"promptreps:{model}"
    assert record is not None
    assert (record.prompt, record.dimensions) == (1, tiny.WIDTH)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert len(SparseRows.from_arrays(arrays, 4)) == 4
    assert built(folder, index, model).fresh


def test_a_search_fuses_words_vectors_and_terms(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    with Store.open(index) as store:
        stage = FirstStage(store)
        passages, documents, document_of = stage.found("stars and flour")
        stage.close()
        numbers = {number: path for path, (number, _) in store.spans().items()}
    assert passages.terms
    assert dict(documents.terms).keys() <= numbers.keys()
    assert max(score for _, score in documents.terms) == max(score for _, score in passages.terms)
    without = [replace(found, terms=()) for found in (passages, documents)]
    assert fuse(passages, documents, document_of, 9) != fuse(without[0], without[1], document_of, 9)
    assert ranking(index) == ranking(index)


def test_a_vocabulary_counts_among_the_terms(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    with Store.open(index) as store:
        stage = FirstStage(store)
        plain, more = stage.found("stars"), stage.found("stars", None, ("flour",))
        stage.close()
    assert sum(dict(more[0].terms).values()) > sum(dict(plain[0].terms).values())


def test_terms_have_a_share_of_what_vectors_weigh() -> None:
    found = Found([(1, 2.0)], [(2, 0.5)], [(3, 9.0)])
    scored = dict(fuse(found, found, {1: 1, 2: 2, 3: 3}, 9))
    assert scored == pytest.approx({1: 0.7, 2: 0.15, 3: 0.15})
    without = replace(found, terms=())
    assert dict(fuse(without, without, {1: 1, 2: 2}, 9)) == pytest.approx({1: 0.7, 2: 0.3})


def test_only_what_is_new_is_read_and_the_rest_kept_bit_for_bit(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    before = everything(index)
    (folder / "new.md").write_text("# New\n\nWater like lines.\n")
    assert counts(built(folder, index, model)) == (1, 4)
    (folder / "new.md").unlink()
    assert counts(built(folder, index, model)) == (0, 4)
    assert everything(index) == before


def test_ctrl_c_loses_nothing(folder: Path, index: Path, model: Path) -> None:
    settings = BuildSettings(embedder=f"promptreps:{model}")

    def interrupt(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("vectors", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_folder(folder, index, settings, interrupt)
    begun = index.with_name(".i.lattice-vectors")
    begun.write_bytes(begun.read_bytes()[:-3])  # as if it had been killed
    assert counts(index_folder(folder, index, settings)) == (3, 1)
    assert not begun.exists()
    resumed = everything(index)
    index.unlink()
    assert counts(index_folder(folder, index, settings)) == (4, 0)
    assert everything(index) == resumed


def test_without_the_very_model_words_alone_are_searched(folder: Path, index: Path, model: Path) -> None:
    built(folder, index, model)
    model.unlink()
    with Lattice.open(index, model=None) as lattice:
        *_, last = lattice.iter_search("polar alignment")
    assert last.hits
    assert "words alone" in (last.without_vectors or "")
    assert "there is no file" in (last.without_vectors or "")


def test_the_judges_model_is_not_loaded_twice(
    folder: Path, index: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BuildSettings(embedder="promptreps")
    with Lattice.index(folder, path=index, settings=settings, model=str(model)) as lattice:
        assert lattice.store.settings().embedder == f"promptreps:{model}"
        lattice.prior("stars")
        held = lattice.first_stage._model
        assert isinstance(held, PromptReps)
        assert held._engine is lattice._engine
        expected = lattice.first_stage.similar("stars", 9)
    with Lattice.open(index, model=None) as other:
        alone = other.first_stage.similar("stars", 9)
        assert other._engine is None
    assert [one for one, _ in alone] == [one for one, _ in expected]
    assert dict(alone) == pytest.approx(dict(expected), abs=1e-3)


def test_which_model_is_asked_is_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LATTICE_MODEL", raising=False)
    plain = BuildSettings(embedder="promptreps")
    assert settled(plain).embedder == "promptreps:smollm2"
    monkeypatch.setenv("LATTICE_MODEL", "x.gguf")
    assert settled(plain).embedder == f"promptreps:{tmp_path / 'x.gguf'}"
    assert settled(BuildSettings(embedder="promptreps:qwen")).embedder == "promptreps:qwen"
    with pytest.raises(UsageError, match="Prefixes"):
        settled(BuildSettings(embedder="promptreps", query_prefix="query: "))
    monkeypatch.delenv("LATTICE_MODEL")
    monkeypatch.setattr("lattice.embedding.embedded_model", lambda: None)
    with pytest.raises(ModelNotFound, match="a model that writes"):
        settled(plain)


def test_a_dry_run_reads_a_small_sample(folder: Path, index: Path, model: Path) -> None:
    for number in range(SAMPLE_ASKED):
        (folder / f"{number}.md").write_text(f"# {number}\n\n{'flour ' * (number + 3)}\n")
    settings = BuildSettings(embedder=f"promptreps:{model}")
    found = estimate(folder, settings)
    done = index_folder(folder, index, settings)
    assert (found.passages, found.sample_passages) == (done.passages, SAMPLE_ASKED)
    assert found.bytes == pytest.approx(index.stat().st_size, rel=0.3)


@pytest.mark.model
def test_the_embedded_model_indexes_and_finds(folder: Path, index: Path) -> None:
    (folder / "long.md").unlink()  # takes as long to read as all others together
    done = index_folder(folder, index, BuildSettings(embedder="promptreps"))
    assert done.embedded is not None
    assert done.embedded.model == "promptreps by smollm2"
    assert counts(done) == (3, 0)
    with Lattice.open(index) as lattice:
        hits = lattice.search("what does bread need?")
        assert hits[0].path == "bread.md"
        assert isinstance(lattice.first_stage._model, PromptReps)
    assert counts(index_folder(folder, index, force=True)) == (0, 3)
