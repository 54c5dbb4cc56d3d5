from __future__ import annotations

import numpy as np

from lattice.index_builder.phrases import Counted, beginnings_of, counted
from tests.index_builder.corpora import passage

TEXTS = (
    "Barn owls hunt. The barn owl rests.",
    "A barn owl, and voles.",
    "Voles of Orkney dig; see https://voles.example/owl or {{barn owl}}.",
)
BEGINNINGS = beginnings_of([passage(f"{i}", title="", text=text) for i, text in enumerate(TEXTS)])


def found(*groups: list[int]) -> tuple[Counted, dict[str, list[int]]]:
    """Give what was counted, and the counts a group of each phrase by the way it is written."""
    every = counted(BEGINNINGS, groups)
    return every, {every.surface(i, BEGINNINGS): row for i, row in enumerate(every.counts.tolist())}


def test_a_phrase_is_counted_once_a_passage_whatever_its_endings() -> None:
    _, counts = found([0, 1], [2])
    assert (counts["barn owl"], counts["voles"]) == ([2, 0], [1, 1])


def test_phrases_end_at_punctuation_and_at_function_words_but_may_hold_of() -> None:
    _, counts = found([0, 1, 2])
    written = set(map(str.lower, counts))
    assert {"barn owls hunt", "voles of orkney", "barn owl rests"} <= written
    assert not {name for name in written if "hunt barn" in name or "owl voles" in name or name in {"of", "the"}}


def test_addresses_and_places_to_fill_in_are_not_read() -> None:
    _, counts = found([2])
    assert not {name for name in map(str.lower, counts) if "owl" in name or "barn" in name or "http" in name}


def test_what_a_group_holds_of_each_phrase_is_told_passage_by_passage() -> None:
    every, counts = found([2, 0], [1])
    names = list(counts)
    asked = np.array([names.index("voles"), names.index("barn owl")])
    assert every.held(asked, 0).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert every.held(asked, 1).tolist() == [[1.0], [1.0]]


def test_shares_are_of_all_passages_and_nothing_has_no_phrases() -> None:
    owl = BEGINNINGS.words[BEGINNINGS.written.index("owl")]
    assert BEGINNINGS.shares[owl] == 2 / 3
    nothing = counted(beginnings_of([]), [[]])
    assert (len(nothing.phrases), nothing.held(np.array([], dtype=np.int64), 0).shape) == (0, (0, 0))
