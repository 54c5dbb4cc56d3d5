"""Which judge reads: the one that was asked for, else the one that suits the model's size."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

from lattice.errors import UsageError
from lattice.models.prompts import RELEVANCE
from lattice.traversal.judges.likelihood import LikelihoodJudge
from lattice.traversal.judges.listwise import ListwiseJudge
from lattice.traversal.judges.pointwise import PointwiseJudge
from lattice.traversal.judges.reading import LabelReader, ProbabilityReader, Writer
from lattice.traversal.judges.reasoned import ReasonedJudge
from lattice.traversal.judges.remote import RemoteJudge
from lattice.types import Judge

JudgeName = Literal["auto", "likelihood", "pointwise", "listwise", "reasoned", "remote"]
JUDGES: tuple[JudgeName, ...] = get_args(JudgeName)

# Models below it are good at likelihoods and bad at following instructions; the paper's own listwise scores collapse
# between 4 and 2 billion parameters (its appendix; docs/method.md).
LISTWISE_PARAMETERS = 2_000_000_000

# What the façade may give a deadline and ask for prices.
ModelJudge = LikelihoodJudge | PointwiseJudge | ListwiseJudge | ReasonedJudge | RemoteJudge


class Engine(ProbabilityReader, LabelReader, Writer, Protocol):
    """All that judges ask of a model."""

    parameters: int


def judge_of(engine: Engine, name: JudgeName = "auto", relevance: str | None = None) -> Judge:
    """Give the judge of that name on the engine; UsageError for an unknown name, and for the one without an engine."""
    check_judge(name, relevance)
    if name == "remote":
        raise UsageError("The remote judge reads with a server, not with a model file. Give Lattice.open a `server`.")
    told = relevance or RELEVANCE
    chosen = name
    if name == "auto":
        chosen = "likelihood" if engine.parameters < LISTWISE_PARAMETERS else "listwise"
    if chosen == "pointwise":
        return PointwiseJudge(engine, told)
    if chosen == "listwise":
        return ListwiseJudge(engine, told)
    return ReasonedJudge(engine, told) if chosen == "reasoned" else LikelihoodJudge(engine)


def check_judge(name: str, relevance: str | None = None) -> None:
    """Raise UsageError for a judge that there is not, or a definition of relevance that the judge would not see."""
    if name not in JUDGES:
        raise UsageError(f"There is no judge {name!r}. Judges: {', '.join(JUDGES)}.")
    if relevance is not None and name == "likelihood":
        raise UsageError("The likelihood judge is told nothing of relevance. Choose another judge, or leave it out.")
