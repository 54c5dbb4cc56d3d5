"""Which documents a search may find: by globs, types of files, times of change, names; and what is then left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol

from lattice.errors import UsageError
from lattice.traversal.admitted import Admission, count_leaves
from lattice.types import Document, Filters

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

# A person goes on trying filters for a while, and comes back to the last ones.
_KEPT = 8
_AGE = re.compile(r"(\d{1,6})\s*([dwmy])")
_DATES = "Dates are written like 2026-03-01, ages like 30d, 2w, 6m or 1y."
_NO_TYPE = re.compile(r"[\s*?/\[\]]")


@dataclass(frozen=True, slots=True)
class Rule:
    """One filter: as a person may have written it, and whether it admits a document."""

    name: str
    admits: Callable[[Document], bool]


class Catalogue(Protocol):
    """What is asked of an index: `store.Store` answers it."""

    def documents(self) -> tuple[Document, ...]:
        """Give every document, by path."""
        ...

    def spans(self) -> dict[str, tuple[int, range]]:
        """Give each document's number and the ids of its passages, by path."""
        ...

    def outline(self) -> list[tuple[int, int | None, int | None]]:
        """Give (id, parent, passage) of every node, parents first."""
        ...


class Admissions:
    """What filters admit of an index; the last few answers are kept until another build is asked about."""

    def __init__(self) -> None:
        self._build: str | None = None
        self._kept: dict[Filters, Admission] = {}

    def of(self, filters: Filters, catalogue: Catalogue, build: str) -> Admission:
        """Give what `filters` admit of the `build` in `catalogue`; UsageError where they cannot be understood."""
        key = resolved(filters, date.today())
        if build != self._build:
            self._build, self._kept = build, {}
        if key not in self._kept:
            if len(self._kept) == _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = admission(catalogue, rules_of(key))
        return self._kept[key]


def admission(catalogue: Catalogue, rules: Sequence[Rule]) -> Admission:
    """Apply the rules to every document once, and count what is left below every node."""
    documents, spans = catalogue.documents(), catalogue.spans()
    left = [one.path for one in documents if all(rule.admits(one) for rule in rules)]
    passages = bytearray(sum(len(ids) for _, ids in spans.values()))
    whole = bytearray(max((number for number, _ in spans.values()), default=0))
    for number, ids in (spans[path] for path in left if path in spans):
        whole[number - 1] = 1
        for passage in ids:
            passages[passage - 1] = 1
    nothing = None if any(passages) or not documents else _nothing_left(documents, rules)
    return Admission(bytes(passages), bytes(whole), count_leaves(catalogue.outline(), passages), nothing)


def resolved(filters: Filters, today: date) -> Filters:
    """Give the same filters in one form, the age in `since` as the time it means on the day `today`. UsageError."""
    for name in ("paths", "types", "exclude", "excluded_ids"):
        if isinstance(getattr(filters, name), str):
            raise UsageError(f"Filters.{name} is one string; give a tuple of them: ({getattr(filters, name)!r},).")
    return Filters(
        paths=tuple(filters.paths),
        types=tuple(one.lower().removeprefix(".") for one in filters.types),
        since=None if filters.since is None else _time_of(filters.since, today),
        exclude=tuple(filters.exclude),
        excluded_ids=frozenset(filters.excluded_ids),
    )


def rules_of(filters: Filters) -> tuple[Rule, ...]:
    """Compile resolved filters; UsageError where one cannot be understood."""
    rules = []
    if filters.paths:
        wanted = _globs(filters.paths, "--path")
        rules.append(Rule(_written("--path", filters.paths), lambda one: wanted.match_file(one.path)))
    if filters.types:
        rules.append(Rule(f"--type {','.join(filters.types)}", _type_rule(filters.types)))
    if filters.since is not None:
        assert isinstance(filters.since, datetime)
        earliest = _nanoseconds(filters.since)
        rules.append(Rule(f"--since {filters.since:%Y-%m-%d}", lambda one: one.modified_ns >= earliest))
    if filters.exclude:
        unwanted = _globs(filters.exclude, "--exclude")
        rules.append(Rule(_written("--exclude", filters.exclude), lambda one: not unwanted.match_file(one.path)))
    if filters.excluded_ids:
        rules.append(Rule("excluded_ids", lambda one: one.path not in filters.excluded_ids))
    return tuple(rules)


