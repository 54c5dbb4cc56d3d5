from __future__ import annotations

from pathlib import Path

import ir_measures
import pytest

from lattice.evaluate.runs import read_run, write_run

RUN = {"q1": ["notes/a file.md", "100%.md", "b"], "q 2": ["b"]}


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write_run(tmp_path / "r.trec", RUN, "lattice")
    assert read_run(tmp_path / "r.trec") == RUN


def test_the_lines_are_those_of_the_format(tmp_path: Path) -> None:
    write_run(tmp_path / "r.trec", RUN, "lattice")
    lines = (tmp_path / "r.trec").read_text().splitlines()
    assert lines[0] == "q1 Q0 notes/a%20file.md 1 3 lattice"
    assert lines[1] == "q1 Q0 100%25.md 2 2 lattice"
    assert lines[3] == "q%202 Q0 b 1 1 lattice"
    assert list(tmp_path.iterdir()) == [tmp_path / "r.trec"]


def test_tools_of_the_field_read_the_same_order(tmp_path: Path) -> None:
    write_run(tmp_path / "r.trec", {"q": ["x", "a", "b"]}, "t")
    read = list(ir_measures.read_trec_run(str(tmp_path / "r.trec")))
    assert [one.doc_id for one in sorted(read, key=lambda one: -one.score)] == ["x", "a", "b"]
    measure = ir_measures.parse_measure("RR@10")
    assert ir_measures.calc_aggregate([measure], {"q": {"a": 1}}, read)[measure] == 0.5


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.trec").write_text("q Q0 a 1 2 t\nq Q0 b 2\n")
    with pytest.raises(ValueError, match="line 2"):
        read_run(tmp_path / "r.trec")
