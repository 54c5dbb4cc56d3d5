"""The tables of docs/benchmarks.md about building, from their records in benchmarks/results."""

from __future__ import annotations

from lint import cells
from model_tables import SHORT, block, record

from lattice.evaluate.tables import Table, number


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


BLOCKS = {"trees": trees, "scale": scale, "checks": checks}
