"""What a build would take, estimated from a part of it, against what it takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from lattice.describing import DescribingModel
from lattice.errors import CorpusProblem, ModelNotFound, UsageError
from lattice.estimating import SAMPLE_EMBEDDED, Estimate, estimate
from lattice.indexing import Built, index_folder
from lattice.models.registry import embedded_model
from lattice.models.remote.server import Server
from lattice.types import BuildSettings
from tests.models import tiny
from tests.models.remote.scripted import Handler, ScriptedServer, says, serving

WITHIN = 0.3
LLM = BuildSettings(branching=4, descriptions="llm")


def write_notes(folder: Path, files: int) -> Path:
    """Write files of one to four sections, with words as in texts: few of them often, and ever new ones."""
    rng = random.Random(7)
    folder.mkdir()
    syllables = [a + b for a in "bdfglmnprst" for b in "aeiou"]
    for number in range(files):
        sections = []
        for section in range(rng.randint(1, 4)):
            ranks = [int(rng.paretovariate(0.7)) % 20_000 for _ in range(rng.randint(40, 150))]
            words = " ".join("".join(syllables[rank // 55**place % 55] for place in range(3)) for rank in ranks)
            sections.append(f"## Part {section} of {words.split()[0]}\n\n{words}.\n")
        (folder / f"{number:03}.md").write_text(f"# Note {number}\n\n" + "\n".join(sections))
    return folder


@pytest.fixture(name="notes", scope="module")
def fixture_notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_notes(tmp_path_factory.mktemp("estimating") / "notes", 150)


@pytest.fixture(name="server", scope="module")
def fixture_server() -> Iterator[ScriptedServer]:
    """Counts a token for every four characters read, and writes more of what is longer."""

    def reply(handler: Handler) -> None:
        shown = handler.body["messages"][1]["content"]
        usage = {"prompt_tokens": len(shown) // 4, "completion_tokens": 10 + len(shown) % 50}
        says("A sentence about something of which nothing was shown.", usage)(handler)

    with serving(reply) as started:
        yield started


def near(estimated: float, real: float) -> bool:
    return abs(estimated - real) <= WITHIN * real


def check(found: Estimate, built: Built) -> None:
    assert (found.files, found.passages, found.skipped) == (built.documents, built.passages, len(built.skipped))
    assert near(found.nodes, built.nodes)
    assert near(found.nodes - found.passages, built.nodes - built.passages), "of the inner nodes alone, too"
    assert near(found.bytes, built.path.stat().st_size), (found.bytes, built.path.stat().st_size)


@pytest.mark.parametrize("sample", [60, 200, 10_000])
def test_nodes_and_bytes_are_those_of_the_build(notes: Path, tmp_path: Path, sample: int) -> None:
    settings = BuildSettings(branching=6, dimensions=64)
    found = estimate(notes, settings, sample_passages=sample)
    assert 0 < found.sample_passages <= sample
    assert (found.calls, found.tokens_read, found.tokens_written, found.sample_calls) == (0, 0, 0, 0)
    assert found.seconds > 0
    check(found, index_folder(notes, tmp_path / "i.lattice", settings))


def test_tokens_are_those_of_the_build(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    model = DescribingModel(server=Server(server.url))
    found = estimate(notes, LLM, model, sample_passages=150, sample_calls=20)
    assert len(server.questions) == 21, "the first is asked twice, for it loads the model"
    assert found.sample_calls == 20
    built = index_folder(notes, tmp_path / "i.lattice", LLM, model=model)
    check(found, built)
    assert built.written is not None
    assert near(found.calls, built.written.nodes)
    assert near(found.tokens_read, built.written.usage.evaluated)
    assert near(found.tokens_written, built.written.usage.generated)


def test_an_embedding_model_s_vectors_are_estimated_from_fewer_passages(notes: Path, tmp_path: Path) -> None:
    model = tmp_path / "tiny.gguf"
    tiny.make_bert(model)
    settings = BuildSettings(embedder=str(model), passage_prefix="passage: ")
    found = estimate(notes, settings, index=tmp_path / "i.lattice")
    assert 0 < found.sample_passages <= SAMPLE_EMBEDDED < found.passages
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"], "nothing is left of the sample's vectors"
    check(found, index_folder(notes, tmp_path / "i.lattice", settings))


def test_nothing_is_written(notes: Path, tmp_path: Path) -> None:
    before = sorted(path.name for path in notes.iterdir())
    index = tmp_path / "place" / "i.lattice"
    assert estimate(notes, BuildSettings(), index=index, sample_passages=50) is not None
    assert not index.parent.exists()
    assert sorted(path.name for path in notes.iterdir()) == before


def test_the_same_sample_is_drawn_again(notes: Path) -> None:
    first, second = (estimate(notes, BuildSettings(), sample_passages=50) for _ in range(2))
    assert (first.nodes, first.sample_passages) == (second.nodes, second.sample_passages)
    assert near(first.bytes, second.bytes)


def test_progress_is_told(notes: Path) -> None:
    stages: list[str] = []
    estimate(notes, BuildSettings(), progress=lambda stage, *_: stages.append(stage), sample_passages=20)
    assert list(dict.fromkeys(stages)) == ["reading", "a sample"]


def test_an_empty_folder_takes_next_to_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    found = estimate(folder, BuildSettings())
    assert (found.files, found.passages, found.nodes, found.sample_passages) == (0, 0, 1, 0)
    assert near(found.bytes, index_folder(folder, tmp_path / "i.lattice").path.stat().st_size)


def test_what_a_build_refuses_is_refused(notes: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusProblem):
        estimate(tmp_path / "nowhere", BuildSettings())
    with pytest.raises(UsageError):
        estimate(notes, BuildSettings(branching=1))
    with pytest.raises(ModelNotFound):
        estimate(notes, LLM, sample_passages=20)


@pytest.mark.model
def test_tokens_of_the_real_model(tmp_path: Path) -> None:
    notes, model = write_notes(tmp_path / "notes", 6), DescribingModel(embedded_model())
    found = estimate(notes, LLM, model, sample_passages=12, sample_calls=4)
    built = index_folder(notes, tmp_path / "i.lattice", LLM, model=model)
    assert built.written is not None
    assert near(found.tokens_read, built.written.usage.evaluated)
    assert near(found.tokens_written, built.written.usage.generated)
