"""What tells best which node to open:  python benchmarks/scents.py [scifact …] [--without-reading] [--json] [--save]

Of some queries of each tuning collection, none of the 50 that the other benchmarks draw where there are enough others,
the slates of inner nodes on the way from the root to two relevant documents: which of the nodes have something relevant
below them? Each way of judging them gives

- area: the mean over slates of the chance that one that has scores higher than one that has not (under the ROC curve);
- MRR: the mean over slates of 1 / the place of the first that has;
- within: the area among all nodes of a query's slates, which a search compares, as the mean over queries; and by how
  much it differs from the default's, query by query;
- tokens, read cold: once a query, and for every node.

Ties count half, and as the mean place. The ways are: the terms of a node's description read for how likely they make
the query (the slow one: --reading N does it for the first N queries only, --without-reading for none), and the scent
(lattice/traversal/judges/scent.py) or a part of it, with more or fewer index terms, other frames, more words, and the
query's words weighed otherwise. Readings are kept in .bench/scents.jsonl, so a run goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from bench import QUERIES, RESULTS, SEED, TUNING, WORK, bf16_copy, unpacked
from fit_likelihood import COMBINATIONS
from tqdm import tqdm

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.intervals import Paired, paired
from lattice.evaluate.recorded import RecordedReader, RecordedWords
from lattice.evaluate.summary import source_state
from lattice.evaluate.tables import interval, number, signed
from lattice.index_builder import index_terms
from lattice.index_builder.summaries import lexicon_of
from lattice.lattice import Lattice
from lattice.models.llama.engine import LlamaEngine
from lattice.models.prompts import EXPECTING, LIKELIHOOD, Frame, Part
from lattice.models.registry import sha256_of
from lattice.store.store import Store
from lattice.tokens import stem, tokens
from lattice.traversal.judges.reading import QUERY_WORDS, Expected, ProbabilityReader, WordReader, shortened
from lattice.traversal.judges.scent import MOST_WORDS, Rarities, Scent
from lattice.types import BEFORE_TERMS, Candidate, Usage

Scores = npt.NDArray[np.float64]
PATHS = 2  # relevant documents of a query to which the way is gone
MOST_TERMS = 120
WORDS_READ = 3000  # the largest lifts come first, so fewer words are the first of them
READING = "P(query | the description's terms)"


@dataclass(frozen=True, slots=True)
class Way:
    """A scent: of so many index terms, of words weighed by `weights` or not at all, of what a frame lets expect."""

    terms: int = index_terms.MOST_INDEX_TERMS
    weights: str = "rarity"
    frame: Frame | None = EXPECTING
    most: int = MOST_WORDS


DEFAULT = "words and what is expected"
WAYS = {
    **{f"words, {terms} index terms": Way(terms, frame=None) for terms in (14, 30, 80, MOST_TERMS)},
    "what is expected": Way(weights=""),
    DEFAULT: Way(),
    **{f"both, {terms} index terms": Way(terms) for terms in (30, MOST_TERMS)},
    **{f"both, {most:,} words expected": Way(most=most) for most in (1000, WORDS_READ)},
    "both, “Keywords of the topic that this search belongs to:”": Way(
        frame=Frame(after=(Part("\n\nKeywords of the topic that this search belongs to:\n"),))
    ),
    "both, “This is about”": Way(frame=Frame(after=(Part("\n\nThis is about"),))),
    "both, words weighed by surprise": Way(weights="surprise"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A slate of inner nodes, `relevant` where something relevant is below; by node the most telling stems first."""

    query: str
    text: str
    nodes: tuple[Candidate, ...]
    relevant: npt.NDArray[np.bool_]
    terms: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Judged:
    """The scores of every case, and the tokens that all queries and all nodes took."""

    scores: Sequence[Scores]
    once: int
    nodes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=TUNING)
    parser.add_argument("--queries", type=int, default=24)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument(
        "--reading", type=int, metavar="N", help="read descriptions for the first N queries; default: all"
    )
    parser.add_argument("--without-reading", dest="reading", action="store_const", const=0, help="read no descriptions")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/scents.json")
    options = parser.parse_args()
    path = options.model or bf16_copy()
    found: dict[str, dict[str, Any]] = {}
    with RecordedReader(WORK / "scents.jsonl", sha256_of(path), lambda: LlamaEngine(path)) as recorded:
        for name in options.collections:
            collection = drawn(load(unpacked(name)), options.queries, options.seed)
            found[name] = measured(collection, recorded, options.reading)
    about = {"model": path.name, "queries": options.queries, "seed": options.seed}
    record = {"lattice": source_state(), **about, "collections": found}
    if options.save:
        (RESULTS / "scents.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = [" | ".join(head(found)), *(" | ".join(row) for row in rows(found))]
    print(json.dumps(record, indent=1) if options.json else "\n".join(lines))


def drawn(collection: Collection, count: int, seed: int) -> Collection:
    """Give the collection with so many of the queries that are not drawn elsewhere; of all where too few are left."""
    taken = collection.sample(QUERIES, SEED).queries
    left = [query for query in sorted(collection.queries) if query not in taken]
    chosen = left if len(left) >= count else sorted(collection.queries)
    random.Random(seed).shuffle(chosen)
    return collection.only(chosen[:count])


def measured(collection: Collection, recorded: RecordedReader, reads: int | None = None) -> dict[str, Any]:
    """Judge the cases of a collection in all ways; `reads` queries (None: all) by reading descriptions too."""
    to_read = list(collection.queries)[:reads]
    with Lattice.open(index_of(collection, WORK / collection.name), model=None) as lattice, lattice.store.reading():
        store = lattice.store
        cases = cases_of(store, collection)
        frequent = store.rarities
        chosen = [case for case in cases if case.query in to_read]
        found = {READING: figures(chosen, read(recorded, chosen))} if chosen else {}
        for name, way in WAYS.items():
            found[name] = figures(cases, smelt(way, recorded, frequent, cases))
    size = {"queries": len({case.query for case in cases}), "slates": len(cases)}
    return {**size, "nodes": sum(len(case.nodes) for case in cases), "ways": found}


def cases_of(store: Store, collection: Collection) -> list[Case]:
    """Give the slates on the ways to relevant documents of every query, those that hold both kinds of nodes."""
    terms = terms_of(store)
    found: list[Case] = []
    for query, text in collection.queries.items():
        goals, relevant = _goals(store, [name for name, grade in collection.qrels[query].items() if grade > 0])
        opened = dict.fromkeys(above.id for goal in goals for above in store.ancestors(goal))
        for origin in opened:
            inner = tuple(child.id for child in store.children(origin) if not child.is_leaf)
            labels = np.array([node in relevant for node in inner], dtype=np.bool_)
            if labels.any() and not labels.all():
                own = {node: terms[node] for node in inner}
                found.append(Case(query, text, store.candidates(inner), labels, own))
    return found


def _goals(store: Store, documents: Sequence[str]) -> tuple[list[int], set[int]]:
    """Give the first leaves of two of the documents, and all nodes at or above any of their leaves."""
    first, relevant = list[int](), set[int]()
    for name in sorted(documents):
        leaves = list(store.leaves(store.passages_of(name)).values())
        first += [leaf.id for leaf in leaves[:1]]
        relevant |= {node for leaf in leaves for node in (leaf.id, *(above.id for above in store.ancestors(leaf.id)))}
    random.Random(1).shuffle(first)
    return first[:PATHS], relevant


def terms_of(store: Store) -> dict[int, tuple[str, ...]]:
    """Give more index terms of every inner node than the index keeps, the most telling first."""
    passages = store.passages(range(1, store.status().passages + 1)).values()
    lexicon = lexicon_of(["\n".join([one.title, *one.heading, one.text]) for one in passages])
    nodes = list(store.nodes())
    below: dict[int | None, list[int]] = {}
    for node in reversed(nodes):
        if node.passage is not None:
            below[node.id] = [node.passage - 1]
        below.setdefault(node.parent, []).extend(below[node.id])
    inner = [node.id for node in nodes if not node.is_leaf]
    with patch.object(index_terms, "MOST_INDEX_TERMS", MOST_TERMS):
        found = dict(zip(inner, index_terms.index_terms_of(lexicon, [below[node] for node in inner]), strict=True))
    kept = store.index_terms()
    odd = [node for node in inner if found[node][: index_terms.MOST_INDEX_TERMS] != kept[node]]
    assert not odd, f"nodes {odd[:3]} have other index terms in {store.path}: it was built by another version"
    return found


def read(recorded: ProbabilityReader, cases: Sequence[Case]) -> Judged:
    """Judge nodes as the likelihood judge judges passages: by what the terms of the description tell of the query."""
    scores, once, nodes = list[Scores](), dict[str, int](), 0
    for case in tqdm(cases, desc="reading", disable=None):
        asked = shortened(case.text, QUERY_WORDS)
        alone = recorded.continuation_logprobs([""], asked, frame=LIKELIHOOD)
        texts = [one.text.rpartition(BEFORE_TERMS)[2] for one in case.nodes]
        found = recorded.continuation_logprobs(texts, asked, frame=LIKELIHOOD)
        gains = COMBINATIONS["root of surprise"](found.by_token, alone.by_token[0])
        scores.append(gains.astype(np.float64))
        once[case.query] = alone.usage.evaluated
        nodes += found.usage.evaluated
    return Judged(scores, sum(once.values()), nodes)


@dataclass(slots=True)
class Asking:
    """Asks a reader for the words that a way lets expect, whatever is asked of it."""

    reader: WordReader
    way: Way

    def expected_words(self, text: str, frame: Frame, most: int, *, seconds: float | None = None) -> Expected:
        """Read the way's words in its frame, of one reading for all; none where it has no frame."""
        del frame, most
        if self.way.frame is None:
            return RecordedWords({}, Usage())
        found = self.reader.expected_words(text, self.way.frame, WORDS_READ, seconds=seconds)
        return RecordedWords(dict(islice(found.lifts.items(), self.way.most)), found.usage)

    def expected_cost(self, text: str, frame: Frame) -> int:
        """Refuse: nobody asks before."""
        raise NotImplementedError


def smelt(way: Way, recorded: RecordedReader, rarities: Rarities, cases: Sequence[Case]) -> Judged:
    """Judge nodes by their scent, or what a way has of it."""
    scores, usage = list[Scores](), Usage()
    weights: Callable[[str], Rarities] = {
        "": lambda _: lambda _: {},
        "rarity": lambda _: rarities,
        "surprise": lambda text: surprising(recorded, rarities, text),
    }[way.weights]
    scents: dict[str, Scent] = {}
    for case in cases:
        scent = scents.setdefault(case.query, Scent(Asking(recorded, way), weights(case.text)))
        nodes = [replace(one, index_terms=frozenset(case.terms[one.node][: way.terms])) for one in case.nodes]
        found, spent = scent.strengths(case.text, nodes)
        scores.append(np.array(found))
        usage += spent
    return Judged(scores, usage.evaluated, 0)


def surprising(recorded: ProbabilityReader, rarities: Rarities, text: str) -> Rarities:
    """Give what weighs stems by how little the model expects them in the query (nats), where the corpus has them."""
    surprises = surprises_of(recorded, text)

    def weights(wanted: Iterable[str]) -> Mapping[str, float]:
        return {one: surprises.get(one, 0.0) for one in rarities(wanted)}

    return weights


def surprises_of(recorded: ProbabilityReader, text: str) -> dict[str, float]:
    """Give −log P of every stem of a query where no text stands before it, over the tokens that its word begins in."""
    alone = -recorded.continuation_logprobs([""], text, frame=LIKELIHOOD).by_token[0]
    whole = recorded.cost("", text, LIKELIHOOD)

    def before(end: int) -> int:
        # Tokens begin with the space before a word, and none reaches over the end of one.
        shown = text[:end].rstrip()
        return len(alone) - whole + recorded.cost("", shown, LIKELIHOOD) if shown else 0

    found: dict[str, float] = {}
    for token in tokens(text):
        surprise = float(alone[before(token.start) : before(token.end)].sum())
        found[stem(token.word)] = max(found.get(stem(token.word), 0.0), surprise)
    return found


def figures(cases: Sequence[Case], judged: Judged) -> dict[str, Any]:
    """Give the measures of a way; `within` holds the value of every query."""
    by_query: dict[str, list[int]] = {}
    for i, case in enumerate(cases):
        by_query.setdefault(case.query, []).append(i)
    within = {
        query: area(
            *(np.concatenate(of) for of in zip(*((cases[i].relevant, judged.scores[i]) for i in own), strict=True))
        )
        for query, own in by_query.items()
    }
    pairs = [(case.relevant, scores) for case, scores in zip(cases, judged.scores, strict=True)]
    return {
        "area": round(fmean(area(*pair) for pair in pairs), 4),
        "mrr": round(fmean(1 / place(*pair) for pair in pairs), 4),
        "once": round(judged.once / len(by_query), 1),
        "a node": round(judged.nodes / sum(len(case.nodes) for case in cases), 1),
        "within": {query: round(value, 4) for query, value in within.items()},
    }


def area(relevant: npt.NDArray[np.bool_], scores: Scores) -> float:
    """Give the chance that a relevant one has a higher score than another; ties count half."""
    ups, downs = scores[relevant][:, None], scores[~relevant]
    return float(((ups > downs).mean() + (ups >= downs).mean()) / 2)


def place(relevant: npt.NDArray[np.bool_], scores: Scores) -> float:
    """Give the mean place, from 1, of the first relevant one where those of one score stand in any order."""
    best = scores[relevant].max()
    level = int((scores == best).sum())
    return float((scores > best).sum()) + (level + 1) / (int((scores[relevant] == best).sum()) + 1)


def head(found: Mapping[str, Any], short: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Give the head of the table."""
    names = ((short or {}).get(name, name) for name in found)
    return ("area / MRR / within", *names, "mean", "within − default [95%]", "tokens a query + a node")


def rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Give a row of the table for every way that was measured on all collections."""
    for way in (READING, *WAYS):
        if all(way in one["ways"] for one in found.values()):
            measures = [one["ways"][way] for one in found.values()]
            shown = [(one["area"], one["mrr"], fmean(one["within"].values())) for one in measures]
            means = tuple(fmean(column) for column in zip(*shown, strict=True))
            against = "" if way == DEFAULT else _difference(against_default(found, way))
            spent = f"{fmean(one['once'] for one in measures):.0f} + {fmean(one['a node'] for one in measures):.0f}"
            yield (_label(found, way), *(" / ".join(map(number, cell)) for cell in (*shown, means)), against, spent)


def against_default(found: Mapping[str, Any], way: str) -> Paired:
    """Compare a way with the default over the queries of all collections that it was measured on."""
    own, default = (
        {f"{name} {query}": value for name, one in found.items() for query, value in one["ways"][by]["within"].items()}
        for by in (way, DEFAULT)
    )
    return paired(own, {query: default[query] for query in own})


def _label(found: Mapping[str, Any], way: str) -> str:
    own, default = (sum(len(one["ways"][by]["within"]) for one in found.values()) for by in (way, DEFAULT))
    return way if own == default else f"{way} ({own} of {default} queries)"


def _difference(one: Paired) -> str:
    return f"{signed(one.difference)} {interval((one.interval.low, one.interval.high), signed)}"


if __name__ == "__main__":
    main()
