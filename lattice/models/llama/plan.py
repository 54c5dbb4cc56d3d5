"""Which tokens of many streams are decoded together: llama.cpp computes streams of equal length at once, and no others.

A batch of unequal streams is cut by llama.cpp into many small computations, each of which costs as much as some thirty
tokens (the weights are read from memory anew). So what is given to it is rectangles: the same positions of streams that
are next to each other. Streams that are nearly as long as the next one are padded to it where that is cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

# What one more computation costs, in tokens of a large one: 21 to 41 were measured for 1 to 14 tokens (SmolLM2-135M in
# BF16 on two cores). Only speed depends on it.
OVERHEAD_TOKENS = 24


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The positions [begin, end) of the first `streams` streams."""

    begin: int
    end: int
    streams: int


def rectangles(lengths: Sequence[int], batch_tokens: int, *, may_pad: bool) -> list[Rectangle]:
    """Cover streams of these lengths, longest first and none empty, by rectangles of at most `batch_tokens` tokens.

    A stream that ends inside a rectangle has to be padded to its end, which happens only with `may_pad`. Rectangles
    come in the order in which they have to be decoded. `batch_tokens` must be at least the number of streams.
    """
    found: list[Rectangle] = []
    begin = 0
    for first, last in reversed(_levels(lengths, OVERHEAD_TOKENS if may_pad else 0)):
        streams, height = last + 1, lengths[first] - begin
        pieces = math.ceil(streams * height / batch_tokens)
        # Pieces of equal height: a small rest would cost as much as a large one. Rounding up may still overfill one.
        step = min(math.ceil(height / pieces), batch_tokens // streams)
        starts = range(begin, lengths[first], step)
        found += [Rectangle(start, min(start + step, lengths[first]), streams) for start in starts]
        begin = lengths[first]
    return found


def _levels(lengths: Sequence[int], overhead: int) -> list[tuple[int, int]]:
    """Group neighbouring streams that are padded to the longest of them, so that padding and overhead are least.

    Gives the first and last index of each group. Without overhead, only equal lengths share a group.
    """
    before = list(accumulate(lengths, initial=0))
    best = [(0, 0)]  # for the first i streams: the least cost, and where their last group begins
    for end in range(1, len(lengths) + 1):
        padded = [lengths[first] * (end - first) - (before[end] - before[first]) for first in range(end)]
        best.append(min((best[first][0] + overhead + padded[first], first) for first in range(end)))
    groups: list[tuple[int, int]] = []
    end = len(lengths)
    while end:
        first = best[end][1]
        groups.append((first, end - 1))
        end = first
    groups.reverse()
    return groups
