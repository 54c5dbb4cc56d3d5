"""What a build would take, from a sample of it: the folder is read and cut, and nothing is kept."""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lattice.corpus.read import read_corpus
from lattice.corpus.walk import check_root
from lattice.describing import DescribingModel, LazyAuthor, organised_by
from lattice.embedding import TRIMMED_ARRAY, PassageVectors, passage_vectors
from lattice.index_builder.authors import Author, Call, NothingKept, Said, Writing
from lattice.index_builder.build import build, embedded_text
from lattice.index_builder.organising import Organising
from lattice.index_builder.top_down import organised_units
from lattice.models.embedders import RARE_TERMS_UP_TO, terms_of
from lattice.models.gguf_embedder import asks
from lattice.models.prompts import DESCRIBE_STATIC
from lattice.models.sparse import SPARSE_ARRAYS
from lattice.store.write import write
from lattice.types import TFIDF, BuildSettings, Document, Passage, Snapshot, Usage

# Of a few hundred documents or more the tree's shape is that of the whole; the vectors of these take some seconds.
SAMPLE_PASSAGES = 2_000
# A model embeds some tens of passages a second, not some hundreds.
SAMPLE_EMBEDDED = 200
# A model that reads is larger, and takes a second or more for each.
SAMPLE_ASKED = 40
# What small models write varies by two thirds of its mean: of so many calls the mean is known within 15 %.
SAMPLE_CALLS = 24
_FEW = 8

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a build takes: `files` and `passages` as they are, the rest estimated from `sample_passages` of them.

    `calls` of a model read `tokens_read` tokens and write `tokens_written`, by the measure of `sample_calls` calls; all
    are 0 where none describes. Results that are kept from an earlier build are not taken off. `bytes` is the index
    file's size; `seconds` are on this machine as busy as it is now.
    """

    files: int
    passages: int
    skipped: int
    nodes: int
    calls: int
    tokens_read: int
    tokens_written: int
    seconds: float
    bytes: int
    sample_passages: int
    sample_calls: int


@dataclass(frozen=True, slots=True)
class _Calls:
    """A mean call of a model: tokens read and written, seconds; and how many calls were made to know."""

    read: float = 0.0
    written: float = 0.0
    seconds: float = 0.0
    measured: int = 0


@dataclass(frozen=True, slots=True)
class _Trial:
    """A build of a sample: what came of it, its index's bytes, its seconds, and what a model would be shown."""

    snapshot: Snapshot
    bytes: int
    seconds: float
    shown: tuple[Call, ...]


def estimate(
    folder: Path,
    settings: BuildSettings,
    model: DescribingModel | None = None,
    index: Path | None = None,
    progress: Progress | None = None,
    *,
    sample_passages: int = SAMPLE_PASSAGES,
    sample_calls: int = SAMPLE_CALLS,
) -> Estimate:
    """Estimate what indexing `folder` takes; `index` is where the index would lie. Nothing is kept.

    `model` is asked for some descriptions where `settings` want a model's. Raises what `indexing.index_folder` raises.
    """
    started = time.perf_counter()
    root = folder.expanduser().resolve()
    check_root(root)
    if settings.strategy == "top-down":
        settings = replace(settings, organised_by=organised_by(model or DescribingModel()))
    report = progress or _silent
    corpus = read_corpus(root, settings, lambda done, total: report("reading", done, total), index)
    reading = time.perf_counter() - started
    passages = corpus.passages
    sample = _sampled(passages, min(sample_passages, _most_embedded(settings)), settings.seed)
    report("a sample", 0, 1)
    empty, trial = _trials(sample, settings)
    times = len(passages) / len(sample) if sample else 1.0
    inner = sum(not node.is_leaf for node in trial.snapshot.nodes) * times
    calls = _calls_of_kinds(trial.shown, model or DescribingModel(), sample_calls, settings.seed, report)
    counts = {kind: count * times for kind, count in _counts(trial, len(passages), settings).items()}
    asking = sum(calls[kind].seconds * count for kind, count in counts.items())
    return Estimate(
        files=len(corpus.documents),
        passages=len(passages),
        skipped=len(corpus.skipped),
        nodes=len(passages) + round(inner),
        calls=round(sum(counts.values())),
        tokens_read=round(sum(calls[kind].read * count for kind, count in counts.items())),
        tokens_written=round(sum(calls[kind].written * count for kind, count in counts.items())),
        # What an empty build takes as well, such as loading a model, every build takes once.
        seconds=reading + empty.seconds + (trial.seconds - empty.seconds) * times + asking,
        bytes=empty.bytes + _grown_bytes(trial, empty.bytes, passages, sample, settings) if sample else empty.bytes,
        sample_passages=len(sample),
        sample_calls=sum(one.measured for one in calls.values()),
    )


