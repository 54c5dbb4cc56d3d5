"""The docs tell the truth: links lead somewhere, tables are those of the committed records, names exist."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
_DEFAULTS = {"BuildSettings": "lattice.types", "SearchSettings": "lattice.traversal.search"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_nothing_is_left_to_fill_in(page: Path) -> None:
    text = page.read_text()
    for target in _LINK.findall(text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    assert "@@" not in text
    assert "TODO" not in text


def test_the_tables_are_those_of_the_committed_records() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/report.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_method_page_names_what_is_in_the_code() -> None:
    page = (ROOT / "docs" / "method.md").read_text()
    for owner, name in re.findall(r"`(BuildSettings|SearchSettings)\.(\w+)`", page):
        cls = getattr(importlib.import_module(_DEFAULTS[owner]), owner)
        assert name in cls.__dataclass_fields__, f"{owner} has no {name}"
    for path in re.findall(r"`((?:traversal|types|models)[\w/]*\.py)`", page):
        assert (ROOT / "lattice" / path).exists()


@pytest.mark.parametrize(
    ("line", "owner", "name"),
    [
        (r"M, children a node.*\| (\d+) \|", "BuildSettings", "branching"),
        (r"\| α \|.*\| ([\d.]+) \|", "SearchSettings", "alpha"),
        (r"\| B, beam \|.*\| (\d+):", "SearchSettings", "beam"),
        (r"\| ℓ, anchors \|.*\| (\d+),", "SearchSettings", "anchors"),
        (r"\*\*Budget\.\*\* ([\d,]+) tokens", "SearchSettings", "budget_tokens"),
    ],
)
def test_the_method_page_states_the_defaults_of_the_code(line: str, owner: str, name: str) -> None:
    found = re.search(line, (ROOT / "docs" / "method.md").read_text())
    assert found, f"the page no longer states {name}"
    cls = getattr(importlib.import_module(_DEFAULTS[owner]), owner)
    assert float(found[1].replace(",", "")) == getattr(cls(), name)


def test_the_architecture_page_has_a_heading_for_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    headings = " ".join(line for line in page.splitlines() if line.startswith("## "))
    package = ROOT / "lattice"
    rooms = [path.name + "/" for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"]
    for room in [*rooms, "tokens.py", "types.py", "errors.py", "filters.py", "lattice.py", "indexing.py"]:
        assert f"`{room}`" in headings, f"no heading names {room}"
