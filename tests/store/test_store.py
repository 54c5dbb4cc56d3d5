from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lattice.errors import IndexProblem
from lattice.store.migrations import FORMAT
from lattice.store.store import Status, Store
from lattice.store.write import write
from lattice.types import BUILDER_VERSION, Candidate, Node, Skipped, Snapshot, Tree
from tests.store.snapshots import BUILT_AT, DIMENSIONS, make_snapshot, make_store


@pytest.fixture(name="snapshot", scope="module")
def fixture_snapshot() -> Snapshot:
    skipped = (Skipped("z.bin", "binary"), Skipped("a.pdf", "no pages"))
    return make_snapshot(skipped=skipped)


@pytest.fixture(name="store", scope="module")
def fixture_store(tmp_path_factory: pytest.TempPathFactory, snapshot: Snapshot) -> Store:
    return make_store(tmp_path_factory.mktemp("store") / "notes.lattice", snapshot)


def test_summaries_are_given_by_node(tmp_path: Path) -> None:
    summaries: dict[int, tuple[str, ...]] = {3: ("Tides", "The tides", "検索", "How they come", "and \udcff")}
    summaries[2] = ("a",) * 5
    with make_store(tmp_path / "i.lattice", replace(make_snapshot(), summaries=summaries)) as store:
        assert store.summaries() == summaries
    with make_store(tmp_path / "j.lattice") as store:
        assert store.summaries() == {}


def test_index_terms_are_given_by_node_and_with_candidates(tmp_path: Path) -> None:
    terms: dict[int, tuple[str, ...]] = {1: ("tide", "検索", "moon"), 2: ("bee",)}
    with make_store(tmp_path / "i.lattice", replace(make_snapshot(), index_terms=terms)) as store:
        assert store.index_terms() == terms
        leaf = store.leaf(1).id
        assert [one.index_terms for one in store.candidates((2, 1, leaf))] == [{"bee"}, set(terms[1]), set()]
    with make_store(tmp_path / "j.lattice") as store:
        assert store.index_terms() == {}


def test_a_word_is_the_rarer_the_fewer_passages_hold_it(store: Store) -> None:
    # Two of six passages hold "actor" and "free", one "river" of none.
    found = store.rarities(["actor", "collector", "nowhere"])
    assert found == pytest.approx({"actor": math.log(6 / 2), "collector": math.log(6 / 1)})
    assert store.rarities([]) == {}


def test_the_store_gives_back_every_node_and_passage(store: Store, snapshot: Snapshot) -> None:
    assert tuple(store.node(node.id) for node in snapshot.nodes) == snapshot.nodes
    assert store.passages(range(1, 7)) == dict(enumerate(snapshot.passages, start=1))
    assert store.passage(3) == snapshot.passages[2]
    assert store.documents() == snapshot.documents


def test_the_store_gives_back_what_the_build_left(store: Store, snapshot: Snapshot) -> None:
    assert store.settings() == snapshot.settings
    assert store.skipped() == snapshot.skipped
    status = store.status()
    size = store.path.stat().st_size
    assert status == Status(
        snapshot.root, BUILT_AT, 3, 6, 10, 2, size, FORMAT, 1, 2, builder=BUILDER_VERSION, build=status.build
    )
    assert len(status.build) == 32


def test_files_tell_freshness(store: Store, snapshot: Snapshot) -> None:
    first = snapshot.documents[0]
    assert len(store.files()) == 3
    assert store.files()[first.path] == (first.size, first.modified_ns, first.content_hash)


def test_vectors_and_arrays_come_back_bit_for_bit(store: Store, snapshot: Snapshot) -> None:
    ids, vectors = store.vectors()
    assert ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert ids.dtype == np.int64
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, snapshot.vectors)
    found = store.embedder()
    assert list(found) == ["components", "vocabulary", "weight"]
    for name, array in snapshot.embedder.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_the_store_is_a_tree(store: Store, snapshot: Snapshot) -> None:
    tree: Tree = store
    assert tree.root() == snapshot.nodes[0]
    assert [node.id for node in tree.children(1)] == [2, 3, 4]
    assert [node.id for node in tree.children(3)] == [7, 8, 9]
    assert tree.children(7) == ()
    with pytest.raises(KeyError):
        tree.node(11)


