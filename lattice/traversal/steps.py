"""What a search yields: one frozen value an iteration, enough for a ranking, a trace and an anytime curve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from lattice.types import Usage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Opening:
    """Something that could be read next: the children of `origin`, or seeds; `promise` is what is expected of it.

    `anchors` are judged nodes that are read again beside them, so that the slate compares with earlier ones.
    """

    promise: float
    origin: int | None
    nodes: tuple[int, ...]
    anchors: tuple[int, ...] = ()


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


class Ranking(Sequence[Ranked]):
    """A ranking held in arrays, whose values are made when they are looked at: most of a thousand never are."""

    def __init__(
        self,
        nodes: npt.NDArray[np.intp],
        relevance: npt.NDArray[np.float64],
        judged: npt.NDArray[np.bool_],
        latent: npt.NDArray[np.float64],
    ) -> None:
        """Take the ids of leaves, best first, and their values in the same order."""
        self._columns = (nodes, relevance, judged, latent)

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> Ranked: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Ranked, ...]: ...

    def __getitem__(self, index: int | slice) -> Ranked | tuple[Ranked, ...]:
        if isinstance(index, slice):
            return tuple(map(Ranked, *(column[index].tolist() for column in self._columns)))
        node, relevance, judged, latent = (column[index].item() for column in self._columns)
        return Ranked(node, relevance, judged, latent)

    def __iter__(self) -> Iterator[Ranked]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


@dataclass(frozen=True, slots=True)
class Step:
    """The search after one iteration: what was read in it, the ranking so far, the cost so far, and why it ended.

    Step 0 is the prior's ranking, before any call. `stopped` is None while the search goes on. `passed_over` are the
    nodes that were judged or lifted but never opened, best first.
    """

    iteration: int
    slates: tuple[JudgedSlate, ...]
    ranking: Sequence[Ranked]
    usage: Usage
    stopped: str | None = None
    passed_over: tuple[Scored, ...] = ()
