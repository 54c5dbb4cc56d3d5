"""PromptReps: the model that reads makes the vectors too, asked for the one word that a text should be known by.

The last token's hidden state is the dense vector, the logits of the word to come are the sparse one: log(1 + ReLU) of
those with which words of the text itself begin (Zhuang et al. 2024, arXiv 2404.18424, section 3). There the instruction
stands behind the text; here it stands before, so that its KV state serves every text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lattice.models.embedders import normalised
from lattice.models.gguf_embedder import EmbeddingModel, GgufEmbedder, Made, found_for
from lattice.models.prompts import (
    REPRESENT_AFTER,
    REPRESENT_ANSWER,
    REPRESENT_BEFORE,
    REPRESENT_SYSTEM,
    Frame,
    Part,
)
from lattice.models.settings import EngineSettings
from lattice.models.sparse import ID, WEIGHT, Terms
from lattice.models.trials import opened
from lattice.tokens import STOPWORDS, words
from lattice.types import Matrix

if TYPE_CHECKING:
    from lattice.models.llama.engine import LlamaEngine

# As many weights of a text are kept, the largest, each in hundredths: the paper's numbers.
MOST_TERMS = 128
HUNDREDTHS = 100
# One text at a time, as `gguf_embedder.ENGINE`; some room more than there, for what the model is asked.
ENGINE = EngineSettings(sequences=1, sequence_tokens=640, batch_tokens=640)

EngineAt = Callable[[Path], "LlamaEngine | None"]
"""Gives the engine that has a model file loaded already, or is about to; None where none has."""


class PromptReps:
    """A loaded model that is asked about texts. `asked` reads queries, `embed_passage` passages."""

    def __init__(self, model: EmbeddingModel, engine: LlamaEngine, *, is_own: bool = True) -> None:
        """Take a model as recorded and the engine that has it loaded; closing this closes the engine if it `is_own`."""
        self.model, self._engine, self._is_own = model, engine, is_own
        self._queries, self._passages = (_frame(engine, kind) for kind in ("query", "passage"))
        self._first = lru_cache(maxsize=100_000)(self._first_token)

    @classmethod
    def load(cls, model: EmbeddingModel, environ: Mapping[str, str], engine_at: EngineAt | None = None) -> PromptReps:
        """Load the very model that is recorded, unless `engine_at` has it; ModelNotFound, ModelUnusable."""
        path = found_for(model, environ)
        engine = None if engine_at is None else engine_at(path)
        return cls(model, engine or opened(path, ENGINE, environ), is_own=engine is None)

    @property
    def dimensions(self) -> int:
        """The length d of a vector."""
        return int(self._engine.represent([], self._passages).hidden.shape[1])

    def embed(self, texts: list[str]) -> Matrix:
        """Give one L2-normalised float32 row a query, (n, d)."""
        rows = [self.asked(text).vector for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dimensions), dtype=np.float32)

    def asked(self, query: str) -> Made:
        """Give what is made of a query."""
        return self._made(query, self._queries)

    def embed_passage(self, text: str) -> Made:
        """Give what is made of a passage."""
        return self._made(text, self._passages)

    def close(self) -> None:
        """Free the model, where nobody else reads with it."""
        if self._is_own:
            self._engine.close()

    def _made(self, text: str, frame: Frame) -> Made:
        read = self._engine.represent([text], frame)
        return Made(normalised(read.hidden)[0], read.usage.trimmed > 0, self._terms(text, read.logits[0]))

    def _terms(self, text: str, logits: Matrix) -> Terms:
        """Give the weights of the tokens that the text's words begin with, the largest of them."""
        first = {self._first(word) for word in set(words(text)) - STOPWORDS} - {-1}
        ids = np.array(sorted(first), dtype=np.intp)
        weights = np.rint(HUNDREDTHS * np.log1p(np.maximum(logits[ids], 0)))
        largest = np.sort(np.argsort(-weights, kind="stable")[:MOST_TERMS])
        kept = largest[weights[largest] > 0]
        return Terms(ids[kept].astype(ID), weights[kept].astype(WEIGHT))

    def _first_token(self, word: str) -> int:
        tokens = self._engine.tokenize(word)
        return tokens[0] if tokens else -1


def load_embedder(
    model: EmbeddingModel, environ: Mapping[str, str], engine_at: EngineAt | None = None
) -> GgufEmbedder | PromptReps:
    """Load the very model that is recorded, as what made the vectors; ModelNotFound, ModelUnusable."""
    return PromptReps.load(model, environ, engine_at) if model.prompt else GgufEmbedder.load(model, environ)


def _frame(engine: LlamaEngine, kind: str) -> Frame:
    before = REPRESENT_BEFORE.format(kind=kind, name=kind.capitalize())
    prompt = engine.prompt(REPRESENT_SYSTEM, before, REPRESENT_AFTER)
    behind = (*prompt.dynamic, Part(REPRESENT_ANSWER.format(kind=kind)))
    # An empty part between would keep the text's end apart from what follows it.
    return Frame(prompt.static, tuple(part for part in behind if part.text))
