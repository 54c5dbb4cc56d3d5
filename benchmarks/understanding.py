"""Does expanding a query help the prior?  python benchmarks/understanding.py [--queries 30] [--json] [--save]

The embedded model says of each query what it is about and which words an answer is likely to hold, as `--expand` has it
do. nDCG@10 of documents (by their best passages), before anyone reads, without those words and with them, for several
shares; and with the content words of what it is about in their place. What was written is kept below .bench, so that an
interrupted run goes on where it was and another share costs nothing.

"Answer's words" are the eight most telling words of a relevant document in place of the model's: what the best writer
could bring, and so a test of what the prior does with good words.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from bench import RESULTS, TUNING, WORK, unpacked
from tqdm import tqdm

from lattice.evaluate.collection import Collection, load
from lattice.evaluate.indexes import index_of
from lattice.evaluate.intervals import paired
from lattice.evaluate.metrics import per_query
from lattice.evaluate.summary import source_state
from lattice.filters import Admissions
from lattice.first_stage import PRIOR_DEPTH, FirstStage
from lattice.models.llama.engine import LlamaEngine
from lattice.models.registry import embedded_model
from lattice.models.settings import EngineSettings
from lattice.store.store import Store
from lattice.tokens import STOPWORDS, stem, stems
from lattice.tokens import words as words_of
from lattice.traversal.prior import VOCABULARY_SHARE, fuse
from lattice.traversal.understanding import Asked, LocalScribe, understand
from lattice.types import Filters, Question, Understanding, Usage

SHARES = (0.1, 0.2, 0.3, 0.5, 1.0)
WRITTEN = WORK / "understanding"
NDCG = "nDCG@10"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=TUNING)
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, default=embedded_model(), help="a GGUF file")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/understanding.json")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    options = parser.parse_args()
    drawn = {name: sampled(load(unpacked(name)), options.queries, options.seed) for name in options.collections}
    engine = LlamaEngine(options.model, EngineSettings(threads=options.threads))
    scribe = LocalScribe(engine, rewrites=False)
    ask = {name: KeptScribe(scribe, WRITTEN / f"{name}.jsonl").understood for name in drawn}
    # In turns, so that what an interrupted run has written serves a run over fewer queries of each.
    for texts in tqdm([*zip_longest(*(one.queries.values() for one in drawn.values()))], desc="writing", disable=None):
        for name, text in zip(drawn, texts, strict=True):
            if text is not None:
                ask[name](text)
    record = {
        "lattice": source_state(),
        "model": options.model.name,
        "queries": options.queries,
        "seed": options.seed,
        "share": VOCABULARY_SHARE,
        "collections": {name: measured(sample, ask[name]) for name, sample in drawn.items()},
    }
    for line in lines(record):
        print(line, file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(record, indent=1))
    if options.save:
        (RESULTS / "understanding.json").write_text(json.dumps(record, indent=1) + "\n")


def sampled(collection: Collection, count: int, seed: int) -> Collection:
    """Give the collection with the first `count` of its queries in an order of chance: fewer are part of more."""
    names = sorted(collection.queries)
    random.Random(seed).shuffle(names)
    return collection.only(names[:count])


@dataclass(frozen=True)
class Kept:
    """What a model has said."""

    text: str
    usage: Usage


class KeptScribe:
    """Keeps what a scribe writes in a file, a line a question, and asks no question twice."""

    rewrites = False  # expanded alone: no query here has a history

    def __init__(self, scribe: LocalScribe, place: Path) -> None:
        self._scribe, self._place = scribe, place
        place.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []
        self._said = {one["asked"]: Kept(one["said"], Usage(**one["usage"])) for one in lines}

    def cost(self, asked: Asked) -> int | None:
        return self._scribe.cost(asked)

    def write(self, asked: Asked, seconds: float | None) -> Kept:
        if asked.text not in self._said:
            said = self._scribe.write(asked, seconds)
            self._said[asked.text] = Kept(said.text, said.usage)
            with self._place.open("a") as file:
                file.write(json.dumps({"asked": asked.text, "said": said.text, "usage": asdict(said.usage)}) + "\n")
        return self._said[asked.text]

    def understood(self, text: str) -> Understanding:
        found = understand(Question(text, expand=True), self)
        assert found is not None
        return found


def measured(sample: Collection, understood: Callable[[str], Understanding]) -> dict[str, Any]:
    """Give nDCG@10 of the prior with and without what was written, query by query, and what writing it took."""
    runs: dict[str, dict[str, dict[str, float]]] = {}
    telling = telling_words(sample)
    usages, empty, words = [], 0, []
    with Store.open(index_of(sample, WORK / sample.name)) as store, store.reading():
        stage, admissions, build = FirstStage(store), Admissions(), store.status().build
        paths = {number: path for path, (number, _) in store.spans().items()}
        for query, text in sample.queries.items():
            excluded = Filters(excluded_ids=sample.excluded.get(query, frozenset()))
            admitted = admissions.of(excluded, store, build) if excluded != Filters() else None
            said = understood(text)
            usages.append(said.usage)
            words.append(len(said.vocabulary))
            empty += said.notice is not None
            ways: dict[str, tuple[Sequence[str], float]] = {"without": ((), 0.0)}
            ways |= {f"share {share}": (said.vocabulary, share) for share in SHARES}
            ways["problem"] = ((said.problem,) if said.problem else (), VOCABULARY_SHARE)
            answer = telling(text, max(sample.qrels[query].items(), key=lambda item: (item[1], item[0]))[0])
            ways |= {f"answer's words, share {share}": (answer, share) for share in SHARES}
            for way, (vocabulary, share) in ways.items():
                found = stage.found(text, admitted, vocabulary, share)
                ranked = (found[2][passage] for passage, _ in fuse(*found, PRIOR_DEPTH))
                documents = [paths[number] for number in dict.fromkeys(ranked)]
                runs.setdefault(way, {})[query] = {name: -float(place) for place, name in enumerate(documents)}
    values = {way: per_query(sample.qrels, run, [NDCG])[NDCG] for way, run in runs.items()}
    return {
        "queries": len(sample.queries),
        "unusable": empty,
        "words": statistics.fmean(words),
        "evaluated": statistics.fmean(one.evaluated for one in usages),
        "generated": statistics.fmean(one.generated for one in usages),
        "seconds": statistics.median(one.seconds for one in usages),
        "ways": {way: _against(found, values["without"]) for way, found in values.items()},
        "values": {way: {query: round(value, 5) for query, value in found.items()} for way, found in values.items()},
    }


def telling_words(collection: Collection) -> Callable[[str, str], tuple[str, ...]]:
    """Make what gives the eight words of largest tf·idf of a document that a query lacks: a ceiling by cheating."""
    counts = {
        record.id: Counter(word for word in words_of(record.text) if word not in STOPWORDS)
        for record in collection.records
    }
    holding = Counter(word for found in counts.values() for word in found)

    def telling(query: str, document: str) -> tuple[str, ...]:
        asked, found = set(stems(query)), counts.get(document, Counter())
        weight = {word: n * math.log(len(counts) / holding[word]) for word, n in found.items()}
        return tuple(sorted((one for one in weight if stem(one) not in asked), key=lambda one: (-weight[one], one))[:8])

    return telling


def _against(found: Mapping[str, float], without: Mapping[str, float]) -> dict[str, Any]:
    difference = paired(found, without)
    return {
        "mean": statistics.fmean(found.values()),
        "difference": difference.difference,
        "interval": [difference.interval.low, difference.interval.high],
        "better/same/worse": [difference.wins, difference.ties, difference.losses],
        "p": difference.p_value,
    }


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Give the tables of the docs."""
    found = record["collections"]
    chosen = f"share {record['share']}"
    yield "| nDCG@10 of the prior | queries | without | with | difference [95%] | +/=/− | p | tokens, written |"
    yield "| --- | --: | --: | --: | --: | --: | --: | --: |"
    for name, one in found.items():
        way = one["ways"][chosen]
        low, high = way["interval"]
        counts = "/".join(map(str, way["better/same/worse"]))
        yield (
            f"| {name} | {one['queries']} | {one['ways']['without']['mean']:.3f} | {way['mean']:.3f} | "
            f"{way['difference']:+.3f} [{low:+.3f}, {high:+.3f}] | {counts} | {way['p']:.3f} | "
            f"{one['evaluated']:.0f}, {one['generated']:.0f} |"
        )
    yield ""
    ways = next(iter(found.values()))["ways"]
    yield f"| nDCG@10 | mean | {' | '.join(found)} |"
    yield f"| --- | --: |{' --: |' * len(found)}"
    for way in ways:
        means = [one["ways"][way]["mean"] for one in found.values()]
        yield f"| {way} | {statistics.fmean(means):.3f} | {' | '.join(f'{mean:.3f}' for mean in means)} |"


if __name__ == "__main__":
    main()
