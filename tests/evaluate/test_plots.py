from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lattice.errors import MissingExtra, UsageError
from lattice.evaluate.plots import curve_panels, curves, line_panels, wins

LINES = {"lattice": [(0.0, 0.4), (500.0, 0.5), (1000.0, 0.55)], "another": [(0.0, 0.4), (1000.0, 0.5)]}
FLAT = {"bm25": 0.41, "prior": 0.4}


def test_a_curve_names_every_method_and_is_the_same_twice(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        curves(tmp_path / name, "scifact", LINES, FLAT, "nDCG@10")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    for word in (*LINES, *FLAT, "scifact", "nDCG@10", "tokens evaluated a query"):
        assert f">{word}<" in text


@pytest.mark.parametrize("count", [1, 3, 5])
def test_panels_name_every_collection_and_each_method_once(tmp_path: Path, count: int) -> None:
    panels = {f"collection {i}": (LINES, FLAT) for i in range(count)}
    curve_panels(tmp_path / "p.svg", panels, "nDCG@10")
    text = (tmp_path / "p.svg").read_text()
    assert all(f">{name}<" in text for name in panels)
    assert text.count(">lattice<") == 1


def test_points_are_joined_in_panels_with_one_legend(tmp_path: Path) -> None:
    panels = {
        title: {"ours": [(1000.0, 9.0), (10000.0, 13.0)], "paper": [(1000.0, 13.0), (10000.0, 49.0)]}
        for title in ("weak", "strong")
    }
    line_panels(tmp_path / "l.svg", panels, ("leaves", "slates"))
    text = (tmp_path / "l.svg").read_text()
    assert all(f">{name}<" in text for name in ("weak", "strong", "leaves", "slates", "1,000", "10,000"))
    assert text.count(">ours<") == text.count(">paper<") == 1


def test_wins_are_counted_in_the_title(tmp_path: Path) -> None:
    wins(tmp_path / "w.svg", "scifact", {"a": 0.5, "b": 0.0, "c": -0.1, "d": 0.2}, ("lattice", "bm25"))
    text = (tmp_path / "w.svg").read_text()
    assert "scifact: 2 better, 1 the same, 1 worse" in text
    assert "lattice − bm25" in text


def test_a_picture_may_be_a_png(tmp_path: Path) -> None:
    wins(tmp_path / "w.png", "scifact", {"a": 0.5}, ("lattice", "bm25"))
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        wins(tmp_path / "w.txt", "scifact", {"a": 0.5}, ("lattice", "bm25"))


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"lattice-search\[eval\]"):
        wins(tmp_path / "w.svg", "scifact", {"a": 0.5}, ("lattice", "bm25"))