def test_ancestors_lead_from_the_root_to_the_parent(store: Store) -> None:
    assert [node.id for node in store.ancestors(8)] == [1, 3]
    assert store.ancestors(1) == ()
    with pytest.raises(KeyError):
        store.ancestors(99)


def test_candidates_carry_what_a_judge_reads_in_the_order_asked(store: Store, snapshot: Snapshot) -> None:
    leaf, inner = store.candidates((6, 3))
    assert leaf == Candidate(6, snapshot.passages[1].text, is_leaf=True, title="Memory › Actors › Garbage")
    assert inner == Candidate(3, "about C++", is_leaf=False)
    assert [each.node for each in store.candidates(tuple(range(10, 0, -1)))] == list(range(10, 0, -1))
    assert store.candidates(()) == ()
    with pytest.raises(KeyError):
        store.candidates((1, 99))


def test_a_title_that_a_heading_repeats_stands_once(tmp_path: Path) -> None:
    files = {"c.md": [(("C", "", "Loops", "C"), "for while")]}
    with make_store(tmp_path / "c.lattice", make_snapshot(files)) as store:
        assert store.candidates((3,))[0].title == "C › Loops"


def test_leaves_stand_for_passages(store: Store, snapshot: Snapshot) -> None:
    assert store.leaf(4) == snapshot.nodes[7]
    assert list(store.leaves([5, 1])) == [5, 1]
    assert {passage: leaf.id for passage, leaf in store.leaves([5, 1]).items()} == {5: 9, 1: 5}
    with pytest.raises(KeyError):
        store.leaf(7)
    with pytest.raises(KeyError):
        store.passage(7)


def test_the_passages_of_a_document_stand_in_its_order(store: Store, snapshot: Snapshot) -> None:
    assert store.passages_of("languages/c++.md") == {
        3: snapshot.passages[2],
        4: snapshot.passages[3],
        5: snapshot.passages[4],
    }
    assert store.passages_of("languages") == {}


def test_every_passage_knows_the_number_of_its_document(store: Store) -> None:
    assert store.document_numbers() == [1, 1, 2, 2, 2, 3]
    assert store.documents_of([5, 1, 6]) == {5: 2, 1: 1, 6: 3}
    assert store.documents_of([]) == {}
    assert store.documents_of([7]) == {}


def test_spans_tell_the_number_and_the_passages_of_each_document(store: Store) -> None:
    assert store.spans() == {
        "actors/memory.md": (1, range(1, 3)),
        "languages/c++.md": (2, range(3, 6)),
        "日本/検索.md": (3, range(6, 7)),
    }


def test_more_ids_than_sqlite_takes_parameters(tmp_path: Path) -> None:
    count = 40_000
    nodes = [Node(1, None, "root", "all", count, 0)]
    nodes += [Node(number, 1, "cluster", "", 1, 1) for number in range(2, count)]
    wide = replace(make_snapshot({}), nodes=tuple(nodes))
    with make_store(tmp_path / "wide.lattice", wide) as store:
        assert len(store.candidates(tuple(range(1, count)))) == count - 1
        assert len(store.children(1)) == count - 2


def test_an_empty_folder_makes_a_valid_index(tmp_path: Path) -> None:
    with make_store(tmp_path / "empty.lattice", make_snapshot({})) as store:
        assert store.root().is_leaf is False
        assert store.children(1) == ()
        assert store.documents() == ()
        assert store.vectors()[1].shape == (0, DIMENSIONS)
        assert store.lexical("anything", 10) == []
        assert store.status().depth == 0


def reads_of(store: Store) -> list[Callable[[], object]]:
    """Give one read of every kind."""
    return [
        *(store.root, store.status, store.documents, store.vectors, store.embedder, lambda: store.node(1)),
        *(lambda: store.lexical("actor", 3), lambda: store.reading().__enter__()),
    ]


