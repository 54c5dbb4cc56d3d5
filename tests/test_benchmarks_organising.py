"""The benchmarks of who organises a corpus: the labels' part, a model's sample, and the tables made of the records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lattice.describing import DescribingModel
from lattice.evaluate.collection import Collection
from lattice.evaluate.collection import load as load_collection
from lattice.evaluate.losses import CAUSES
from lattice.index_builder.authors import Writing
from lattice.index_builder.branches import Branch
from lattice.index_builder.organising import Organising
from lattice.models.embedders import normalised
from lattice.store.store import Store
from lattice.types import BuildSettings, Passage
from tests.conftest import Load
from tests.evaluate.collections import write_queries
from tests.index_builder.corpora import passage
from tests.index_builder.libraries import LABELS, SHELVES, labels_of, librarian, library, prose
from tests.index_builder.test_written import KeptHere, ScriptedAuthor

TOP_DOWN = BuildSettings(strategy="top-down", structure="flat")
QUERIES = ({"_id": "q", "text": "the oak"},)


def written(folder: Path, passages: list[Passage]) -> Path:
    """Write passages as the records of a collection that says of which article each is."""
    folder.mkdir()
    lines = [
        {
            "_id": one.document,
            "title": "",
            "text": one.text,
            "metadata": {"article": labels_of(one.title)[0] + "_and_more"},
        }
        for one in passages
    ]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    write_queries(folder, QUERIES, [("q", passages[0].document, 1)])
    return folder


@pytest.fixture(name="shelf")
def fixture_shelf(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A collection, where both benchmarks find it."""
    folder = written(tmp_path / "shelf", library(2))
    for name in ("librarian", "organising"):
        monkeypatch.setattr(load(name), "unpacked", lambda name: tmp_path / name)
    return folder


@pytest.fixture(name="collection")
def fixture_collection(shelf: Path) -> Collection:
    return load_collection(shelf)


# The labels of a collection


def test_labels_are_the_article_or_the_folders_from_the_widest(load: Load) -> None:
    of = load("librarian").labels_of
    assert of("c", {"_id": "1", "metadata": {"article": "Super_Bowl_50"}}) == ("Super Bowl 50",)
    assert of("c", {"_id": "src/net/tcp.md"}) == ("src", "src net")
    assert of("c", {"_id": "src/tcp.md", "metadata": None}) == ("src",)
    assert of("c", {"_id": "a/b.md", "metadata": {"article": "Own"}}) == ("Own",), "an article goes before a folder"
    with pytest.raises(SystemExit, match="scifact has no labels"):
        of("scifact", {"_id": "4983"})


def test_a_passage_is_known_however_it_is_shown(load: Load) -> None:
    shown = load("librarian")._shown
    text = "of trees and of their leaves"
    assert shown(passage("a", title="Oak", text=text)) == (f"Oak: {text}", text)
    assert shown(passage("a", heading=("Elm", "Bark"), text=text)) == (f"Elm: {text}", text)
    key = load("librarian")._key
    longer = " ".join(f"word{number}" for number in range(40))
    assert key(longer) == key(longer.replace(" ", "\n", 3)) == " ".join(longer.split()[:14])


def test_nothing_is_kept_of_what_the_labels_say(load: Load) -> None:
    nothing = load("librarian").NothingKept()
    nothing.put("key", "text", None)
    nothing.prune()
    assert (nothing.get("key"), nothing.problem) == (None, None)


def test_the_labels_make_the_tree_of_an_index(load: Load, collection: Collection, tmp_path: Path) -> None:
    index, how = load("librarian").organised(collection, tmp_path / "work", TOP_DOWN)
    told = how.organised()
    assert (told.texts, told.by_rule, told.missing, told.unknown) == (80, 0, 0, 0)
    with Store.open(index) as store:
        assert store.settings() == TOP_DOWN
        nodes = store.nodes()
        passages = store.passages([node.passage for node in nodes if node.passage])
    top = [node for node in nodes if node.depth == 1]
    assert {node.description.partition(":")[0] for node in top} == {f"{shelf} and more" for shelf in SHELVES}
    parents = {node.id: node.parent for node in nodes}
    for node in nodes:
        if node.passage is not None:
            above = node.id
            while parents[above] != 1:
                above = parents[above] or 0
            (shelf,) = (one for one in top if one.id == above)
            word = passages[node.passage].text.split()[1]
            assert shelf.description.startswith(LABELS[word][0]), word


