from __future__ import annotations

from lattice.cli.misses import lost_lines
from lattice.evaluate.losses import Lost, Weighed


def _describe(node: int) -> str:
    return f"node {node}"


def test_a_document_that_was_read_is_shown_beside_what_was_preferred() -> None:
    lost = Lost(
        *("q", "d5", 1, 0.37, "judge", 2, 1, 5, 0.1, 0.2, 0.3),
        slate=1,
        place=2,
        slate_size=8,
        preferred=(Weighed(4, 0.9, 0.8, 0.7),),
        above=(Weighed(6, 0.5, 0.5, 0.5),),
    )
    assert lost_lines(lost, _describe) == [
        "d5 (grade 1): 0.37 lost to: judge; rank 2, the prior had it at 1",
        "  read in slate 1 (seeds), place 2 of 8",
        "                raw latent  final",
        "    dropped    0.10   0.20   0.30  node 5",
        "    preferred  0.90   0.80   0.70  node 4",
    ]


def test_a_document_that_nobody_read_is_shown_beside_what_stands_above_it() -> None:
    lost = Lost(
        *("q", "d9", 2, 1.0, "budget", 12, 12, 9, None, 0.5, 0.4),
        above=(Weighed(4, 0.9, 0.8, 0.7),),
        read_documents=1,
        stopped="budget",
    )
    lines = lost_lines(lost, _describe)
    assert lines[1] == "  never read; the search ended (budget) after 1 document"
    assert lines[3] == "    dropped      –    0.50   0.40  node 9"
    assert lines[4].startswith("    above it ")


def test_what_was_never_heard_of_is_one_line() -> None:
    lost = Lost("q", "gone", 1, 0.63, "corpus")
    assert lost_lines(lost, _describe) == ["gone (grade 1): 0.63 lost to: corpus; not ranked, not found by the prior"]


def test_a_document_in_its_place_is_one_line() -> None:
    lost = Lost("q", "d1", 1, 0.0, "found", 1, 1, 4, 0.9, 0.9, 0.9)
    assert lost_lines(lost, _describe) == ["d1 (grade 1): nothing lost; rank 1, the prior had it at 1"]
