"""Metrics over runs, computed by ir_measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lattice.errors import MissingExtra

Run = Mapping[str, Mapping[str, float]]
Qrels = Mapping[str, Mapping[str, int]]
MEASURES = {"nDCG@10": "nDCG@10", "Recall@100": "R@100", "MRR@10": "RR@10", "success@1": "Success@1"}
"""What we call a measure, and what ir_measures does."""


def check_installed() -> None:
    """Raise MissingExtra where ir_measures is not there: before hours of reading, and not after them."""
    _ir_measures()


def per_query(
    qrels: Qrels, run: Run, measures: Iterable[str] = tuple(MEASURES.values())
) -> dict[str, dict[str, float]]:
    """Give measure → query → value, for every query of `qrels`; one that the run lacks scores 0."""
    ir_measures = _ir_measures()
    values: dict[str, dict[str, float]] = {name: dict.fromkeys(qrels, 0.0) for name in measures}
    parsed = [ir_measures.parse_measure(name) for name in measures]
    for found in ir_measures.iter_calc(
        parsed, {q: dict(d) for q, d in qrels.items()}, {q: dict(d) for q, d in run.items()}
    ):
        values[str(found.measure)][found.query_id] = float(found.value)
    return values


def means(values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Average each measure over the queries."""
    return {name: sum(of.values()) / max(1, len(of)) for name, of in values.items()}


def _ir_measures() -> Any:  # noqa: ANN401 - a module without types
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("Metrics need ir_measures: pip install 'lattice-search[eval]'.") from error
    return ir_measures
