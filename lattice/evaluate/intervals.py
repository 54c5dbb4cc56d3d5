"""How sure a mean over queries is, and a difference of two methods on the same queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RESAMPLES = 10_000
_AT_ONCE = 2_000_000  # numbers drawn together: 16 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """Bounds between which a mean lies with the confidence asked for."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Paired:
    """A mean of differences query by query, its interval and standard error, and how many queries went which way.

    `p_value` is that of the two-sided randomisation test: how often a random swap of the two methods, query by query,
    gives a difference at least as large.
    """

    difference: float
    interval: Interval
    standard_error: float
    wins: int
    ties: int
    losses: int
    p_value: float


def mean_interval(values: Sequence[float], confidence: float = 0.95, seed: int = 0) -> Interval:
    """Give the percentile bootstrap interval of the mean over queries (Efron and Tibshirani 1993, chapter 13)."""
    import numpy as np

    sample = np.sort(np.asarray(values, dtype=np.float64))  # sorted, so that the order of queries decides nothing
    if not len(sample):
        raise ValueError("an interval needs at least one value")
    generator = np.random.default_rng(seed)
    means = np.concatenate(
        [sample[generator.integers(0, len(sample), (rows, len(sample)))].mean(axis=1) for rows in _rows(len(sample))]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def paired(values: Mapping[str, float], baseline: Mapping[str, float], seed: int = 0) -> Paired:
    """Compare a method with a baseline over the same queries; ValueError where they answer different ones."""
    import numpy as np

    if values.keys() != baseline.keys():
        odd = sorted(values.keys() ^ baseline.keys())
        raise ValueError(f"only one of the two answers {len(odd)} of the queries, {odd[0]!r} among them")
    differences = np.array([values[query] - baseline[query] for query in sorted(values)])
    count = len(differences)
    return Paired(
        difference=float(differences.mean()),
        interval=mean_interval(differences.tolist(), seed=seed),
        standard_error=float(differences.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0,
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
        p_value=_p_value(differences, seed),
    )


def _p_value(differences: npt.NDArray[np.float64], seed: int) -> float:
    """Give p of Fisher's randomisation test, recommended for retrieval by Smucker, Allan and Carterette (2007)."""
    import numpy as np

    sizes = np.sort(np.abs(differences[differences != 0]))
    if not len(sizes):
        return 1.0
    generator = np.random.default_rng(seed)
    observed = abs(float(differences.sum())) - 1e-12  # sums of the same numbers in another order may differ by as much
    extreme = sum(
        int((np.abs((generator.integers(0, 2, (rows, len(sizes))) * 2 - 1) @ sizes) >= observed).sum())
        for rows in _rows(len(sizes))
    )
    return (extreme + 1) / (RESAMPLES + 1)  # the observed assignment is one of them


def _rows(columns: int) -> list[int]:
    """Split RESAMPLES into parts that fit into memory."""
    at_once = max(1, min(RESAMPLES, _AT_ONCE // columns))
    whole, rest = divmod(RESAMPLES, at_once)
    return [at_once] * whole + ([rest] if rest else [])
