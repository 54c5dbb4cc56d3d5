from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from lattice.errors import UsageError
from lattice.filters import Admissions, admission, resolved, rules_of
from lattice.types import Document, Filters

TODAY = date(2026, 3, 31)
DAY = 86_400 * 10**9


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _document(path: str, changed: str = "2026-01-01T12:00:00") -> Document:
    moment = datetime.fromisoformat(changed).replace(tzinfo=UTC)
    return Document(path, path, (), "", 1, int(moment.timestamp()) * 10**9)


PATHS = (
    "README",
    "a.md",
    "b.markdown",
    "docs/a.md",
    "docs/old/c.md",
    "docs/paper.PDF",
    "src/tool.py",
    "src/docs/x.txt",
)
DOCUMENTS = tuple(map(_document, PATHS))


class Shelf:
    """Documents of two passages each, all on the root; counts how often they are asked for."""

    def __init__(self, documents: tuple[Document, ...] = DOCUMENTS) -> None:
        self._documents, self.asked = documents, 0

    def documents(self) -> tuple[Document, ...]:
        self.asked += 1
        return self._documents

    def spans(self) -> dict[str, tuple[int, range]]:
        return {one.path: (i + 1, range(2 * i + 1, 2 * i + 3)) for i, one in enumerate(self._documents)}

    def outline(self) -> list[tuple[int, int | None, int | None]]:
        leaves = range(1, 2 * len(self._documents) + 1)
        return [(1, None, None), *((passage + 1, 1, passage) for passage in leaves)]


def _left(filters: Filters, documents: tuple[Document, ...] = DOCUMENTS) -> list[str]:
    rules = rules_of(resolved(filters, TODAY))
    return [one.path for one in documents if all(rule.admits(one) for rule in rules)]


@pytest.mark.parametrize(
    ("glob", "left"),
    [
        ("*.md", ["a.md", "docs/a.md", "docs/old/c.md"]),
        ("/*.md", ["a.md"]),
        ("docs/", ["docs/a.md", "docs/old/c.md", "docs/paper.PDF", "src/docs/x.txt"]),
        ("/docs", ["docs/a.md", "docs/old/c.md", "docs/paper.PDF"]),
        ("./docs/*", ["docs/a.md", "docs/old/c.md", "docs/paper.PDF"]),
        ("docs/*.md", ["docs/a.md"]),
        ("docs/**/*.md", ["docs/a.md", "docs/old/c.md"]),
        ("**/c.md", ["docs/old/c.md"]),
        ("[ab].m*", ["a.md", "b.markdown", "docs/a.md"]),
        ("none", []),
    ],
)
def test_globs_are_those_of_gitignore(glob: str, left: list[str]) -> None:
    assert _left(Filters(paths=(glob,))) == left
    assert _left(Filters(exclude=(glob,))) == [path for path in PATHS if path not in left]


def test_any_path_admits_and_any_exclusion_leaves_out() -> None:
    assert _left(Filters(paths=("/a.md", "src/"), exclude=("*.py",))) == ["a.md", "src/docs/x.txt"]
    assert _left(Filters(paths=("docs/",), exclude=("old/", "src/"))) == ["docs/a.md", "docs/paper.PDF"]


@pytest.mark.parametrize(
    ("types", "left"),
    [
        (("md",), ["a.md", "docs/a.md", "docs/old/c.md"]),
        (("markdown",), ["a.md", "b.markdown", "docs/a.md", "docs/old/c.md"]),
        ((".MD", "pdf"), ["a.md", "docs/a.md", "docs/old/c.md", "docs/paper.PDF"]),
        (("code",), ["src/tool.py"]),
        (("text",), ["README", "src/docs/x.txt"]),
        (("xyz",), []),
    ],
)
def test_types_are_suffixes_or_families(types: tuple[str, ...], left: list[str]) -> None:
    assert _left(Filters(types=types)) == left


@pytest.mark.parametrize(
    ("since", "earliest"),
    [
        ("2026-03-01", "2026-03-01T00:00:00"),
        ("2026-03-01T06:30", "2026-03-01T06:30:00"),
        ("2026-03-01T06:30:00+02:00", "2026-03-01T04:30:00"),
        (date(2026, 3, 1), "2026-03-01T00:00:00"),
        (datetime(2026, 3, 1, 6, 30), "2026-03-01T06:30:00"),
        ("30d", "2026-03-01T00:00:00"),
        ("0d", "2026-03-31T00:00:00"),
        (" 2W ", "2026-03-17T00:00:00"),
        ("1m", "2026-02-28T00:00:00"),  # there is no 31 February
        ("4m", "2025-11-30T00:00:00"),
        ("15m", "2024-12-31T00:00:00"),
        ("1y", "2025-03-31T00:00:00"),
    ],
)
def test_since_is_a_date_a_time_or_an_age(since: date | str, earliest: str) -> None:
    at = _document("at", earliest)
    before = replace(at, path="before", modified_ns=at.modified_ns - 1)
    after = replace(at, path="after", modified_ns=at.modified_ns + DAY)
    assert _left(Filters(since=since), (before, at, after)) == ["at", "after"]


