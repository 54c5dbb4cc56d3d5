"""The benchmark of scents: its measures by hand, its slates, its ways, and a run whose reader knows nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lattice.evaluate.collection import Collection
from lattice.evaluate.collection import load as load_collection
from lattice.evaluate.indexes import index_of
from lattice.evaluate.recorded import RecordedReader, RecordedReading, RecordedWords
from lattice.index_builder.index_terms import MOST_INDEX_TERMS
from lattice.lattice import Lattice
from lattice.models.prompts import BARE, Frame
from lattice.types import Candidate, Node, Usage
from tests.conftest import Load
from tests.evaluate.collections import TOPICS, write_collection


@dataclass
class Reader:
    """A token a word, the first word of a text surprising, and words that are expected whatever is asked."""

    lifts: Mapping[str, float] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)

    def continuation_logprobs(
        self,
        texts: Sequence[str],
        continuation: str,
        *,
        frame: Frame = BARE,
        keep: bool = True,
        seconds: float | None = None,
    ) -> RecordedReading:
        rows = [[-1.0 - 4.0 * (i == 0 and not text) for i, _ in enumerate(continuation.split())] for text in texts]
        return RecordedReading(np.array(rows, dtype=np.float32), Usage(evaluated=100, calls=1))

    def cost(self, text: str, continuation: str, frame: Frame = BARE) -> int:
        return 10 + len(text.split()) + len(continuation.split())

    def expected_words(self, text: str, frame: Frame, most: int, *, seconds: float | None = None) -> RecordedWords:
        self.frames.append(frame)
        return RecordedWords(dict(list(self.lifts.items())[:most]), Usage(evaluated=100, calls=1))

    def expected_cost(self, text: str, frame: Frame) -> int:
        return 20


@pytest.fixture(name="scents", scope="module")
def fixture_scents(load: Load) -> ModuleType:
    return load("scents")


@pytest.fixture(name="collection", scope="module")
def fixture_collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    words = ("apple", "river", "stone")
    fillers = {f"filler{i}": f"{word} " * 8 + f"item {i}" for i, word in enumerate(words * 60)}
    return load_collection(write_collection(tmp_path_factory.mktemp("scents") / "tiny", {**TOPICS, **fillers}))


def case(scents: ModuleType, query: str, relevant: str, text: str = "bees", first: int = 1) -> object:
    """Give a case whose nodes are relevant where there is a 1; the index terms of node i are "bee" and "ti"."""
    nodes = tuple(Candidate(first + i, "no matter", is_leaf=False) for i, _ in enumerate(relevant))
    terms = {one.node: ("bee", f"t{i}") for i, one in enumerate(nodes)}
    return scents.Case(query, text, nodes, np.array([one == "1" for one in relevant]), terms)


def test_the_measures_of_a_slate_by_hand(scents: ModuleType) -> None:
    relevant = np.array([True, False, False, True, False])
    assert scents.area(relevant, np.array([3.0, 2.0, 1.0, 0.0, 0.0])) == pytest.approx((3 + 0.5) / 6)
    assert scents.place(relevant, np.array([3.0, 2.0, 1.0, 0.0, 0.0])) == 1.0
    # Of the three that share the first place two are relevant: the first of those stands at 1 (twice of three) or 2.
    assert scents.place(relevant, np.array([1.0, 1.0, 0.0, 1.0, 0.0])) == pytest.approx((2 * 1 + 1 * 2) / 3)
    assert scents.place(relevant, np.array([1.0, 2.0, 0.0, 0.0, 1.0])) == pytest.approx(1 + (1 + 2) / 2)


def test_a_query_is_measured_within_all_its_slates_and_slates_are_by_themselves(scents: ModuleType) -> None:
    cases = [case(scents, "q", "10"), case(scents, "q", "01"), case(scents, "r", "10")]
    scores = [np.array([5.0, 4.0]), np.array([0.0, 1.0]), np.array([0.0, 1.0])]
    found = scents.figures(cases, scents.Judged(scores, once=50, nodes=30))
    assert (found["area"], found["mrr"]) == (pytest.approx(2 / 3, abs=1e-4), pytest.approx(2.5 / 3, abs=1e-4))
    assert found["within"] == {"q": 3 / 4, "r": 0.0}
    assert (found["once"], found["a node"]) == (25.0, 5.0)


def test_queries_are_those_that_other_benchmarks_leave_where_there_are_enough(scents: ModuleType) -> None:
    texts = {f"q{i}": str(i) for i in range(60)}
    collection = Collection("many", (), texts, {query: {} for query in texts}, {})
    taken = set(collection.sample(50, 1).queries)
    assert set(scents.drawn(collection, 10, 77).queries) == set(texts) - taken
    assert set(scents.drawn(collection, 11, 77).queries) & taken
    assert list(scents.drawn(collection, 5, 77).queries) != list(scents.drawn(collection, 5, 78).queries)


def test_slates_hold_both_kinds_and_more_terms_than_the_index_keeps(
    scents: ModuleType, collection: Collection, tmp_path: Path
) -> None:
    with Lattice.open(index_of(collection, tmp_path), model=None) as lattice, lattice.store.reading():
        store = lattice.store
        cases = scents.cases_of(store, collection)
        assert cases
        for one in cases:
            above = {node.id for name in collection.qrels[one.query] for node in _above(lattice, name)}
            assert [node.node in above for node in one.nodes] == one.relevant.tolist()
            assert 0 < one.relevant.sum() < len(one.nodes)
            for node in one.nodes:
                assert frozenset(one.terms[node.node][:MOST_INDEX_TERMS]) == node.index_terms


def _above(lattice: Lattice, document: str) -> list[Node]:
    (leaf,) = lattice.store.leaves(lattice.store.passages_of(document)).values()
    return list(lattice.store.ancestors(leaf.id))


def test_ways_are_parts_of_the_scent(scents: ModuleType, tmp_path: Path) -> None:
    reader = Reader({"t1": 3.0, "t0": 1.0})
    one = case(scents, "q", "01")

    def rare(wanted: Iterable[str]) -> dict[str, float]:
        return dict.fromkeys(wanted, 2.0)

    def scores(**way: object) -> list[float]:
        with RecordedReader(tmp_path / "r.jsonl", "m", lambda: reader) as recorded:
            judged = scents.smelt(scents.Way(**way), recorded, rare, [one, one])
        assert judged.scores[0].tolist() == judged.scores[1].tolist()
        assert judged.once == (0 if way.get("frame", reader) is None else 20)
        return [round(score, 4) for score in judged.scores[0].tolist()]

    assert scores() == [1.01, 1.03]
    assert scores(frame=None) == [1.0, 1.0]
    assert scores(weights="") == [0.01, 0.03]
    assert scores(terms=1) == [1.0, 1.0]
    assert scores(most=1) == [1.0, 1.03]
    other = Frame(after=(scents.Part("?"),))
    assert scores(frame=other) == [1.01, 1.03]
    assert reader.frames[-1] == other


def test_words_are_as_surprising_as_their_tokens_are_where_they_stand(scents: ModuleType, tmp_path: Path) -> None:
    with RecordedReader(tmp_path / "r.jsonl", "m", Reader) as recorded:
        assert scents.surprises_of(recorded, "Bees keep bees") == {"bee": 5.0, "keep": 1.0}
        weights = scents.surprising(
            recorded, lambda wanted: dict.fromkeys(set(wanted) - {"keep"}, 9.0), "Bees keep bees"
        )
    assert weights(["bee", "keep", "hive"]) == {"bee": 5.0, "hive": 0.0}


def test_a_description_is_read_by_its_terms(scents: ModuleType, tmp_path: Path) -> None:
    nodes = (Candidate(1, "Bees — terms: wax, comb", is_leaf=False), Candidate(2, "Stars", is_leaf=False))
    one = scents.Case("q", "why bees", nodes, np.array([True, False]), {})
    asked: list[str] = []

    class Listening(Reader):
        def cost(self, text: str, continuation: str, frame: Frame = BARE) -> int:
            asked.append(text)
            return super().cost(text, continuation, frame)

    with RecordedReader(tmp_path / "r.jsonl", "m", Listening) as recorded:
        judged = scents.read(recorded, [one])
    assert asked == ["", "wax, comb", "Stars"]
    # Both make the first word likelier by 4 nats and the second by none; the weights are √5 and √1.
    assert judged.scores[0].tolist() == pytest.approx([4 * 5**0.5 / (5**0.5 + 1)] * 2)
    assert (judged.once, judged.nodes) == (10 + 0 + 2, (10 + 2 + 2) + (10 + 1 + 2))


def test_a_collection_is_measured_and_shown(
    scents: ModuleType, collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scents, "WORK", tmp_path)
    with RecordedReader(tmp_path / "r.jsonl", "m", lambda: Reader({"star": 2.0})) as recorded:
        found = {"tiny": scents.measured(collection, recorded)}
        partly = {"tiny": scents.measured(collection, recorded, 1)}
    shown = list(scents.rows(found))
    assert [row[0] for row in shown] == [scents.READING, *scents.WAYS]
    assert {len(row) for row in shown} == {len(scents.head(found))}
    assert scents.against_default(found, scents.DEFAULT).difference == 0.0
    # Words tell where stars and ships are; that a text says one of two words, as the reader does, tells nothing.
    ways = found["tiny"]["ways"]
    assert ways[scents.DEFAULT]["area"] > ways[scents.READING]["area"] == 0.5
    assert [row[0] for row in scents.rows(partly)] == [f"{scents.READING} (1 of 3 queries)", *scents.WAYS]
    (query,) = partly["tiny"]["ways"][scents.READING]["within"]
    only = ways[scents.READING]["within"][query] - ways[scents.DEFAULT]["within"][query]
    assert scents.against_default(partly, scents.READING).difference == pytest.approx(only)
    del ways[scents.READING]
    assert [row[0] for row in scents.rows(found)] == list(scents.WAYS)