def test_a_collection_without_labels_is_refused(load: Load, tmp_path: Path, shelf: Path) -> None:
    lines = [json.loads(line) for line in (shelf / "corpus.jsonl").read_text().splitlines()]
    for one in lines:
        del one["metadata"]
    (shelf / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    with pytest.raises(SystemExit, match="neither folders nor articles"):
        load("librarian").organised(load_collection(shelf), tmp_path / "work", TOP_DOWN)


# What a model makes of a sample


@pytest.fixture(name="organising")
def fixture_organising(load: Load, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark, with the librarian in the model's place."""
    module = load("organising")
    assert shelf.exists()

    @contextmanager
    def writing_for(index: Path, chosen: DescribingModel) -> Iterator[Writing]:
        assert chosen.model == Path("scripted.gguf")
        assert not index.exists()
        yield Writing(librarian(), "scripted", KeptHere())

    monkeypatch.setattr(module, "writing_for", writing_for)
    return module


def test_a_sample_is_drawn_again_alike_and_stands_in_order(organising: ModuleType) -> None:
    sample = organising.sampled("shelf", 30)
    assert [one.document for one in sample] == sorted({one.document for one in sample})
    assert len(sample) == 30
    assert sample == organising.sampled("shelf", 30)
    assert len(organising.sampled("shelf", 10_000)) == 80


def test_a_model_that_knows_is_nearer_than_chance(organising: ModuleType) -> None:
    row = organising.measured("shelf", 60, Path("scripted.gguf"))
    assert (row["collection"], row["passages"], row["model"], row["texts"]) == ("shelf", 60, "scripted.gguf", 60)
    assert (row["by_vectors"], row["by_rule"], row["reason"]) == (0, 0, "")
    assert row["usage"]["calls"] == row["splits"] + 3
    assert set(row["cosine"]) == {"the model's topics", "vectors", "chance"}
    assert row["cosine"]["the model's topics"] > row["cosine"]["chance"]
    shown = organising.line(row)
    assert shown.startswith("shelf, scripted.gguf: usable summaries of 60 of 60 texts; ")
    assert f"; {row['splits']} of {row['splits']} splits by the model; " in shown
    assert json.loads(json.dumps(row)) == row, "it can be kept as a record"


def test_a_model_that_talks_is_asked_to_the_end_and_the_row_says_so(
    organising: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = ScriptedAuthor("Certainly! I will.")

    @contextmanager
    def writing_for(*_: object) -> Iterator[Writing]:
        yield Writing(author, "scripted", KeptHere())

    monkeypatch.setattr(organising, "writing_for", writing_for)
    row = organising.measured("shelf", 80, Path("scripted.gguf"))
    assert len(author.shown) > 3, "it is asked on, for that is measured"
    assert (row["texts"], row["by_rule"], row["reason"]) == (80, 80, "")
    assert row["by_vectors"] == row["splits"] > 0
    assert "usable summaries of 0 of 80 texts; 0 of " in organising.line(row)
    assert row["cosine"]["the model's topics"] == row["cosine"]["vectors"]


def test_how_near_topics_are_is_the_mean_cosine_of_their_pairs(organising: ModuleType) -> None:
    vectors = normalised(np.array([[1, 0], [1, 0], [0, 1], [1, 0], [0, 1]], dtype=np.float32))
    leaves = [Branch("passage", passage=number) for number in range(5)]
    pair, three = Branch("cluster", tuple(leaves[:2])), Branch("cluster", tuple(leaves[2:]))
    # The pair's cosine is 1; of the three pairs of the other, two are 0 and one 1: (2 * 1 + 3 * 1/3) / 5.
    assert organising.together(Branch("root", (pair, three)), vectors) == pytest.approx(0.6, abs=1e-4)
    # A topic of one passage has no pair, and no part in it.
    assert organising.together(Branch("root", (pair, leaves[2])), vectors) == 1.0


# The tables


@pytest.fixture(name="records")
def fixture_records(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(load("model_tables"), "RESULTS", tmp_path)
    return tmp_path


def cells(table: str) -> list[list[str]]:
    """Give the cells of a table in Markdown, row by row, without the line below the head."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line]
    return [row for row in rows if not set(row[0]) <= {"-", ":", " "}]


def test_the_table_of_organising_shows_what_was_usable(load: Load, records: Path) -> None:
    how = Organising(Writing(librarian(prose), "m", KeptHere()), splits=9, by_vectors=2, texts=300, by_rule=40)
    row = {
        "collection": "c",
        "passages": 300,
        "model": "m.gguf",
        **asdict(how.organised()),
        "cosine": {"the model's topics": 0.25, "vectors": 0.5},
    }
    row["usage"] |= {"evaluated": 12345, "generated": 678}
    (records / "organising.json").write_text(json.dumps(row))
    assert cells(load("tree_tables").BLOCKS["organising"]()) == [
        ["m.gguf", "300 passages of c"],
        ["texts with usable summaries", "260 of 300"],
        ["splits by the model", "7 of 9"],
        ["cosine of two passages of one topic: the model's topics", ".250"],
        ["cosine of two passages of one topic: vectors", ".500"],
        ["tokens read, written", "12,345, 678"],
    ]


def lost(cause: str, loss: float, documents: int) -> dict[str, Any]:
    return {"cause": cause, "loss": loss, "documents": documents}


def test_the_table_of_what_was_lost_has_a_column_a_cause_in_the_search_s_order(load: Load, records: Path) -> None:
    rows = [
        {"collection": "xquad-en", "lost": {"lattice": [lost("judge", 0.125, 3), lost("found", -0.01, 2)]}},
        {"collection": "scifact", "lost": {"rerank": [lost("unseen", 0.25, 4)], "lattice": [lost("judge", 0.5, 10)]}},
        {"collection": "not one of the five", "lost": {"lattice": [lost("path", 1.0, 1)]}},
    ]
    (records / "budgets.json").write_text(json.dumps({"rows": rows}))
    head, *found = cells(load("search_tables").BLOCKS["lost"]())
    assert head == ["nDCG@10 lost (documents)", "method", "unseen", "judge", "found"]
    assert found == [
        ["scifact", "rerank", ".250 (4)", "-", "-"],
        ["scifact", "lattice", "-", ".500 (10)", "-"],
        ["xquad", "lattice", "-", ".125 (3)", "-.010 (2)"],
    ]
    assert [cause for cause in CAUSES if cause in head] == head[2:]
