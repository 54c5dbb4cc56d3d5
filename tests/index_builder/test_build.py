"""A whole build: numbers and orders as the snapshot promises, on small corpora and real text."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.errors import UsageError
from lattice.index_builder.build import build, embedded_text
from lattice.models.embedders import TfidfSvd
from lattice.types import BuildSettings, Document, Passage, Skipped, Snapshot
from tests.index_builder.corpora import in_documents, passage, small_corpus

SETTINGS = BuildSettings(dimensions=16)


def built(passages: list[Passage], build_settings: BuildSettings = SETTINGS) -> Snapshot:
    return build("/corpus", (), passages, (), build_settings)


def check(snapshot: Snapshot) -> None:
    nodes, branching = snapshot.nodes, snapshot.settings.branching
    children: dict[int | None, list[int]] = {}
    for number, node in enumerate(nodes, start=1):
        assert node.id == number
        assert node.parent is None or node.parent < number
        assert node.depth == (0 if node.parent is None else nodes[node.parent - 1].depth + 1)
        assert node.description
        children.setdefault(node.parent, []).append(number)
    assert children[None] == [1]
    assert nodes[0].kind == "root"
    assert sorted(node.passage for node in nodes if node.passage) == list(range(1, len(snapshot.passages) + 1))
    for node in nodes:
        below = children.get(node.id, [])
        assert node.is_leaf == (node.kind == "passage")
        if node.is_leaf:
            assert (node.leaves, below) == (1, [])
        else:
            assert node.leaves == sum(nodes[child - 1].leaves for child in below)
            assert len(below) <= branching
            assert len(below) >= 2 or (node.id == 1 and len(snapshot.passages) < 2)


def test_a_small_corpus_parts_into_its_subjects() -> None:
    snapshot = built(small_corpus(), replace(SETTINGS, branching=5))
    check(snapshot)
    clusters = [node for node in snapshot.nodes if node.kind == "cluster"]
    assert len(clusters) == 4
    for cluster in clusters:
        found = [
            snapshot.passages[n.passage - 1].document for n in snapshot.nodes if n.parent == cluster.id and n.passage
        ]
        assert len({name.split("-")[1] for name in found}) == 1
    assert {c.description.split()[0] for c in clusters} == {"Baking", "Sailing", "Keeping", "Watching"}


def test_passages_stand_in_order_however_they_came() -> None:
    passages = in_documents([3, 1, 2])
    snapshot = built(passages[::-1])
    assert list(snapshot.passages) == passages
    assert snapshot == replace(built(passages), vectors=snapshot.vectors, embedder=snapshot.embedder)


def test_documents_are_ordered_and_the_skipped_kept() -> None:
    documents = [Document(path, path, (), "", 0, 0) for path in ("b", "a")]
    skipped = (Skipped("c", "binary"),)
    snapshot = build("/corpus", documents, (), skipped, SETTINGS)
    assert [document.path for document in snapshot.documents] == ["a", "b"]
    assert (snapshot.root, snapshot.skipped, snapshot.settings) == ("/corpus", skipped, SETTINGS)


def test_vectors_belong_to_their_passages() -> None:
    snapshot = built(small_corpus())
    embedder = TfidfSvd.from_arrays(snapshot.embedder)
    expected = embedder.embed([embedded_text(found) for found in snapshot.passages])
    np.testing.assert_allclose(snapshot.vectors, expected, atol=2e-6)


def test_titles_and_headings_are_embedded() -> None:
    assert embedded_text(passage("a", title="Guide", heading=("Install", "Linux"), text="Run it.")) == (
        "Guide\nInstall\nLinux\nRun it."
    )


@pytest.mark.parametrize("count", [0, 1, 2, 13])
@pytest.mark.parametrize("text", ["some words here", "", "???"])
def test_folders_of_few_documents_work(count: int, text: str) -> None:
    snapshot = built([passage(f"{i:02}", text=text) for i in range(count)])
    assert snapshot.vectors.shape[0] == count
    assert len([node for node in snapshot.nodes if node.is_leaf]) == count
    assert snapshot.nodes[0].leaves == count


def test_documents_of_many_passages_have_document_nodes() -> None:
    snapshot = built(in_documents([30, 3, 1], [("One",), ("Two",)]))
    check(snapshot)
    assert [node.kind for node in snapshot.nodes if node.depth == 1] == ["document", "document", "passage"]
    assert snapshot.nodes[1].description.startswith("Title 0")


def test_building_again_gives_the_same_snapshot() -> None:
    first, second = built(small_corpus()), built(small_corpus())
    assert first.nodes == second.nodes
    assert first.vectors.tobytes() == second.vectors.tobytes()


def test_progress_is_told_for_each_stage() -> None:
    told: list[tuple[str, int, int]] = []
    build("/", (), small_corpus(), (), SETTINGS, lambda stage, done, total: told.append((stage, done, total)))
    assert list(dict.fromkeys(stage for stage, _, _ in told)) == ["vectors", "tree", "descriptions", "names"]
    for name in ("vectors", "tree", "descriptions", "names"):
        last = [call for call in told if call[0] == name][-1]
        assert last[1] == last[2]


def test_a_node_needs_room_for_two() -> None:
    with pytest.raises(UsageError, match="give 2 or more"):
        built([], replace(SETTINGS, branching=1))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    st.lists(
        st.lists(st.sampled_from(["cat", "dog", "ship sea", "", "the", "star"]), min_size=1, max_size=20), max_size=25
    ),
    st.integers(2, 12),
)
def test_any_corpus_gives_a_sound_snapshot(documents: list[list[str]], branching: int) -> None:
    passages = [
        passage(f"{number:03}", position, f"Document {number}", (word,), f"{word} number {position}")
        for number, found in enumerate(documents)
        for position, word in enumerate(found)
    ]
    check(built(passages, replace(SETTINGS, branching=branching)))


_BUILT = """
import hashlib
import numpy as np
from lattice.index_builder.build import build
from lattice.types import BuildSettings
from tests.index_builder.corpora import passage

WORDS = [f"word{number}" for number in range(4000)]
drawn = np.random.default_rng(0).zipf(1.3, (900, 40)) % 4000
passages = [passage(f"{i:04}.md", text=" ".join(WORDS[j] for j in row)) for i, row in enumerate(drawn.tolist())]
found = build("", (), passages, (), BuildSettings())
print(hashlib.sha256(found.vectors.tobytes() + repr(found.nodes).encode()).hexdigest())
"""


def test_the_threads_of_blas_change_no_byte() -> None:
    found = set()
    for threads in ("1", "2"):
        limits = {f"{library}_NUM_THREADS": threads for library in ("OMP", "OPENBLAS", "MKL")}
        environment = {**os.environ, **limits, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, "-c", _BUILT], check=True, capture_output=True, text=True, env=environment
        )
        found.add(done.stdout)
    assert len(found) == 1
