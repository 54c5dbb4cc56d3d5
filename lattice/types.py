"""What travels between the rooms: frozen values, no behaviour beyond arithmetic. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# By name: whoever prints the first lexical hits must not wait for numpy.
Matrix: TypeAlias = "npt.NDArray[np.float32]"
NodeKind = Literal["root", "cluster", "folder", "document", "section", "passage"]
ModelKind = Literal["generative", "embedding", "reranker"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where in its file a text stands; `start` and `end` are 1-based and inclusive."""

    kind: Literal["lines", "page"]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """A run of text below one heading path (outermost heading first), or one page."""

    heading: tuple[str, ...]
    text: str
    location: Location


@dataclass(frozen=True, slots=True)
class Document:
    """One file, read. `path` is relative to the corpus root, with forward slashes; `modified_ns` is its mtime."""

    path: str
    title: str
    sections: tuple[Section, ...]
    content_hash: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Passage:
    """The unit that is retrieved: a stretch of one document. `position` is its 0-based order in the document."""

    document: str
    position: int
    title: str
    heading: tuple[str, ...]
    text: str
    location: Location
    content_hash: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree (paper: v). Leaves are the nodes of kind "passage"; they have `passage` set, others None.

    `description` is φ(v): a summary for internal nodes; a leaf's is a short label (its text is its passage's).
    `leaves` counts the passages below (1 for a leaf); `depth` is 0 at the root. `name` is short and for people, and no
    two inner siblings share it; empty for leaves, and in an index of before there were any.
    """

    id: int
    parent: int | None
    kind: NodeKind
    description: str
    leaves: int
    depth: int
    passage: int | None = None
    name: str = ""

    @property
    def is_leaf(self) -> bool:
        """Whether the node stands for a passage."""
        return self.passage is not None

    @property
    def label(self) -> str:
        """What a person is shown of the node: its name, or its description where it has none."""
        return self.name or self.description


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was left out of an index, and why, in words for a person.

    `size` in bytes and `modified_ns` tell whether it has been mended since; 0 where the file could not be looked at.
    """

    path: str
    reason: str
    size: int = 0
    modified_ns: int = 0


# Raise it with every change that makes another index of the same files and settings: in the readers, the tokeniser, the
# passages, the vectors, the tree or its descriptions. An index that a lower number built is then built anew.
BUILDER_VERSION = 5
TFIDF = "tfidf"  # the embedder that needs no model
PROMPTREPS = "promptreps"  # the embedder that asks the model that reads; alone, or before ":" and which model that is
MODEL_ARRAY = "gguf"  # where it is among an index's arrays, a model made the vectors: the record of which


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What an index was built with; stored in it, so that a build can be reproduced.

    `branching` is the paper's M. `passage_words` bounds a passage's length in words; `max_file_bytes` the files read;
    `dimensions` and `vocabulary` bound the embedder. `clusterer` and `structure` name how what is alike is grouped, and
    what of the author's own order is kept (see `index_builder`). `seed` decides every random choice. `embedder` makes
    the vectors: TFIDF, which is fitted to the corpus, or an embedding model's name or GGUF file, which then reads
    `query_prefix` before a query and `passage_prefix` before a passage, or PROMPTREPS, the model that writes, as
    LATTICE_MODEL or the name after a colon ("promptreps:qwen") has it. `descriptions` names what writes them,
    "extractive" or "llm"; `described_by` the model and the version of the prompt that did. `strategy` is "bottom-up"
    or "top-down", and `organised_by` the model and prompt that organised top-down, empty where vectors did. Who it was
    is filled in by the build.
    """

    branching: int = 12
    min_passage_words: int = 40
    max_passage_words: int = 200
    max_file_bytes: int = 20_000_000
    dimensions: int = 192
    vocabulary: int = 40_000
    description_words: int = 40
    seed: int = 0
    clusterer: str = "agglomerative"
    structure: str = "auto"
    embedder: str = TFIDF
    query_prefix: str = ""
    passage_prefix: str = ""
    descriptions: str = "extractive"
    described_by: str = ""
    strategy: str = "bottom-up"
    organised_by: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole index in memory, as the builder makes it and the store writes it.

    The passage with id i is `passages[i - 1]` and has the vector `vectors[i - 1]`; passages stand in the order of
    (document path, position). Nodes stand parents first, the root at index 0; node i has id i + 1, and the children of
    a node are ordered by id. `embedder` holds the fitted embedder as plain arrays. By node id, `index_terms` are the
    stems that an inner node is found by, the most telling first, and `summaries` those of five lengths that a model
    wrote of what it organised, the shortest first.
    """

    root: str
    documents: tuple[Document, ...]
    passages: tuple[Passage, ...]
    nodes: tuple[Node, ...]
    vectors: Matrix
    embedder: dict[str, npt.NDArray[np.generic]]
    settings: BuildSettings
    skipped: tuple[Skipped, ...] = ()
    summaries: dict[int, tuple[str, ...]] = field(default_factory=dict)
    index_terms: dict[int, tuple[str, ...]] = field(default_factory=dict)


