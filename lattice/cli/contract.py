"""What `--json` prints, as plain dictionaries. Names and meanings are a contract: scripts depend on them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lattice.answering import Answer
    from lattice.store.store import Store
    from lattice.traversal.steps import JudgedSlate, Scored, Step
    from lattice.types import Hit, Location, Node, Passage, TrailNode, Understanding, Usage


def answer_json(answer: Answer) -> dict[str, Any]:
    """Give a search's answer; `relevance` compares within one query only."""
    return {
        "query": answer.query,
        "root": answer.root,
        "mode": answer.mode,
        "stopped": answer.stopped,
        "hits": [_hit_json(hit) for hit in answer.hits],
        "usage": usage_json(answer.usage),
        "understood": None if answer.understood is None else _understood_json(answer.understood),
        "without_vectors": answer.without_vectors,
    }


def _understood_json(understood: Understanding) -> dict[str, Any]:
    return {
        "query": understood.query,
        "rewritten": understood.rewritten,
        "carried": list(understood.carried),
        "problem": understood.problem,
        "vocabulary": list(understood.vocabulary),
        "notice": understood.notice,
        "usage": usage_json(understood.usage),
    }


def _hit_json(hit: Hit) -> dict[str, Any]:
    return {
        "rank": hit.rank,
        "id": f"n{hit.id}",
        "path": hit.path,
        "location": location_json(hit.location),
        "title": hit.title,
        "heading": list(hit.heading),
        "snippet": hit.snippet,
        "marks": [list(mark) for mark in hit.marks],
        "relevance": hit.relevance,
        "judged": hit.judged,
        "trail": [step_of_trail(node) for node in hit.trail],
    }


def step_of_trail(node: TrailNode | Node) -> dict[str, Any]:
    """Give one of the nodes above a passage: its id, its name for people, and what a judge reads of it."""
    return {"id": f"n{node.id}", "name": node.name, "description": node.description}


def location_json(location: Location) -> dict[str, Any]:
    """Give a place in a file: lines or pages, 1-based, both ends included."""
    return {"kind": location.kind, "start": location.start, "end": location.end}


def usage_json(usage: Usage) -> dict[str, Any]:
    """Give what work cost: tokens evaluated, reused and generated, calls, seconds."""
    return {**asdict(usage), "seconds": round(usage.seconds, 3)}


def node_json(store: Store, node: Node) -> dict[str, Any]:
    """Give a node: id, kind, name ("" for a passage), description, number of passages; a passage's place, too."""
    shown: dict[str, Any] = {
        "id": f"n{node.id}",
        "kind": node.kind,
        "name": node.name,
        "description": node.description,
        "passages": node.leaves,
    }
    if node.passage is not None:
        passage = store.passage(node.passage)
        shown |= {"path": passage.document, "location": location_json(passage.location)}
    return shown


def passage_json(passage: Passage) -> dict[str, Any]:
    """Give a passage whole."""
    return {
        "path": passage.document,
        "location": location_json(passage.location),
        "title": passage.title,
        "heading": list(passage.heading),
        "text": passage.text,
    }


def step_json(store: Store, step: Step) -> dict[str, Any]:
    """Give the trace of one iteration: the slates that were read in it."""
    return {"iteration": step.iteration, "slates": [_slate_json(store, slate) for slate in step.slates]}


def _slate_json(store: Store, slate: JudgedSlate) -> dict[str, Any]:
    wrote = {} if slate.reasoning is None else {"reasoning": slate.reasoning}
    return {
        "kind": "seeds" if slate.origin is None else "children",
        "opened": None if slate.origin is None else node_json(store, store.node(slate.origin)),
        "promise": round(slate.promise, 4),
        "candidates": [scored_json(store, scored) for scored in slate.scored],
        "usage": usage_json(slate.usage),
        **wrote,
    }


def scored_json(store: Store, scored: Scored) -> dict[str, Any]:
    """Give a judged node: raw score, latent and path relevance, each in [0, 1]."""
    relevance = {"raw": round(scored.raw, 4), "latent": round(scored.latent, 4), "path": round(scored.path, 4)}
    return {**node_json(store, store.node(scored.node)), "relevance": relevance}
