"""What judges ask of an engine (`models.llama.engine.LlamaEngine` answers all), and how x becomes a score."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lattice.models.prompts import ABOUT, Frame, Prompt
from lattice.traversal.windows import best_window, first_words
from lattice.types import Candidate, Usage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# A leaf is judged by the words that match the query best. The likelihood judge reads fewer.
WINDOW_WORDS = 60
# A long need is read up to here, for every candidate pays for every word; what the rest would add was not measured.
QUERY_WORDS = 64


class Reading(Protocol):
    """What an engine answers: log P (nats) of each token of the continuation after each text, and the cost."""

    @property
    def by_token(self) -> npt.NDArray[np.float32]:
        """One row a text, shape (texts, tokens of the continuation)."""
        ...

    @property
    def usage(self) -> Usage:
        """What the reading cost."""
        ...


class ProbabilityReader(Protocol):
    """An engine that reads probabilities."""

    def continuation_logprobs(
        self,
        texts: Sequence[str],
        continuation: str,
        *,
        frame: Frame = ...,
        keep: bool = True,
        seconds: float | None = None,
    ) -> Reading:
        """Read log P of `continuation` after each of `texts`, each in its frame."""
        ...

    def cost(self, text: str, continuation: str, frame: Frame = ...) -> int:
        """Give the tokens that reading `continuation` after `text` would evaluate."""
        ...


class Expected(Protocol):
    """How much likelier (nats) a text makes some words than nothing does, by stem, and what reading it cost."""

    @property
    def lifts(self) -> Mapping[str, float]:
        """One entry a stem."""
        ...

    @property
    def usage(self) -> Usage:
        """What the reading cost."""
        ...


class WordReader(Protocol):
    """An engine that reads which words a model expects."""

    def expected_words(self, text: str, frame: Frame, most: int, *, seconds: float | None = None) -> Expected:
        """Read the `most` words that a text makes likelier than nothing does, as what comes next."""
        ...

    def expected_cost(self, text: str, frame: Frame) -> int:
        """Give the tokens that this would evaluate."""
        ...


class LikelihoodReader(ProbabilityReader, WordReader, Protocol):
    """What the likelihood judge asks of an engine."""


class Labels(Protocol):
    """The log-probability of each label after each prompt, shape (prompts, labels), and what reading it cost."""

    @property
    def logprobs(self) -> npt.NDArray[np.float32]:
        """One row a prompt."""
        ...

    @property
    def usage(self) -> Usage:
        """What the reading cost."""
        ...


class LabelReader(Protocol):
    """An engine that reads which answer a model is about to give."""

    def prompt(self, system: str, static: str, dynamic: str) -> Prompt:
        """Frame a request as the model is used to."""
        ...

    def label_logits(
        self, prompts: Sequence[Prompt], labels: Sequence[str], *, keep: bool = True, seconds: float | None = None
    ) -> Labels:
        """Read the log-probability of each label as what is said next."""
        ...

    def prompt_cost(self, prompt: Prompt) -> int:
        """Give the tokens that reading the prompt would evaluate."""
        ...

    def room(self, prompt: Prompt, writing: int = 0) -> int:
        """Give how many tokens are left beside the prompt and `writing` tokens of an answer; below 0: so many over."""
        ...


class Said(Protocol):
    """What a model wrote, and what it cost."""

    @property
    def text(self) -> str:
        """What was written, cut where the tokens or the time were over."""
        ...

    @property
    def usage(self) -> Usage:
        """What it cost."""
        ...


class Writer(Protocol):
    """An engine that writes under a grammar."""

    def prompt(self, system: str, static: str, dynamic: str) -> Prompt:
        """Frame a request as the model is used to."""
        ...

    def generate(
        self, prompt: Prompt, *, grammar: str | None = None, max_tokens: int = 512, seconds: float | None = None
    ) -> Said:
        """Write what follows the prompt, as far as the grammar allows."""
        ...

    def prompt_cost(self, prompt: Prompt) -> int:
        """Give the tokens that reading the prompt would evaluate."""
        ...

    def room(self, prompt: Prompt, writing: int = 0) -> int:
        """Give how many tokens are left beside the prompt and `writing` tokens of an answer; below 0: so many over."""
        ...


class PairScores(Protocol):
    """One score a text, a logit, shape (texts,), and what reading them cost."""

    @property
    def scores(self) -> npt.NDArray[np.float32]:
        """One score a text, in the order asked."""
        ...

    @property
    def usage(self) -> Usage:
        """What the reading cost."""
        ...


class PairScorer(Protocol):
    """An engine whose model scores pairs of query and text: a reranker."""

    def score_pairs(self, query: str, texts: Sequence[str], *, seconds: float | None = None) -> PairScores:
        """Read how well each text answers the query."""
        ...

    def pair_cost(self, query: str, text: str) -> int:
        """Give the tokens that scoring the pair would evaluate."""
        ...


@dataclass(frozen=True, slots=True)
class Scale:
    """Turns what was read, x, into a score σ((x − offset) / width) (method §3.6)."""

    offset: float
    width: float

    def score(self, gain: float) -> float:
        """Give the score in (0, 1) of a gain."""
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, (gain - self.offset) / self.width))))


def shown_text(candidate: Candidate, stems: frozenset[str], words: int) -> str:
    """Give what a judge reads of a candidate: a node's description, a leaf's best window of `words` with its title."""
    if not candidate.is_leaf:
        return candidate.text
    start, end = best_window(candidate.text, stems, words)
    window = candidate.text[start:end]
    return window if not candidate.title or window.startswith(candidate.title) else f"{candidate.title}\n{window}"


def shown_to_fit(
    texts: Sequence[str], prompt_of: Callable[[Sequence[str]], Prompt], room: Callable[[Prompt], int]
) -> tuple[Prompt, int]:
    """Give the prompt of the texts, the longest of them cut after a word until it fits, and how many were cut."""
    shown, words = list(texts), max((len(text) for text in texts), default=0)
    prompt = prompt_of(shown)
    while room(prompt) < 0 and words > 1:
        words = words * 4 // 5
        shown = [first_words(text, words) for text in texts]
        prompt = prompt_of(shown)
    return prompt, sum(cut != text for cut, text in zip(shown, texts, strict=True))


def costs_in_turn(
    texts: Sequence[str], prompt_of: Callable[[Sequence[str]], Prompt], cost: Callable[[Prompt], int]
) -> list[int]:
    """Give what each text adds to the cost of the prompt of all; what the prompt costs without any is on the first.

    One after another, for what stands between two texts costs tokens too.
    """
    sizes = [cost(prompt_of(texts[:count])) for count in range(len(texts) + 1)]
    costs = [after - before for before, after in itertools.pairwise(sizes)]
    return [sizes[0] + costs[0], *costs[1:]] if costs else []


def told(query: str, words: int, problem: str) -> str:
    """Give what a judge is shown as the query: its first `words` words, and what it is about where that is known."""
    shown = shortened(query, words)
    return ABOUT.format(query=shown, problem=problem) if problem else shown


def shortened(query: str, words: int) -> str:
    """Give the first `words` words of a query."""
    return " ".join(query.split()[:words])
