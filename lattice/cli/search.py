"""`lattice search`: find passages, the first at once, better ones while the model reads."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lattice.cli.budget import budget_option, check_method, method_option
from lattice.cli.filters import chosen_filters, filter_options
from lattice.cli.indexes import changed_words, changes_of
from lattice.cli.options import choose_index, finite, index_again, index_option, json_option, model_option
from lattice.cli.reading import judge_options, server_of
from lattice.cli.render import usage_words
from lattice.cli.running import engine_option, kv_cache_option
from lattice.cli.sessions import keep_question, question_of, understanding_options
from lattice.cli.terminal import counted, is_terminal, notice
from lattice.cli.views import View, view_for
from lattice.errors import EXIT_INTERRUPTED, EXIT_NOTHING_FOUND, UsageError
from lattice.types import BUILDER_VERSION

if TYPE_CHECKING:
    from lattice.answering import Answer
    from lattice.lattice import Lattice
    from lattice.models.settings import EngineSettings
    from lattice.traversal.judges.choice import JudgeName
    from lattice.traversal.paper import PaperSettings
    from lattice.traversal.search import SearchSettings
    from lattice.types import Question


@click.command("search", short_help="Find the passages that answer a question.")
@click.argument("words", nargs=-1, required=True, metavar="QUERY...")
@click.option("--limit", type=click.IntRange(1), default=10, show_default=True, metavar="N", help="Hits to show.")
@click.option("--trace", is_flag=True, help="Show which branches were opened and how each candidate was judged.")
@model_option
@judge_options
@click.option("--no-model", is_flag=True, help="Rank by lexical and vector search alone.")
@click.option(
    "--min-relevance",
    type=click.FloatRange(0, 1),
    callback=finite,
    default=0.0,
    metavar="X",
    help="Leave out hits below X.",
)
@understanding_options
@filter_options
@method_option
@budget_option
@engine_option
@kv_cache_option
@index_option
@json_option
@click.pass_context
def search_command(
    ctx: click.Context,
    words: tuple[str, ...],
    limit: int,
    trace: bool,
    model: Path | None,
    judge: JudgeName,
    llm: str | None,
    llm_model: str | None,
    relevance: str | None,
    no_model: bool,
    min_relevance: float,
    budget: SearchSettings | PaperSettings,
    engine: EngineSettings | None,
    kv_cache: int,
    index: Path | None,
    as_json: bool,
) -> None:
    """Find the passages that answer QUERY.

    On a terminal the hits of lexical search are there at once and are refined in place while the model reads; anywhere
    else only the final answer is printed. Relevance lies in 0 to 1 and compares within one query; ~ marks hits that
    the model has not read.

    How the model reads, --judge: "likelihood" asks how probable a text makes the query (best for small models),
    "pointwise" for a yes or no a text, "listwise" for the best of a slate, "reasoned" for reasons and scores, which
    --trace shows. "auto" takes likelihood below 2 billion parameters and listwise above. A reranker is always asked
    pointwise, in its own way. "remote" asks a server, which is sent the query and what is shown of passages: that of
    --llm, else of LATTICE_LLM_URL. Its key is LATTICE_LLM_KEY.

    --session NAME keeps what is asked under that name (`lattice sessions`), and later questions may lean on it: a model
    of 2 billion parameters or a server rewrites them, else a rule carries over what they lack. --expand takes one
    generation before the search: what is asked, and words of an answer. Off unless a follow-up is rewritten anyway.

    Globs are relative to the indexed folder. A --budget of seconds caps the usual tokens; iterations replace them.
    --method paper searches as LATTICE was published: from the root down, without lexical and vector search, 20 rounds
    of two branches each unless --budget ends it before. It reads far more, and is there to compare with.

    \b
    lattice search "why does my actor leak memory"
    lattice search "opening hours" --path 'museums/' --type md,pdf --since 1y
    lattice search "and in winter?" --session garden
    lattice search opening hours --limit 3 --json | jq -r '.hits[].path'
    """
    from lattice.lattice import Lattice

    _check_model(model, budget, no_model=no_model)
    question = question_of(ctx, _query(words), reads=not no_model)
    sent, has_other = _sent(question), no_model or model is not None
    server = server_of(llm, llm_model, judge, relevance, has_other=has_other, sent=sent)
    chosen = None if no_model else (model or "auto")
    started, opened, filters = time.monotonic(), choose_index(index), chosen_filters(ctx)
    with Lattice.open(
        opened, model=chosen, judge=judge, relevance=relevance, server=server, engine=engine, kv_cache=kv_cache
    ) as lattice:
        stream = lattice.iter_search(question, limit, settings=budget, min_relevance=min_relevance, filters=filters)
        view = view_for(lattice.store, as_json=as_json, trace=trace)
        code = _carried_out(ctx, lattice, stream, view, started, without_model=no_model)
    ctx.exit(code)


def _sent(question: Question) -> str:
    """Say what a server would be sent."""
    earlier = ", earlier questions of the session" if question.history else ""
    return f"The query{earlier} and passages of the index"


def _carried_out(
    ctx: click.Context, lattice: Lattice, stream: Iterator[Answer], view: View, started: float, *, without_model: bool
) -> int:
    """Show the answers, tell what is to be told of the last one and remember it; give the exit code."""
    answer, interrupted = _follow(stream, view)
    if answer is not None:
        _afterwards(lattice, answer, time.monotonic() - started, without_model=without_model)
        keep_question(ctx, answer, lattice.store.path)
    if interrupted:
        return EXIT_INTERRUPTED
    assert answer is not None
    _warn_if_behind(lattice)
    return 0 if answer.hits else EXIT_NOTHING_FOUND


def _check_model(model: Path | None, budget: SearchSettings | PaperSettings, *, no_model: bool) -> None:
    if no_model and model is not None:
        raise UsageError("--model and --no-model contradict each other; give one of them.")
    check_method(budget, reads=not no_model)


def _query(words: tuple[str, ...]) -> str:
    # Arguments that are no valid text carry lone surrogates, which neither SQLite nor the model takes.
    query = os.fsencode(" ".join(words)).decode("utf-8", "replace").strip()
    if not query:
        raise UsageError('The query is empty. Say what you are looking for: lattice search "opening hours"')
    return query


def _follow(stream: Iterator[Answer], view: View) -> tuple[Answer | None, bool]:
    """Show the answers as they come; give the last one, and whether Ctrl-C ended them."""
    answer: Answer | None = None
    interrupted = False
    try:
        for answer in stream:
            view.grow(answer)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if isinstance(stream, Generator):
            stream.close()
    if answer is not None and interrupted:
        answer = replace(answer, stopped="interrupted")
    if answer is not None:
        view.finish(answer)
    return answer, interrupted


def _afterwards(lattice: Lattice, answer: Answer, seconds: float, *, without_model: bool) -> None:
    """Say on standard error what the hits do not, and remember them for `lattice show`."""
    from lattice.store.places import remember_hits

    store = lattice.store
    problem = remember_hits(store.path, answer.query, [hit.id for hit in answer.hits], store.status().build)
    if problem is not None:
        notice(f"`lattice show N` will not know these hits: {problem}")
    if answer.stopped == "filters":
        notice(str(answer.notice))
        return
    if answer.understood is not None and answer.understood.notice is not None:
        notice(answer.understood.notice)
    if answer.without_vectors is not None:
        notice(answer.without_vectors)
    if not answer.hits:
        notice("Nothing found. Try other words; fewer filters or a lower --min-relevance where they were given.")
    if answer.notice is not None and not without_model:  # whoever asked for --no-model needs no cure for it
        notice(f"mode: {answer.mode}. {answer.notice}")
    if answer.stopped == "interrupted":
        notice("Interrupted; these are the hits so far.")
    elif is_terminal(sys.stderr):
        read = f"; {usage_words(answer.usage)}; stopped: {answer.stopped}" if answer.usage.calls else ""
        notice(f"{counted(len(answer.hits), 'hit')} in {seconds:.1f} s{read}")


def _warn_if_behind(lattice: Lattice) -> None:
    store, status = lattice.store, lattice.store.status()
    cure = index_again(status.root, store.path)
    if changed := changes_of(store.path, status.root, store.settings()):
        notice(f"The index is behind its folder ({changed_words(changed)}). Refresh it: {cure}")
    elif status.builder < BUILDER_VERSION:
        notice(f"An older version of lattice built this index; a new one is searched better. Refresh it: {cure}")
