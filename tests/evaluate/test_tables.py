from __future__ import annotations

from lattice.evaluate.tables import Table, markdown


def test_a_bar_in_a_cell_does_not_part_it() -> None:
    assert markdown(Table(("what", "value"), (("P(query | text)", ".5"),))) == [
        "| what | value |",
        "| --- | --: |",
        r"| P(query \| text) | .5 |",
    ]
