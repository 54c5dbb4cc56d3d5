"""Hand-made values for the tests of rendering."""

from __future__ import annotations

from dataclasses import replace

from lattice.answering import Answer
from lattice.types import Hit, Location, TrailNode, Usage

HIT = Hit(
    rank=1,
    id=7,
    path="docs/actors.md",
    title="Actors",
    heading=("Actors", "Memory"),
    location=Location("lines", 12, 40),
    snippet="… why an actor leaks memory when its mailbox grows …",
    marks=((9, 14), (21, 27)),
    relevance=0.8125,
    judged=True,
    trail=(TrailNode(2, "actors, messages"), TrailNode(5, "actors.md")),
)
PAGE_HIT = replace(HIT, rank=2, id=9, path="a.pdf", location=Location("page", 3, 3), heading=(), judged=False)
ANSWER = Answer(
    query="why does my actor leak memory",
    root="/notes",
    mode="lattice",
    stopped="budget",
    hits=(HIT, PAGE_HIT),
    usage=Usage(evaluated=1200, reused=300, calls=4, seconds=2.34567),
)
