"""The tables of docs/benchmarks.md about the engine and the judges, from their records in benchmarks/results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench import RESULTS, TUNING

from lattice.evaluate.tables import Table, markdown, number

JUDGES = ("likelihood", "pointwise", "listwise", "listwise, uncorrected", "reasoned")
SHORT = {"birco-doris-mae-dev": "doris-mae", "tldr-nl2bash": "tldr", "pony-docs-rebuilt": "pony", "xquad-en": "xquad"}

Row = Mapping[str, Any]


def engine() -> str:
    """Show how near the engine comes to the hardware."""
    found = record("engine")
    shown = {
        "cold reading, tokens a second as a share of a 512-token prefill's": number(found["efficiency"]),
        "a second query on the same descriptions is faster": f"{found['reuse_speedup']:.2f} times",
        "its tokens / (query tokens × candidates)": f"{found['reuse_tokens_ratio']:.3f}",
        "largest difference of log P, cold − kept in memory": f"{found['cold_warm_difference']:g}",
        "largest difference of log P, cold − kept on disk": f"{found['disk_difference']:g}",
    }
    if "leaks" in found:
        leaks = found["leaks"]
        grown = f"{leaks['grown_bytes'] / 1e6:.1f} MB, {leaks['cells_left']} KV cells"
        at = f" (at `{leaks['commit'][:12]}`)" if "commit" in leaks else ""
        shown[f"left behind by {leaks['slates']:,} small slates{at}"] = grown
    rows = tuple(shown.items())
    return f"At {_state(found['lattice'])}, `{found['model']}`:\n\n" + block(Table(("measured", "value"), rows))


def searches() -> str:
    """Show what keeping states saves in real searches."""
    rows = [
        (
            one["memory"],
            f"{one['budget']:,}",
            f"{one['descriptions_a_query']:.1f}",
            number(one["hit_rate"]),
            number(one["tokens_saved"]),
        )
        for one in record("engine").get("searches", ())
    ]
    header = ("memory", "tokens a query", "descriptions wanted a query", "found kept", "tokens saved")
    return block(Table(header, tuple(rows)))


def judges() -> str:
    """Show how well each judge picks the relevant passage of a slate of 15."""
    rows = {(one["collection"], one["companions"], one["judge"]): one for one in record("judges")["rows"]}
    slates = sorted({key[:2] for key in rows}, key=lambda key: (key[0] != "xquad-en", key[1] != "random"))
    header = ("MRR (hit@1)", *(f"{SHORT.get(name, name)}, {kind}" for name, kind in slates), "tokens", "written")
    body = [_judge_row(judge, [rows.get((*of, judge)) for of in slates]) for judge in JUDGES]
    return block(Table(header, tuple(body)))


def _judge_row(judge: str, found: Sequence[Row | None]) -> tuple[str, ...]:
    cells = ["-" if one is None else f"{number(one['mrr'])} ({number(one['hit@1'])})" for one in found]
    known = [one for one in found if one is not None]
    tokens = sum(one["evaluated"] for one in known) / max(1, len(known))
    written = sum(one["generated"] for one in known) / max(1, len(known))
    return (judge, *cells, f"{tokens:,.0f}", f"{written:,.0f}")


def wording() -> str:
    """Show what was tried of wording, window and combination."""
    rows = [
        (
            one["wording"] if one["combination"] == "mean" and one["words"] == 60 else "",
            str(one["words"]),
            one["combination"],
            *(number(one[name]) for name in TUNING),
            number(sum(one[name] for name in TUNING) / len(TUNING)),
        )
        for one in record("wording")["rows"]
    ]
    header = (
        "request behind the text",
        "words",
        "log P of the tokens",
        *(SHORT.get(one, one) for one in TUNING),
        "mean",
    )
    return block(Table(header, tuple(rows)))


def scales() -> str:
    """Show what a reading of the likelihood judge is worth, for leaves and for nodes."""
    found = record("scales-likelihood")
    rows = [
        (
            kind,
            f"{found[kind]['offset']:.2f}, {found[kind]['width']:.2f}",
            *(
                f"{number(found[kind]['area'][name])}; {found[kind]['log-loss'][name]:.2f} ({base:.2f})"
                for name, base in found[kind]["log-loss of the base rate"].items()
            ),
        )
        for kind in ("leaf", "node")
    ]
    names = found["leaf"]["area"]
    header = ("kind", "offset, width", *(SHORT.get(name, name) for name in names))
    return block(Table(header, tuple(rows)))


BLOCKS = {"engine": engine, "searches": searches, "judges": judges, "wording": wording, "scales": scales}


def record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def _state(source: Row) -> str:
    return f"`{source['commit'][:12]}`" + (", with uncommitted changes" if source["changed"] else "")


def block(table: Table) -> str:
    return "\n".join(markdown(table)) + "\n"