def _most_embedded(settings: BuildSettings) -> int:
    """Give how many passages may be embedded for an estimate."""
    if settings.embedder == TFIDF:
        return sys.maxsize
    return SAMPLE_ASKED if asks(settings.embedder) else SAMPLE_EMBEDDED


def _sampled(passages: Sequence[Passage], most: int, seed: int) -> list[Passage]:
    """Draw whole documents, for of their outlines a part of the tree is made."""
    by_document: dict[str, list[Passage]] = {}
    for passage in passages:
        by_document.setdefault(passage.document, []).append(passage)
    names = sorted(by_document)
    random.Random(seed).shuffle(names)  # noqa: S311 - a sample, no secret
    sample: list[Passage] = []
    for name in names:
        if len(sample) + len(by_document[name]) <= most or not sample:
            sample += by_document[name]
    return sample


def _trials(sample: Sequence[Passage], settings: BuildSettings) -> tuple[_Trial, _Trial]:
    """Build and write an empty index and that of the sample, where both go again."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "sample.lattice"
        vectors = passage_vectors(settings, path)
        _tried(sample[:_FEW], settings, vectors, path)  # loads the libraries, which a large build does once as well
        return _tried((), settings, vectors, path), _tried(sample, settings, vectors, path)


def _tried(sample: Sequence[Passage], settings: BuildSettings, vectors: PassageVectors | None, path: Path) -> _Trial:
    started = time.perf_counter()
    author = _Listener()
    writing = Writing(author, "", NothingKept())
    describing = writing if settings.descriptions == "llm" else None
    organising = Organising(writing, persists=True) if settings.organised_by else None
    content = ("", (), sample, (), settings)
    snapshot = build(*content, vectors_of=vectors, writing=describing, organising=organising)
    # Documents weigh next to nothing, but passages must belong to one.
    documents = tuple(_document(name) for name in sorted({passage.document for passage in sample}))
    write(path, replace(snapshot, documents=documents), "")
    return _Trial(snapshot, path.stat().st_size, time.perf_counter() - started, tuple(author.shown))


def _counts(trial: _Trial, passages: int, settings: BuildSettings) -> dict[str, float]:
    """Give how many calls of each kind there are, for as many passages as were tried, in a build of so many.

    Pseudo-leaves are organised of many passages; what a model organises, it says something of, and nobody describes it.
    """
    counts: dict[str, float] = dict(Counter(call.static for call in trial.shown))
    organised = organised_units(passages, settings.branching) / max(1, passages)
    for kind in counts.keys() - {DESCRIBE_STATIC}:
        counts[kind] *= organised
    if settings.organised_by and DESCRIBE_STATIC in counts:
        clusters = sum(node.kind == "cluster" for node in trial.snapshot.nodes)
        counts[DESCRIBE_STATIC] = max(0, counts[DESCRIBE_STATIC] - clusters * organised)
    return counts


def _calls_of_kinds(
    shown: Sequence[Call], model: DescribingModel, most: int, seed: int, report: Progress
) -> dict[str, _Calls]:
    """Measure the calls of each kind, by their instruction: they show and write different amounts."""
    kinds = sorted({call.static for call in shown})
    return {
        kind: _calls([call for call in shown if call.static == kind], model, -(-most // len(kinds)), seed, report)
        for kind in kinds
    }


def _calls(shown: Sequence[Call], model: DescribingModel, most: int, seed: int, report: Progress) -> _Calls:
    """Ask the model for some of the descriptions, and measure what a mean one takes."""
    if not shown:
        return _Calls()
    model.identity()  # where there is none, it says so
    drawn = random.Random(seed)  # noqa: S311 - a sample, no secret
    chosen = drawn.sample(shown, min(most, len(shown)))
    author = LazyAuthor(model)
    try:
        list(author.answers(chosen[:1]))  # loads the model, which a build does once
        usage = _asked(author, chosen, report)
    finally:
        author.close()
    # What is read grows with what is shown, of which all is known.
    share = _length(shown) / _length(chosen)
    count = len(chosen)
    return _Calls(usage.evaluated / count * share, usage.generated / count, usage.seconds / count, count)


def _length(calls: Sequence[Call]) -> float:
    """Give the mean number of characters that calls show."""
    return sum(len(call.dynamic) for call in calls) / len(calls)


def _asked(author: Author, chosen: Sequence[Call], report: Progress) -> Usage:
    usage, started = Usage(), time.perf_counter()
    for done, (_, said) in enumerate(author.answers(chosen), start=1):
        # The time between two answers: a server writes several at once.
        usage += replace(said.usage, seconds=time.perf_counter() - started)
        started = time.perf_counter()
        report("sample calls", done, len(chosen))
    return usage


class _Listener:
    """Writes nothing, so that the rule describes, and keeps what it was shown."""

    def __init__(self) -> None:
        self.shown: list[Call] = []

    def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Said]]:
        self.shown += calls
        return ((number, _SaidNothing()) for number in range(len(calls)))


@dataclass(frozen=True, slots=True)
class _SaidNothing:
    text: str = ""
    usage: Usage = field(default_factory=Usage)


def _document(name: str) -> Document:
    return Document(name, "", (), "", 0, 0)


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass


def _grown_bytes(
    trial: _Trial, fixed: int, passages: Sequence[Passage], sample: Sequence[Passage], settings: BuildSettings
) -> int:
    """Scale the parts of an index that grow with the passages, and those that grow with the vocabulary."""
    arrays, width = trial.snapshot.embedder, trial.snapshot.vectors.shape[1]
    times = len(passages) / len(sample)
    # Of what is kept of the embedder, some is a row a passage, and grows as the rest of the index does.
    fitted = sum(array.nbytes for name, array in arrays.items() if name not in {TRIMMED_ARRAY, *SPARSE_ARRAYS})
    vectors = trial.snapshot.vectors.nbytes
    # Fitted to fewer passages than dimensions, vectors have fewer dimensions than those of the whole.
    is_narrow = settings.embedder == TFIDF and width < settings.dimensions
    wider = min(settings.dimensions, len(passages)) / width if is_narrow else 1.0
    terms = _vocabulary_growth(sample, times, settings) if "terms" in arrays else 1.0
    return round((trial.bytes - fixed - fitted - vectors) * times + vectors * wider * times + fitted * wider * terms)


def _vocabulary_growth(sample: Sequence[Passage], times: float, settings: BuildSettings) -> float:
    """Give how many times the sample's terms the whole has, by Heaps' law V(n) = K n^β, with β from half the sample."""
    found = [set(terms_of(embedded_text(passage))) for passage in sample]
    fewest = 1 if len(sample) * times <= RARE_TERMS_UP_TO else 2
    here = _terms(found, 1 if len(sample) <= RARE_TERMS_UP_TO else 2)
    half, whole = _terms(found[: len(found) // 2], fewest), _terms(found, fewest)
    exponent = math.log2(whole / half) if half and whole > half else 0.0
    grown = whole * math.pow(times, exponent)
    return min(grown, settings.vocabulary) / max(1, min(here, settings.vocabulary))


def _terms(found: Sequence[set[str]], fewest: int) -> int:
    held = Counter(term for terms in found for term in terms)
    return sum(count >= fewest for count in held.values())