def test_a_day_begins_where_the_reader_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    document = _document("a", "2026-02-28T15:00:00")  # midnight in Tokyo
    assert _left(Filters(since="2026-03-01"), (document,)) == ["a"]
    assert os.environ["TZ"] == "Asia/Tokyo"


def test_excluded_ids_are_names_and_no_globs() -> None:
    assert _left(Filters(excluded_ids=frozenset({"a.md", "*.py", "no such"}))) == [p for p in PATHS if p != "a.md"]


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        (Filters(paths=("!a",)), "--exclude 'a'"),
        (Filters(exclude=("!a",)), "--path 'a'"),
        (Filters(paths=("#a",)), r"Write \\#"),
        (Filters(paths=("",)), "no glob"),
        (Filters(paths=("[z-a]",)), "as in .gitignore"),
        (Filters(exclude=("ok", "/")), "--exclude '/' is no glob"),
        (Filters(types=("",)), "one of markdown, text, rst"),
        (Filters(types=("*.md",)), "no type of file"),
        (Filters(since="yesterday"), "ages like 30d"),
        (Filters(since="2026-13-01"), "like 2026-03-01"),
        (Filters(since="3000y"), "no date"),
        (Filters(since="999999w"), "no date"),
        (Filters(paths="*.md"), r"give a tuple of them: \('\*.md',\)"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_cure(filters: Filters, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        _left(filters)


def test_lists_are_taken_like_tuples() -> None:
    assert _left(Filters(paths=["/a.md"], excluded_ids={"x"})) == ["a.md"]  # type: ignore[arg-type]
    assert hash(resolved(Filters(types=["md"]), TODAY))  # type: ignore[arg-type]


def test_an_admission_marks_passages_and_counts_leaves() -> None:
    found = admission(Shelf(DOCUMENTS[:3]), rules_of(resolved(Filters(paths=("/a.md",)), TODAY)))
    assert found.passages == bytes([0, 0, 1, 1, 0, 0])
    assert found.leaves == [0, 2, 0, 0, 1, 1, 0, 0]
    assert found.nothing is None


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        (Filters(paths=("x", "y")), "--path 'x' --path 'y' admits none of the 8 documents. Globs are relative"),
        (Filters(types=("md", "epub")), None),
        (Filters(types=("epub",)), "--type epub admits none"),
        (Filters(paths=("docs/",), since="2026-02-01"), "--since 2026-02-01 admits none"),
        (Filters(exclude=("*",)), "--exclude '*' admits none"),
        (Filters(excluded_ids=frozenset(PATHS)), "excluded_ids admits none"),
        (Filters(paths=("docs/",), types=("py",)), "each alone admits: --path 'docs/' 4, --type py 1. Leave one out."),
    ],
)
def test_where_nothing_is_left_the_filter_is_named(filters: Filters, told: str | None) -> None:
    nothing = admission(Shelf(), rules_of(resolved(filters, TODAY))).nothing
    if told is None:
        assert nothing is None
    else:
        assert nothing is not None
        assert told in nothing


def test_documents_without_text_are_told_from_those_that_a_filter_leaves_out() -> None:
    class Bare(Shelf):
        def spans(self) -> dict[str, tuple[int, range]]:
            return {}

        def outline(self) -> list[tuple[int, int | None, int | None]]:
            return [(1, None, None)]

    nothing = admission(Bare(DOCUMENTS[:1]), rules_of(resolved(Filters(types=("text",)), TODAY))).nothing
    assert nothing is not None
    assert "--type text admits of the only document holds no text" in nothing


def test_an_empty_index_is_no_fault_of_the_filters() -> None:
    assert admission(Shelf(()), rules_of(resolved(Filters(paths=("x",)), TODAY))).nothing is None


def test_what_was_admitted_is_kept_for_the_same_filters_and_build() -> None:
    kept, shelf = Admissions(), Shelf()
    first = kept.of(Filters(types=("md",)), shelf, "build 1")
    assert kept.of(Filters(types=(".MD",)), shelf, "build 1") is first
    assert shelf.asked == 1
    assert kept.of(Filters(types=("md",)), shelf, "build 2") is not first
    for number in range(10):
        kept.of(Filters(paths=(f"{number}*", "a.md")), shelf, "build 2")
    assert shelf.asked == 12
    kept.of(Filters(paths=("9*", "a.md")), shelf, "build 2")
    assert shelf.asked == 12
    kept.of(Filters(types=("md",)), shelf, "build 2")
    assert shelf.asked == 13  # the oldest made room
