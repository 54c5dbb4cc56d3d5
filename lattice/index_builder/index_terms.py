"""The index terms of inner nodes: the stems that a node is found by, more of them than a description has room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lattice.index_builder.summaries import Lexicon

# 30 tell less of a node, 120 hardly more for half as much room again (benchmarks/scents.py).
MOST_INDEX_TERMS = 80
# Nodes are looked at together up to so many passages below them: what is counted of them fits into 200 MB.
LEAVES_TOGETHER = 200_000


def index_terms_of(lexicon: Lexicon, nodes: Sequence[Sequence[int]]) -> list[tuple[str, ...]]:
    """Give the most telling stems of each node, of which the 0-based indices of the passages below are given."""
    held = _members(lexicon.held, len(lexicon.stems))
    return [terms for part in _together(nodes) for terms in _of_part(lexicon, held, part)]


def _of_part(lexicon: Lexicon, held: Any, nodes: Sequence[Sequence[int]]) -> Iterator[tuple[str, ...]]:  # noqa: ANN401
    counted = _members([np.asarray(node, dtype=np.int32) for node in nodes], len(lexicon.held)) @ held
    counted.sort_indices()
    for row, node in enumerate(nodes):
        part = slice(counted.indptr[row], counted.indptr[row + 1])
        telling = lexicon.telling(counted.indices[part], counted.data[part], max(1, len(node)))
        yield tuple(lexicon.stems[term] for term in telling[:MOST_INDEX_TERMS])


def _members(rows: Sequence[npt.NDArray[np.int32]], columns: int) -> Any:  # noqa: ANN401 - scipy has no annotations
    """Give a CSR matrix (rows, columns) with a one wherever a row names a column."""
    from scipy.sparse import csr_matrix

    ends = np.cumsum([0, *map(len, rows)])
    named = np.concatenate([*rows, np.zeros(0, dtype=np.int32)])
    return csr_matrix((np.ones(len(named), dtype=np.int64), named, ends), shape=(len(rows), columns))


def _together(nodes: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    part: list[Sequence[int]] = []
    size = 0
    for node in nodes:
        if part and size + len(node) > LEAVES_TOGETHER:
            yield part
            part, size = [], 0
        part.append(node)
        size += len(node)
    if part:
        yield part
