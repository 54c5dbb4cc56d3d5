"""Which judge reads: the one that was asked for, else the one that suits what the model is for, and its size."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

from lattice.errors import ModelUnusable, UsageError
from lattice.models.prompts import RELEVANCE
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.listwise import ListwiseJudge
from lattice.traversal.judges.pointwise import PointwiseJudge
from lattice.traversal.judges.reading import LabelReader, LikelihoodReader, PairScorer, Writer
from lattice.traversal.judges.reasoned import ReasonedJudge
from lattice.traversal.judges.remote import RemoteJudge
from lattice.traversal.judges.reranker import RerankerJudge
from lattice.traversal.judges.scent import Rarities, evenly
from lattice.types import Judge, ModelKind

JudgeName = Literal["auto", "likelihood", "pointwise", "listwise", "reasoned", "remote"]
JUDGES: tuple[JudgeName, ...] = get_args(JudgeName)

# Models below it are good at likelihoods and bad at following instructions; the paper's own listwise scores collapse
# between 4 and 2 billion parameters (its appendix; docs/method.md).
LISTWISE_PARAMETERS = 2_000_000_000

# What the façade may give a deadline and ask for prices.
ModelJudge = LikelihoodJudge | PointwiseJudge | ListwiseJudge | ReasonedJudge | RerankerJudge | RemoteJudge
# Of these, those that are told things: the likelihood judge reads the bare query, and a reranker has a form of its own.
ToldJudge = PointwiseJudge | ListwiseJudge | ReasonedJudge | RemoteJudge


class Engine(LikelihoodReader, LabelReader, Writer, PairScorer, Protocol):
    """All that judges ask of a model; which verbs it has depends on its kind."""

    parameters: int
    kind: ModelKind


def judge_of(
    engine: Engine, name: JudgeName = "auto", relevance: str | None = None, rarities: Rarities = evenly
) -> Judge:
    """Give the judge of that name on the engine; `rarities` tells how rare words are in the corpus.

    UsageError for an unknown name, or one that the model cannot be; ModelUnusable for a model that cannot judge at all.
    """
    check_judge(name, relevance)
    if name == "remote":
        raise UsageError("The remote judge reads with a server, not with a model file. Give Lattice.open a `server`.")
    if engine.kind == "embedding":
        raise ModelUnusable(
            "An embedding model turns texts into vectors and cannot judge them. Name a reranker or a generative model "
            "with --model, or search with --no-model."
        )
    if engine.kind == "reranker":
        _check_reranker(name, relevance)
        return RerankerJudge(engine)
    told = relevance or RELEVANCE
    chosen = name
    if name == "auto":
        chosen = "likelihood" if engine.parameters < LISTWISE_PARAMETERS else "listwise"
    if chosen == "pointwise":
        return PointwiseJudge(engine, told)
    if chosen == "listwise":
        return ListwiseJudge(engine, told)
    return ReasonedJudge(engine, told) if chosen == "reasoned" else LikelihoodJudge(engine, rarities)


def check_judge(name: str, relevance: str | None = None) -> None:
    """Raise UsageError for a judge that there is not, or a definition of relevance that the judge would not see."""
    if name not in JUDGES:
        raise UsageError(f"There is no judge {name!r}. Judges: {', '.join(JUDGES)}.")
    if relevance is not None and name == "likelihood":
        raise UsageError("The likelihood judge is told nothing of relevance. Choose another judge, or leave it out.")


def _check_reranker(name: JudgeName, relevance: str | None) -> None:
    if name not in {"auto", "pointwise"}:
        raise UsageError(
            f"A reranker scores one text at a time and cannot be a {name} judge. Take --judge pointwise or leave it "
            "out, or name a generative model with --model."
        )
    if relevance is not None:
        raise UsageError(
            "A reranker is told nothing of relevance. Leave --relevance out, or name a generative model with --model."
        )