def test_a_store_stays_with_its_thread(tmp_path: Path) -> None:
    store = make_store(tmp_path / "notes.lattice")
    caught: list[Exception] = []

    def read() -> None:
        for use in (*reads_of(store), store.close):
            try:
                use()
            except Exception as error:
                caught.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert [type(error) for error in caught] == [IndexProblem] * 9
    assert all("opened in another thread. Open one object a thread" in str(error) for error in caught)
    assert store.root().id == 1
    store.close()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = make_store(tmp_path / "notes.lattice")
    assert store.node(1).id == 1
    store.close()
    store.close()
    for use in reads_of(store):
        with pytest.raises(IndexProblem, match=r"is closed\. Open it again"):
            use()


def test_any_thread_may_ask_whether_a_store_is_open(tmp_path: Path) -> None:
    store = make_store(tmp_path / "x.lattice")
    store.check_open()
    store.close()
    with ThreadPoolExecutor(1) as thread, pytest.raises(IndexProblem, match="closed"):
        thread.submit(store.check_open).result()


def test_a_closed_store_does_not_move_on_to_a_new_build(tmp_path: Path) -> None:
    store = make_store(tmp_path / "notes.lattice")
    store.close()
    write(store.path, make_snapshot(), BUILT_AT)
    with pytest.raises(IndexProblem, match="is closed"), store.reading():
        pytest.fail("it was opened again")


def test_a_store_may_be_closed_inside_a_reading_block(tmp_path: Path) -> None:
    store = make_store(tmp_path / "notes.lattice")

    def walk() -> Generator[Node, None, None]:
        with store.reading(), store.reading():
            yield from store.children(1)

    walking = walk()
    assert next(walking).id == 2
    store.close()
    walking.close()
    with pytest.raises(RuntimeError, match="mine"), make_store(store.path) as other, other.reading():
        other.close()
        raise RuntimeError("mine")


def test_reading_blocks_nest_and_give_the_same(store: Store) -> None:
    outside = store.children(1)
    with store.reading() as same, store.reading():
        assert same is store
        assert store.children(1) == outside
        assert store.children(1) is store.children(1)
    with pytest.raises(RuntimeError, match="mine"), store.reading():
        raise RuntimeError("mine")
    with store.reading():
        assert store.children(1) == outside


texts = st.text(max_size=60)


@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12).map(lambda name: f"{name}.md"),
        st.lists(st.tuples(st.lists(texts, max_size=2).map(tuple), texts), min_size=1, max_size=3),
        max_size=3,
    )
)
def test_any_text_comes_back_as_it_was(tmp_path: Path, files: dict[str, list[tuple[tuple[str, ...], str]]]) -> None:
    snapshot = make_snapshot(files)
    with make_store(tmp_path / "any.lattice", snapshot) as store:
        assert tuple(store.passages(range(1, len(snapshot.passages) + 1)).values()) == snapshot.passages
        assert set(store.documents()) == set(snapshot.documents)
        for passage in snapshot.passages:
            assert passage in store.passages_of(passage.document).values()
            store.lexical(passage.text, 5)


def test_names_that_are_no_unicode_survive(tmp_path: Path) -> None:
    odd = b"caf\xe9/\xff.md".decode("utf-8", "surrogateescape")
    files = {odd: [((odd,), f"an odd name: {odd}, a high half: \ud83d, a null: \0")]}
    snapshot = make_snapshot(files, root=f"/{odd}", skipped=(Skipped(odd, f"{odd} is binary"),))
    with make_store(tmp_path / "odd.lattice", snapshot) as store:
        assert store.documents() == snapshot.documents
        assert store.passage(1) == snapshot.passages[0]
        assert list(store.passages_of(odd)) == [1]
        assert store.skipped() == snapshot.skipped
        assert store.status().root == f"/{odd}"
        assert [passage for passage, _ in store.lexical("odd name", 3)] == [1]
