"""A GGUF embedding model that makes the vectors of an index, and how a search finds the very same one again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lattice.errors import IndexCorrupt, ModelNotFound, ModelProblem, ModelUnusable
from lattice.models.embedders import Array
from lattice.models.gguf import part_files, read_gguf, stem_of
from lattice.models.kinds import refusal
from lattice.models.prompts import REPRESENT_VERSION
from lattice.models.registry import EMBEDDED_CURE, find_source, is_path, optimized_copy
from lattice.models.settings import EngineSettings
from lattice.models.shelf import Progress, digest, entries, state_of
from lattice.models.sparse import NO_TERMS, Terms
from lattice.models.trials import opened
from lattice.types import MODEL_ARRAY, PROMPTREPS, Matrix, ModelKind

if TYPE_CHECKING:
    from lattice.models.llama.engine import LlamaEngine

# One text at a time: a vector then depends on its text alone, so that one kept from an earlier build is, bit for bit,
# what it would be if made again. Passages nearly fill a batch anyway.
ENGINE = EngineSettings(sequences=1)


@dataclass(frozen=True, slots=True)
class Made:
    """What a model makes of a text: its L2-normalised float32 vector, (d,), and whether its end was cut for its length.

    `terms` is its sparse vector, empty where the model makes none.
    """

    vector: Matrix
    was_cut: bool
    terms: Terms = NO_TERMS


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """Which model made an index's vectors, of `dimensions` each, and what it reads before a query and a passage.

    The SHA-256 and the `size` in bytes are of all parts of the model; `mtime_ns` is of the newest. The file is the same
    where its size and time are, or else where its SHA-256 is. `prompt` is the version of PromptReps' wording; 0 for an
    embedding model, which is not asked anything.
    """

    name: str
    path: str
    sha256: str
    size: int
    mtime_ns: int
    dimensions: int
    query_prefix: str = ""
    passage_prefix: str = ""
    prompt: int = 0

    @property
    def shown(self) -> str:
        """What a person is told made the vectors."""
        return f"{PROMPTREPS} by {self.name}" if self.prompt else self.name

    @property
    def kind(self) -> ModelKind:
        """What the model must be for."""
        return "generative" if self.prompt else "embedding"

    def arrays(self) -> dict[str, Array]:
        """Give the record as an index keeps it: JSON, as an array of bytes."""
        return {MODEL_ARRAY: np.frombuffer(json.dumps(asdict(self), sort_keys=True).encode("ascii"), dtype=np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> EmbeddingModel | None:
        """Give the model that `arrays` record; None where they are of TF-IDF. IndexCorrupt where they are damaged."""
        if MODEL_ARRAY not in arrays:
            return None
        try:
            record = {"prompt": 0, **json.loads(arrays[MODEL_ARRAY].tobytes())}  # older indexes know no prompt
            model = cls(**{one.name: record[one.name] for one in fields(cls)})
            numbers = (model.size, model.mtime_ns, model.dimensions, model.prompt)
            is_sound = all(isinstance(one, int) for one in numbers)
            texts = (model.name, model.path, model.sha256, model.query_prefix, model.passage_prefix)
            if not is_sound or not all(isinstance(one, str) for one in texts):
                raise TypeError
        except (ValueError, KeyError, TypeError) as error:
            raise IndexCorrupt("the index's record of its embedder is damaged; build the index again") from error
        return model

    def makes_the_same(self, other: EmbeddingModel) -> bool:
        """Whether the other model makes the same vectors of the same passages."""
        mine, others = ((one.sha256, one.passage_prefix, one.prompt) for one in (self, other))
        return mine == others


def find_embedding_model(
    named: str,
    prefixes: tuple[str, str],
    environ: Mapping[str, str],
    known: EmbeddingModel | None = None,
    progress: Progress | None = None,
) -> tuple[EmbeddingModel, Path]:
    """Give the model that an embedder's name or path means, as it is to be recorded, and where it lies.

    `known` is the record of the index that is refreshed: a model that has moved since is found by it, and one that is
    unchanged is not hashed again. `dimensions` is 0 until the model is loaded, unless known. Raises ModelNotFound, and
    ModelUnusable where the file is no whole model or one of another kind.
    """
    is_asked = asks(named)
    prompt = REPRESENT_VERSION if is_asked else 0
    said = named.removeprefix(f"{PROMPTREPS}:") if is_asked else named
    try:
        path = _found(said, environ, known) if is_asked else find_source(said, environ, "--embedder")
        assert path is not None
    except ModelNotFound as error:
        if known is None or said not in {known.name, known.path}:
            raise ModelNotFound(f"{error} --embedder tfidf needs no model.") from error
        path = place_of(known, environ)
    _check_kind(path, "generative" if is_asked else "embedding")
    size, mtime_ns = _stamp(path)
    if known is not None and (known.path, known.size, known.mtime_ns) == (str(path), size, mtime_ns):
        sha256 = known.sha256
    else:
        sha256 = digest(_parts(path), f"hashing {path.name}", progress)
    dimensions = known.dimensions if known is not None and known.sha256 == sha256 else 0
    name = stem_of(path) if is_path(said) else said
    return EmbeddingModel(name, str(path), sha256, size, mtime_ns, dimensions, *prefixes, prompt), path


def asks(embedder: str) -> bool:
    """Whether an embedder of that name is PromptReps, by whichever model."""
    return embedder == PROMPTREPS or embedder.startswith(f"{PROMPTREPS}:")


def _found(named: str, environ: Mapping[str, str], known: EmbeddingModel | None) -> Path:
    """Give the file that reads with the model of that name: its optimised copy, unless `known` was made without."""
    source = find_source(None if named == PROMPTREPS else named, environ, "--embedder promptreps")
    if source is None:
        raise ModelNotFound(f"--embedder promptreps asks a model that writes, and there is none: {EMBEDDED_CURE}.")
    if known is not None and known.path == str(source):
        return source
    return optimized_copy(source, environ) or source


def place_of(model: EmbeddingModel, environ: Mapping[str, str]) -> Path:
    """Give the file of the very same model: where it was, else one that is registered. ModelNotFound with the cure."""
    recorded = Path(model.path)
    if _is_untouched(model, recorded):
        return recorded
    # What was hashed when it was registered first: to hash a large model takes seconds, at every search.
    registered = [one for one in entries(environ) if one.sha256 == model.sha256]
    known = next((one.path for one in registered if state_of(one) == "ok"), None)
    if known is not None:
        return known
    same = next((path for path in (recorded, *(one.path for one in registered)) if _is_same(model, path)), None)
    if same is not None:
        return same
    what = "another file lies at" if recorded.is_file() else "there is no file at"
    raise ModelNotFound(
        f"The index's embedding model {model.name} (SHA-256 {model.sha256[:12]}…) is not here: {what} {model.path}. "
        "Put it back or register it by lattice models add PATH; or build the index again with --embedder."
    )


def problem_of(model: EmbeddingModel, environ: Mapping[str, str]) -> str | None:
    """Say why the model is not here to embed queries, and the cure; None where it is. It is not loaded."""
    try:
        found_for(model, environ)
    except ModelProblem as problem:
        return str(problem)
    return None


def found_for(model: EmbeddingModel, environ: Mapping[str, str]) -> Path:
    """Give the file of the very same model, which is of the kind that is needed; ModelNotFound, ModelUnusable."""
    path = place_of(model, environ)
    _check_kind(path, model.kind)
    return path


class GgufEmbedder:
    """A loaded embedding model. `embed` reads queries, `embed_passages` passages, each with its prefix."""

    def __init__(self, model: EmbeddingModel, engine: LlamaEngine) -> None:
        """Take a model as recorded and the engine that has it loaded; closing this closes the engine."""
        self.model, self._engine = model, engine

    @classmethod
    def load(cls, model: EmbeddingModel, environ: Mapping[str, str]) -> GgufEmbedder:
        """Load the very model that is recorded; ModelNotFound, ModelUnusable."""
        return cls(model, opened(found_for(model, environ), ENGINE, environ))

    @property
    def dimensions(self) -> int:
        """The length d of a vector."""
        return int(self._engine.embed([]).shape[1])

    def embed(self, texts: list[str]) -> Matrix:
        """Give one L2-normalised float32 row a query, (n, d)."""
        return self._engine.embed([self.model.query_prefix + text for text in texts])

    def embed_passage(self, text: str) -> Made:
        """Give what is made of a passage."""
        made = self._engine.embed_counted([self.model.passage_prefix + text])
        return Made(made.rows[0], made.usage.trimmed > 0)

    def asked(self, query: str) -> Made:
        """Give what is made of a query."""
        return Made(self.embed([query])[0], False)

    def close(self) -> None:
        """Free the model."""
        self._engine.close()


def _check_kind(path: Path, wanted: ModelKind) -> None:
    kind = read_gguf(path).kind
    if kind != wanted:
        raise ModelUnusable(f"{refusal(path.name, kind, wanted)} --embedder tfidf needs no model.")


def _is_untouched(model: EmbeddingModel, path: Path) -> bool:
    try:
        return _stamp(path) == (model.size, model.mtime_ns)
    except OSError:
        return False


def _is_same(model: EmbeddingModel, path: Path) -> bool:
    try:
        return _stamp(path)[0] == model.size and digest(_parts(path), "") == model.sha256
    except OSError:
        return False


def _parts(path: Path) -> Sequence[Path]:
    return [path.with_name(name) for name in part_files(path.name)]


def _stamp(path: Path) -> tuple[int, int]:
    stats = [os.stat(part) for part in _parts(path)]
    return sum(one.st_size for one in stats), max(one.st_mtime_ns for one in stats)
