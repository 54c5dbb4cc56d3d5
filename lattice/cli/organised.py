"""What `lattice index` tells of a tree that was organised top-down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lattice.cli.terminal import clean_name, counted

if TYPE_CHECKING:
    from lattice.index_builder.organising import Organised


def organised_lines(organised: Organised | None) -> list[str]:
    """Say how many nodes were split, by whom, and what it took."""
    if organised is None:
        return []
    by_model = organised.splits - organised.by_vectors
    lines = [f"Split {counted(organised.splits, 'node')} top-down, {by_model:,} by the model."]
    usage = organised.usage
    if usage.calls or organised.kept:
        kept = f", {organised.kept:,} kept from before" if organised.kept else ""
        lines.append(
            f"Organised with {counted(usage.calls, 'call')} ({usage.evaluated:,} tokens read, {usage.generated:,} "
            f"written){kept}."
        )
    return lines


def organised_notes(organised: Organised | None) -> list[str]:
    """Say what was not as it was asked for, a sentence each."""
    if organised is None:
        return []
    notes = []
    if organised.reason:
        notes.append(f"Vectors and characteristic terms made the topics: {clean_name(organised.reason)}.")
    elif organised.by_vectors:
        notes.append(f"{_were(organised.by_vectors, 'node')} split by vectors: no answer could be used.")
    repaired = {
        "missing from every topic": organised.missing,
        "in several topics": organised.doubled,
        "unknown": organised.unknown,
    }
    told = [f"{count:,} {what}" for what, count in repaired.items() if count]
    if told:
        notes.append(f"Of the summaries that the model sorted, these went to the nearest topic: {', '.join(told)}.")
    if organised.by_rule:
        notes.append(f"{_were(organised.by_rule, 'text')} summarised by rule: the model's summaries were unusable.")
    return notes


def _were(count: int, what: str) -> str:
    return f"{counted(count, what)} {'was' if count == 1 else 'were'}"
