"""From the headings of a text to its sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lattice.types import Location, Section


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: the 0-based line where its section begins, its level (1 is outermost), and its words."""

    line: int
    level: int
    text: str


def sections_of(lines: Sequence[str], headings: Sequence[Heading], first: int = 0) -> tuple[Section, ...]:
    """Cut `lines`, from the 0-based line `first` on, into one section a heading, and one for what stands above.

    A section holds its lines verbatim, its heading's included, without the blank lines around them. Its heading path
    is made of the nearest heading of each smaller level above it, and its own.
    """
    starts = [first, *(heading.line for heading in headings)]
    ends = [*starts[1:], len(lines)]
    paths = [(), *heading_paths(headings)]
    sections = (section_at(lines, start, end, path) for start, end, path in zip(starts, ends, paths, strict=True))
    return tuple(section for section in sections if section is not None)


def section_at(lines: Sequence[str], start: int, end: int, heading: tuple[str, ...]) -> Section | None:
    """Make a section of the 0-based lines [start, end); None when all are blank."""
    while start < end and not lines[start].strip():
        start += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    if start == end:
        return None
    return Section(heading, "\n".join(lines[start:end]), Location("lines", start + 1, end))


def heading_paths(headings: Sequence[Heading]) -> Iterator[tuple[str, ...]]:
    """Give the path of each heading: the headings that it stands below, outermost first, and itself."""
    path: list[Heading] = []
    for heading in headings:
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
        yield tuple(part.text for part in path)


def first_title(headings: Sequence[Heading]) -> str | None:
    """Give the words of the first heading of level 1, if there is one."""
    return next((heading.text for heading in headings if heading.level == 1), None)
