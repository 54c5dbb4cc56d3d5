"""What a search yields: one frozen value an iteration, enough for a ranking, a trace and an anytime curve."""

from __future__ import annotations

from dataclasses import dataclass

from lattice.types import Usage


@dataclass(frozen=True, slots=True)
class Scored:
    """One candidate of a judged slate: its raw score, and latent and path relevance after the refit."""

    node: int
    raw: float
    latent: float
    path: float


@dataclass(frozen=True, slots=True)
class JudgedSlate:
    """A slate that was read: the node that was opened (None: a seed slate), what it promised, and the verdicts."""

    origin: int | None
    promise: float
    scored: tuple[Scored, ...]
    usage: Usage
    reasoning: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranked:
    """A leaf and its relevance in [0, 1]; `judged` tells whether the judge has read it.

    `latent` is ŝ, what it is believed to be worth by itself: the ranking before path relevance has its share.
    """

    node: int
    relevance: float
    judged: bool
    latent: float


@dataclass(frozen=True, slots=True)
class Step:
    """The search after one iteration: what was read in it, the ranking so far, the cost so far, and why it ended.

    Step 0 is the prior's ranking, before any call. `stopped` is None while the search goes on. `passed_over` are the
    nodes that were judged or lifted but never opened, best first.
    """

    iteration: int
    slates: tuple[JudgedSlate, ...]
    ranking: tuple[Ranked, ...]
    usage: Usage
    stopped: str | None = None
    passed_over: tuple[Scored, ...] = ()
