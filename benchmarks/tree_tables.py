"""The tables of docs/benchmarks.md about building, from their records in benchmarks/results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import names
import scents
from builder import differences
from lint import cells
from model_tables import SHORT, block, record

from lattice.evaluate.intervals import Paired
from lattice.evaluate.tables import Table, number, signed


def trees() -> str:
    """Show what each tree costs a judge who knows, and what its descriptions tell."""
    found = record("trees")
    rows = [
        (
            SHORT.get(one["collection"], one["collection"]),
            one["tree"].replace("/", " / "),
            f"{one['nodes']:,} ({one['folders']})",
            f"{one['mean_depth']:.1f} ({one['depth']})",
            f"{one['opened']:.1f}",
            f"{one['judged']:.0f}",
            number(one["apart"]),
            f"{one['steered']:.1f}",
        )
        for one in found["rows"]
    ]
    head = ("collection", "clusterer / structure", "nodes (folders)", "depth (most)")
    return block(Table((*head, "opened", "judged", "apart", "steered"), tuple(rows)))


def scale() -> str:
    """Show how the work of a build falls to its stages, and what comes of it."""
    rows = []
    for one in record("scale")["rows"]:
        whole = one["build_seconds"]
        shares = [f"{one['seconds'][stage] / whole:.2f}" for stage in ("vectors", "tree", "descriptions", "writing")]
        rows.append(
            (
                f"{one['passages']:,}",
                f"{one['clusterer']} / {one['structure']}",
                f"{1000 * whole / one['passages']:.1f}",
                *shares,
                f"{one['peak_bytes'] / 1e9:.1f} GB",
                f"{one['index_bytes'] / one['passages'] / 1000:.1f} KB",
                f"{one['nodes']:,}",
                f"{one['mean_depth']:.1f} ({one['depth']})",
                f"{one['mean_children']:.1f}",
            )
        )
    head = ("passages", "clusterer / structure", "ms a passage", "vectors", "tree", "descriptions", "writing")
    tail = ("peak memory", "bytes a passage", "nodes", "depth (most)", "children a node")
    return block(Table((*head, *tail), tuple(rows)))


def checks() -> str:
    """Show what `lattice tree --check` says of each collection's tree."""
    head = ("collection", "passages", "found", "parent", "best 3 kept", "right at the root", "covered", "alike", "")
    return block(Table(head, tuple(cells(row) for row in record("lint")["rows"])))


def named() -> str:
    """Show how well the names of nodes tell their passages from those of their siblings."""
    return block(Table(names.HEAD, tuple(names.cells(row) for row in record("names")["rows"])))


def builder() -> str:
    """Show what a model makes of each tree, and by how much it differs from the first of the collection."""
    found = record("builder")["rows"]
    rows = []
    for one in found:
        against = differences(one, found)
        rows.append(
            (
                SHORT.get(one["collection"], one["collection"]),
                f"{one['code']}: {one['tree'].replace('/', ' / ')}",
                str(one["queries"]),
                f"{one['mean_depth']:.1f} ({one['depth']})",
                number(one["balance"]),
                f"{number(one['found'])} ({number(one['kept'])})",
                " / ".join(number(value) for value in one["ceiling"].values()),
                *(_against(one, against, measure) for measure in MEASURES),
            )
        )
    head = ("collection", "tree", "queries", "depth (most)", "balance", "found again (best 3)", "ceiling at 20 / 40")
    return block(Table((*head, *MEASURES.values()), tuple(rows)))


MEASURES = {
    "navigation Recall@100": "Recall@100 without prior",
    "navigation nDCG@10": "nDCG@10 without prior",
    "lattice nDCG@10": "nDCG@10",
}


def _against(row: Mapping[str, Any], against: Mapping[str, Paired], measure: str) -> str:
    if measure not in row:
        return "–"
    shown = number(row[measure])
    if measure in against:
        one = against[measure]
        shown += f" ({signed(one.difference)} [{signed(one.interval.low)}, {signed(one.interval.high)}])"
    return shown


def smelt() -> str:
    """Show how well each way of judging nodes tells those with something relevant below."""
    found = record("scents")["collections"]
    return block(Table(scents.head(found, SHORT), tuple(scents.rows(found))))


def walked() -> str:
    """Show what a walk by scents reads of the relevant documents, for every α."""
    found = record("walks")["rows"]
    alphas = list(found[0]["read"])
    rows = [
        (SHORT.get(one["collection"], one["collection"]), str(one["queries"]), *map(number, one["read"].values()))
        for one in found
    ]
    return block(Table(("relevant documents read", "queries", *(f"α = {alpha}" for alpha in alphas)), tuple(rows)))


def organising() -> str:
    """Show what a model made of a corpus that it was asked to organise."""
    one = record("organising")
    by_model = one["splits"] - one["by_vectors"]
    rows = [
        ("texts with usable summaries", f"{one['texts'] - one['by_rule']} of {one['texts']}"),
        ("splits by the model", f"{by_model} of {one['splits']}"),
        *((f"cosine of two passages of one topic: {what}", number(value)) for what, value in one["cosine"].items()),
        ("tokens read, written", f"{one['usage']['evaluated']:,}, {one['usage']['generated']:,}"),
    ]
    return block(Table((one["model"], f"{one['passages']} passages of {one['collection']}"), tuple(rows)))


BLOCKS = {
    "organising": organising,
    "builder": builder,
    "trees": trees,
    "scale": scale,
    "checks": checks,
    "names": named,
    "scents": smelt,
    "walks": walked,
}