def _written(option: str, globs: Iterable[str]) -> str:
    return " ".join(f"{option} {glob!r}" for glob in globs)


def _nothing_left(documents: Sequence[Document], rules: Sequence[Rule]) -> str:
    """Say which filter admits nothing, or that only all of them together do."""
    counts = [sum(map(rule.admits, documents)) for rule in rules]
    total = f"the {len(documents):,} documents" if len(documents) > 1 else "the only document"
    for rule, count in zip(rules, counts, strict=True):
        if not count:
            hint = " Globs are relative to the indexed folder." if rule.name.startswith("--path") else ""
            return f"The filters leave nothing: {rule.name} admits none of {total}.{hint} `lattice tree` shows them."
    if len(rules) == 1:
        return f"The filters leave nothing: what {rules[0].name} admits of {total} holds no text."
    each = ", ".join(f"{rule.name} {count:,}" for rule, count in zip(rules, counts, strict=True))
    return f"The filters leave nothing together; of {total} each alone admits: {each}. Leave one out."


# Globs


def _globs(globs: Sequence[str], option: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines([])
    for glob in globs:
        spec += _glob(glob, option)
    return spec


def _glob(glob: str, option: str) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    shown = f"{option} {glob!r}"
    if glob.startswith("!"):
        other = "--exclude" if option == "--path" else "--path"
        raise UsageError(f"{shown} begins with !. Say {other} {glob[1:]!r} for the opposite, or \\! for a file's name.")
    if glob.startswith("#"):
        raise UsageError(f"{shown} is a comment in an ignore file. Write \\# where a name begins with it.")
    try:
        spec = GitIgnoreSpec.from_lines([glob.removeprefix("./")])
    except (ValueError, re.error) as error:
        raise UsageError(f"{shown} is no glob ({error}). Globs are written as in .gitignore: notes/, *.md.") from None
    if not any(pattern.include for pattern in spec.patterns):
        raise UsageError(f"{shown} is no glob and matches nothing. Globs are written as in .gitignore: notes/, *.md.")
    return spec


# Types


def _type_rule(types: Sequence[str]) -> Callable[[Document], bool]:
    from lattice.corpus.readers import FAMILIES, family_of

    for name in types:
        if not name or _NO_TYPE.search(name):
            raise UsageError(
                f"--type {name!r} is no type of file. Types are suffixes such as md, or one of {', '.join(FAMILIES)}."
            )
    suffixes = tuple(f".{name}" for name in types)
    families = frozenset(types) & frozenset(FAMILIES)
    return lambda one: one.path.lower().endswith(suffixes) or (bool(families) and family_of(one.path) in families)


# Times


def _time_of(since: date | str, today: date) -> datetime:
    try:
        found = _parsed(since.strip(), today) if isinstance(since, str) else since
        if not isinstance(found, datetime):
            found = datetime.combine(found, time.min)
        return found.astimezone()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"--since {str(since)!r} is no date. {_DATES}") from None


def _parsed(written: str, today: date) -> date:
    age = _AGE.fullmatch(written.lower())
    if age is None:
        try:
            return date.fromisoformat(written)
        except ValueError:
            return datetime.fromisoformat(written)
    count, unit = int(age[1]), age[2]
    if unit in "dw":
        return today - timedelta(days=count * (7 if unit == "w" else 1))
    months = today.year * 12 + today.month - 1 - count * (12 if unit == "y" else 1)
    return _day_in(months // 12, months % 12 + 1, today.day)


def _day_in(year: int, month: int, day: int) -> date:
    """Give the day, or the month's last where it has no such day."""
    for shorter in range(3):
        try:
            return date(year, month, day - shorter)
        except ValueError:
            if day - shorter <= 28:
                raise
    return date(year, month, 28)


def _nanoseconds(moment: datetime) -> int:
    # By way of whole seconds: a float has no room for nanoseconds.
    return int(moment.replace(microsecond=0).timestamp()) * 10**9 + moment.microsecond * 1000
