"""Metrics over runs, computed by ir_measures."""

from __future__ import annotations

from collections.abc import Mapping

from lattice.errors import MissingExtra

Run = Mapping[str, Mapping[str, float]]
Qrels = Mapping[str, Mapping[str, int]]
MEASURES = ("nDCG@10", "R@100", "RR@10", "Success@1")


def per_query(qrels: Qrels, run: Run, measures: tuple[str, ...] = MEASURES) -> dict[str, dict[str, float]]:
    """Give measure → query → value, for every query of `qrels`; one that the run lacks scores 0."""
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtra("Metrics need ir_measures: pip install 'lattice-search[eval]'.") from error
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
