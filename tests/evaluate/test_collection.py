from __future__ import annotations

import json
from pathlib import Path

import pytest

from lattice.errors import CorpusProblem, UsageError
from lattice.evaluate.bm25 import bm25_run
from lattice.evaluate.collection import Record, load
from tests.evaluate.collections import TOPICS, write_collection, write_queries


def _tiny(folder: Path) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": "a", "title": "Bees", "text": "make honey"}, {"_id": "b", "text": "stars drift"}]
    queries = [{"_id": "1", "text": "honey"}, {"_id": 2, "text": "drifting star"}, {"_id": "3", "text": "unjudged"}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)) + "\n\n")
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t2\n2\ta\t0\n3\ta\t0\n")
    return folder


def test_a_collection_is_read_and_unjudged_queries_are_left_out(tmp_path: Path) -> None:
    collection = load(_tiny(tmp_path / "tiny"))
    assert collection.name == "tiny"
    assert collection.records[1] == Record("b", "", "stars drift")
    assert collection.queries == {"1": "honey", "2": "drifting star"}
    assert collection.qrels["2"] == {"b": 2, "a": 0}
    assert (collection.total, collection.split, collection.is_files) == (2, "test", False)


def test_a_sample_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    collection = load(_tiny(tmp_path / "tiny"))
    drawn = collection.sample(1, 7)
    assert drawn == collection.sample(1, 7)
    assert set(drawn.queries) == set(drawn.qrels)
    assert (drawn.seed, drawn.total) == (7, 2)
    assert collection.sample(99, 7) == collection.sample(None, 7) == collection
    assert collection.sample(99, 7).seed is None


def test_the_digest_tells_collections_apart_and_stays_for_a_sample(tmp_path: Path) -> None:
    first = load(write_collection(tmp_path / "a"))
    same = load(write_collection(tmp_path / "b"))
    assert first.digest == same.digest == first.sample(1, 1).digest
    other = load(write_collection(tmp_path / "c", qrels=[("q1", "bread", 2)]))
    assert other.digest != first.digest
    assert other.documents_digest == first.documents_digest
    longer = load(write_collection(tmp_path / "d", documents={**TOPICS, "more": "text"}))
    assert longer.documents_digest != first.documents_digest


def test_excluded_ids_are_kept_with_their_query(tmp_path: Path) -> None:
    queries = [
        {"_id": "q1", "text": "dough", "metadata": {"excluded_ids": ["bees", 7]}},
        {"_id": "q2", "text": "x", "metadata": {}},
    ]
    collection = load(write_collection(tmp_path / "c", queries=queries))
    assert collection.excluded == {"q1": frozenset({"bees", "7"})}


def test_ids_that_are_paths_of_readable_files_make_a_folder(tmp_path: Path) -> None:
    def is_files(*names: str) -> bool:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        documents = dict.fromkeys(names, "text")
        return load(write_collection(folder, documents, qrels=[("q1", names[0], 1)])).is_files

    assert is_files("a/b.md", "c.txt")
    assert not is_files("a/b.md", "123")
    assert not is_files("../b.md", "c.txt")
    assert not is_files("/b.md")
    assert not is_files("a//b.md")
    assert not is_files("picture.png")


def test_documents_may_lie_as_files(tmp_path: Path) -> None:
    for where in (tmp_path / "with" / "corpus", tmp_path / "elsewhere"):
        (where / "sub").mkdir(parents=True)
        (where / "sub" / "bread.md").write_text("# Bread\n\nYeast makes dough rise.\n")
        (where / "stars.txt").write_text("Stars drift.\n")
    write_queries(tmp_path / "with", [{"_id": "1", "text": "dough"}], [("1", "sub/bread.md", 1)])
    write_queries(tmp_path / "without", [{"_id": "1", "text": "dough"}], [("1", "sub/bread.md", 1)])
    inside = load(tmp_path / "with")
    outside = load(tmp_path / "without", files=tmp_path / "elsewhere")
    assert [record.id for record in inside.records] == ["stars.txt", "sub/bread.md"]
    assert inside.is_files
    assert inside.digest == outside.digest
    assert outside.folder == tmp_path / "elsewhere"
    assert "Yeast" in inside.records[1].text
    assert inside.missing() == set()


def test_a_split_has_its_own_qrels_and_queries(tmp_path: Path) -> None:
    folder = _tiny(tmp_path / "tiny")
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nd\ta\t1\n")
    (folder / "queries_dev.jsonl").write_text('{"_id": "d", "text": "wax"}\n')
    assert load(folder).split == "test"
    assert load(folder, "dev").queries == {"d": "wax"}
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "odd.tsv")
    (folder / "qrels" / "dev.tsv").unlink()
    assert load(folder).split == "odd"
    (folder / "qrels" / "odder.tsv").write_text("")
    with pytest.raises(CorpusProblem, match=r"odd, odder.*--split"):
        load(folder)


def test_relevant_documents_that_the_corpus_lacks_are_told(tmp_path: Path) -> None:
    collection = load(write_collection(tmp_path / "c", qrels=[("q1", "bread", 1), ("q1", "gone", 1), ("q1", "no", 0)]))
    assert collection.missing() == {"gone"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.jsonl", '{"_id": "a", "text": "x"}\n{"_id": "a", "text": "y"}\n', "two documents 'a'"),
        ("corpus.jsonl", '{"_id": "a", "text": "x"}\n{"_id": \n', "corpus.jsonl, line 2"),
        ("corpus.jsonl", "\n", "corpus.jsonl is empty"),
        ("corpus.jsonl", "[1]\n", "BEIR"),
        ("queries.jsonl", '{"text": "no id"}\n', "_id"),
        ("qrels/test.tsv", "1\ta\n2\tb\n", r"qrels/test.tsv, line 2"),
        ("qrels/test.tsv", "1\ta\t0\n", "no query has a relevant document"),
    ],
)
def test_what_is_no_collection_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    folder = _tiny(tmp_path / "tiny")
    (folder / name).write_text(content)
    with pytest.raises(CorpusProblem, match=message):
        load(folder)


def test_an_empty_folder_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(CorpusProblem, match=r"queries\.jsonl is missing"):
        load(tmp_path)
    write_queries(tmp_path, [{"_id": "1", "text": "x"}], [("1", "a.md", 1)])
    with pytest.raises(CorpusProblem, match="--folder"):
        load(tmp_path)
    with pytest.raises(CorpusProblem, match=r"is a file\. Unpack it"):
        load(tmp_path / "queries.jsonl")


def test_a_header_is_optional_in_qrels(tmp_path: Path) -> None:
    folder = _tiny(tmp_path / "tiny")
    (folder / "qrels" / "test.tsv").write_text("1\ta\t1\n")
    assert load(folder).qrels == {"1": {"a": 1}}


def test_queries_that_are_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no query 'q9'"):
        load(write_collection(tmp_path / "c")).only(["q1", "q9"])


def test_bm25_stems_and_ranks(tmp_path: Path) -> None:
    run = bm25_run(load(_tiny(tmp_path / "tiny")))
    assert list(run["2"]) == ["b"]
    assert list(run["1"]) == ["a"]