# A description says what a node is called, then its characteristic terms: "Title one; Title two — terms: a, b, c".
BEFORE_TERMS = " — terms: "


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entry of a slate: a node and the text that the judge reads for it (a leaf's passage, a node's φ).

    `index_terms` are the stems that an inner node is found by; none where its index has none of it.
    """

    node: int
    text: str
    is_leaf: bool
    title: str = ""
    index_terms: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Slate:
    """Candidates judged in one go. `origin` is the node whose children they are; None for a seed slate."""

    origin: int | None
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Usage:
    """What work cost: tokens evaluated by the model, reused from kept state and generated; calls; seconds.

    `trimmed` counts the texts whose end was cut, for they were longer than the model's context.
    """

    evaluated: int = 0
    reused: int = 0
    generated: int = 0
    calls: int = 0
    seconds: float = 0.0
    trimmed: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.evaluated + other.evaluated,
            self.reused + other.reused,
            self.generated + other.generated,
            self.calls + other.calls,
            self.seconds + other.seconds,
            self.trimmed + other.trimmed,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the words, the earlier questions that they may lean on, and whether a model is to expand them.

    `history` holds earlier questions of the same conversation as they were asked, oldest first. `expand` None leaves
    it to the model: one that writes anyway, to make a follow-up stand alone, expands it too, and no other does.
    """

    text: str
    history: tuple[str, ...] = ()
    expand: bool | None = None


@dataclass(frozen=True, slots=True)
class Understanding:
    """What is searched for in place of a question as it was asked, and how that came about.

    `query` stands alone. `carried` are the words that a rule took over from earlier questions, where no model rewrote
    it (`rewritten`). `problem` says what is essentially asked and `vocabulary` which words an answer is likely to hold,
    both empty where no model was asked. `notice` tells a person what went wrong; `usage` is what a model took for it.
    """

    query: str
    carried: tuple[str, ...] = ()
    rewritten: bool = False
    problem: str = ""
    vocabulary: tuple[str, ...] = ()
    notice: str | None = None
    usage: Usage = Usage()


class OutOfTime(TimeoutError):
    """The time for a judgement was over before it was complete; `usage` is what was spent on it all the same."""

    def __init__(self, usage: Usage) -> None:
        super().__init__("the time for this judgement is over")
        self.usage = usage


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's answer for one slate: a score in [0, 1] for each candidate, in the slate's order (paper: s).

    `notes` tells a person what is wrong with the judge's work for this query up to here, a sentence each.
    """

    scores: tuple[float, ...]
    usage: Usage
    reasoning: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrailNode:
    """One step on the way from the root to a hit; `name` is short and for people, `description` what a judge reads."""

    id: int
    description: str
    name: str = ""

    @property
    def label(self) -> str:
        """What a person is shown of it: its name, or its description where it has none."""
        return self.name or self.description


@dataclass(frozen=True, slots=True)
class Hit:
    """One ranked result. `relevance` is in [0, 1] and comparable within one query only.

    `id` is the leaf's node id; `marks` are the characters [start, end) of `snippet` that match the query; `judged`
    tells whether the model has read the passage; `trail` leads from below the root to the passage's parent.
    """

    rank: int
    id: int
    path: str
    title: str
    heading: tuple[str, ...]
    location: Location
    snippet: str
    marks: tuple[tuple[int, int], ...]
    relevance: float
    judged: bool
    trail: tuple[TrailNode, ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents a search may find: those for which all that is given holds. Nothing given admits everything.

    `paths` and `exclude` are globs as in .gitignore, relative to the root: one of `paths` must match the document or a
    folder above it, none of `exclude` may. `types` are suffixes ("md") or families ("markdown", "code"). `since` is the
    earliest change of the file: a date, a time, either in ISO 8601, or an age ("30d", "2w", "6m", "1y").
    `excluded_ids` names documents that count as absent, as `Hit.path` does.
    """

    paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: date | str | None = None
    exclude: tuple[str, ...] = ()
    excluded_ids: frozenset[str] = frozenset()


class Judge(Protocol):
    """Reads a slate and says how relevant each candidate is to the query."""

    slate_dependent: bool
    """Whether a score depends on the company it was judged in (then scores need anchors and a bias a slate)."""

    def score(self, query: str, slate: Slate) -> Judgement:
        """Score every candidate of `slate` in [0, 1]."""
        ...


@runtime_checkable
class SlatesJudge(Judge, Protocol):
    """A judge that scores several slates in less time than one after the other, such as one on a server."""

    def score_all(self, query: str, slates: Sequence[Slate]) -> Sequence[Judgement]:
        """Score every candidate of every slate, in their order."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors."""

    def embed(self, texts: list[str]) -> Matrix:
        """Give one L2-normalised float32 row a text (a zero row where the text holds no known term)."""
        ...


@dataclass(frozen=True, slots=True)
class Group:
    """A node that is to be described: the 0-based indices of the passages below each of its `children`.

    `headings` are the author's names for the node; `described[i]` is the description, or label, of child i; `said` is
    what a model has said of the node already, when it made it.
    """

    children: Sequence[Sequence[int]]
    headings: Sequence[str] = ()
    described: Sequence[str] = ()
    said: str = ""

    @property
    def leaves(self) -> list[int]:
        """The indices of all passages below, in order."""
        return [leaf for child in self.children for leaf in child]


class Summarizer(Protocol):
    """Writes the descriptions φ of internal nodes; made for one corpus, whose passages it knows by their index."""

    def describe_all(self, groups: Sequence[Group]) -> Iterator[tuple[int, str]]:
        """Yield the index of each group and its description, as they come."""
        ...


class Tree(Protocol):
    """Read access to a tree, however it is kept: the store's and the in-memory one of tests and simulations."""

    def root(self) -> Node:
        """Give the root."""
        ...

    def node(self, node: int) -> Node:
        """Give one node; KeyError when there is none with that id."""
        ...

    def children(self, node: int) -> tuple[Node, ...]:
        """Give the children of a node in their stored order; empty for a leaf."""
        ...

    def candidates(self, nodes: tuple[int, ...]) -> tuple[Candidate, ...]:
        """Give what a judge reads for each of the nodes, in the order asked."""
        ...
