"""`lattice eval`: how good a search is, on a collection of queries with known answers."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lattice.cli.options import json_option, model_option, path_of
from lattice.cli.progress import Bars
from lattice.cli.reading import judge_options, server_of
from lattice.cli.terminal import notice, print_json
from lattice.errors import EXIT_CHECK_FAILED, EXIT_INTERRUPTED, UsageError

if TYPE_CHECKING:
    from lattice.evaluate.collection import Collection
    from lattice.evaluate.gate import Verdict
    from lattice.evaluate.session import Outcome, Plan

# Options that decide the figures.
_COUNTED = ("methods", "baseline", "queries", "seed", "split", "budget", "judge", "llm", "llm_model", "relevance")
_UNSAID = {"judge": "auto"}  # what need not be said


@click.command("eval", short_help="Measure searches on queries with known answers.")
@click.argument("collection", type=click.Path(), callback=path_of)
@click.option("--methods", default="bm25,prior,lattice", show_default=True, metavar="LIST", help="What to compare.")
@click.option("--baseline", metavar="NAME", help="What differences are taken to; by default the first method.")
@click.option("--queries", type=click.IntRange(1), metavar="N", help="Take a sample of N queries.")
@click.option("--seed", type=int, default=1, show_default=True, help="Which sample.")
@click.option("--split", metavar="NAME", help="The qrels to use: qrels/NAME.tsv. By default test, dev or train.")
@click.option("--folder", type=click.Path(), callback=path_of, metavar="PATH", help="Where the documents lie as files.")
@click.option("--budget", type=click.IntRange(1), metavar="TOKENS", help="Tokens that the model may read a query.")
@model_option
@judge_options
@click.option("--misses", type=click.IntRange(0), metavar="N", help="Explain the N queries that lost most, and sum up.")
@click.option(
    "--gate", type=click.Path(), callback=path_of, metavar="RECORD", help="Compare with a record; 4 if worse."
)
@click.option("--record", type=click.Path(), callback=path_of, metavar="FILE", help="Write all results as JSON.")
@click.option("--runs", type=click.Path(), callback=path_of, metavar="DIR", help="Write TREC run files.")
@click.option("--plots", type=click.Path(), callback=path_of, metavar="DIR", help="Write the curves and wins as SVG.")
@click.option("--work", type=click.Path(), callback=path_of, metavar="DIR", help="Where index and judgements are kept.")
@click.option(
    "--judgements",
    type=click.Path(),
    callback=path_of,
    metavar="FILE",
    help="Where judgements are kept; default: work.",
)
@click.option(
    "--replay", type=click.Path(), callback=path_of, metavar="FILE", help="More judgements to use, not added to."
)
@click.option("--rebuild", is_flag=True, help="Build the index anew.")
@json_option
@click.pass_context
def eval_command(ctx: click.Context, /, collection: Path, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Measure how well searches rank the documents of COLLECTION.

    COLLECTION is a folder in the BEIR form: queries.jsonl, qrels/test.tsv, and corpus.jsonl. The documents may also lie
    as files in its folder corpus/ or in --folder; their ids are then their paths. A document scores as its best
    passage.

    \b
    bm25        BM25 over whole documents, by another library
    prior       our lexical and vector search, before a model reads
    rerank      the prior's best, read by the same judge: no tree
    paper       the search as published, with the same judge
    lattice     the default search
    navigation  the default search without a prior: the tree alone
    oracle      a judge that knows the answers, in the same tree: the ceiling

    The judge is that of `lattice search`: --judge likelihood, pointwise, listwise or reasoned, or a server's model
    with --llm and --llm-model. "auto" takes likelihood below 2 billion parameters and listwise above.

    What the model has read is kept, so a second run is free, and an interrupted one goes on where it was; nothing is
    taken from another model, judge or --relevance. Every query is charged as if it were the first: nothing is reused
    from one to the next.

    \b
    lattice eval scifact --queries 50 --methods bm25,prior,rerank,lattice
    lattice eval my-questions --folder ~/notes --misses 10
    lattice eval scifact --queries 50 --model qwen3-4b --judge listwise
    """
    from lattice.cli.eval_view import report_lines, verdict_lines, verdicts_json

    outcome = _outcome(ctx, collection, options)
    report = _written(outcome, options)
    verdicts = _verdicts(outcome, options["gate"])
    if as_json:
        print_json(report | verdicts_json(verdicts))
    else:
        click.echo("\n".join([*report_lines(outcome, report, options["misses"]), *verdict_lines(verdicts)]))
    if any(verdict.failures for verdict in verdicts):
        ctx.exit(EXIT_CHECK_FAILED)


def _outcome(ctx: click.Context, folder: Path, options: dict[str, Any]) -> Outcome:
    from lattice.evaluate.collection import load
    from lattice.evaluate.evaluation import check_methods
    from lattice.evaluate.gate import read_record, same_judge, same_queries
    from lattice.evaluate.session import run

    methods = [name.strip() for name in options["methods"].split(",") if name.strip()]
    check_methods(methods, options["baseline"])
    _check_places(options)
    named = (options["llm"], options["llm_model"], options["judge"], options["relevance"])
    sent = "The queries and passages of the collection"
    options["server"] = server_of(*named, has_other=options["model"] is not None, sent=sent)
    whole = load(folder, options["split"], options["folder"])
    before = None if options["gate"] is None else read_record(options["gate"])
    queries = whole.sample(options["queries"], options["seed"]) if before is None else same_queries(before, whole)
    plan = _plan(queries, methods, options)
    if before is not None and plan.source is not None:
        same_judge(before, plan.source.judge_name(), plan.relevance, methods)
    try:
        with Bars() as bars:
            return run(queries, plan, bars)
    except KeyboardInterrupt:
        notice("Interrupted. What the model has read is kept: the same command goes on from there.")
        ctx.exit(EXIT_INTERRUPTED)


def _check_places(options: dict[str, Any]) -> None:
    """Refuse at once, and not after an hour of reading, what could not be written at its end."""
    from lattice.evaluate.plots import check_installed

    if options["plots"] is not None:
        check_installed()
    for name in ("record", "judgements"):
        path = options[name]
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            raise UsageError(f"--{name} {path} cannot be written: name a file in a folder that exists.")
    for name in ("runs", "plots", "work"):
        if options[name] is not None and options[name].exists() and not options[name].is_dir():
            raise UsageError(f"--{name} {options[name]} is a file: name a folder.")
    if options["replay"] is not None and not options["replay"].is_file():
        raise UsageError(f"--replay {options['replay']}: there is no such file.")


def _plan(collection: Collection, methods: list[str], options: dict[str, Any]) -> Plan:
    from lattice.evaluate.session import Plan
    from lattice.models.registry import find_model
    from lattice.store.places import evaluation_place
    from lattice.traversal.search import SearchSettings

    budget = options["budget"]
    return Plan(
        methods=methods,
        baseline=options["baseline"] or methods[0],
        settings=SearchSettings() if budget is None else SearchSettings(budget_tokens=budget),
        model=None if options["server"] else find_model(options["model"], os.environ),
        work=options["work"] or evaluation_place(f"{collection.name}-{collection.documents_digest[:12]}"),
        judgements=options["judgements"],
        replayed=() if options["replay"] is None else (options["replay"],),
        rebuild=options["rebuild"],
        command=_command(collection, options),
        judge=options["judge"],
        relevance=options["relevance"],
        server=options["server"],
    )


def _command(collection: Collection, options: dict[str, Any]) -> str:
    given = [(name, options[name]) for name in _COUNTED if options[name] not in {None, _UNSAID.get(name)}]
    parts = [part for name, value in given for part in (f"--{name.replace('_', '-')}", str(value))]
    return shlex.join(["lattice", "eval", collection.name, *parts])


def _written(outcome: Outcome, options: dict[str, Any]) -> dict[str, Any]:
    from lattice.evaluate import outputs
    from lattice.evaluate.summary import report

    baseline = options["baseline"] or outcome.results[0].method
    if options["record"] is not None:
        outputs.write_record(options["record"], outcome, baseline)
    if options["runs"] is not None:
        outputs.write_runs(options["runs"], outcome)
    if options["plots"] is not None:
        outputs.write_plots(options["plots"], outcome, baseline)
    return report(outcome.setup, outcome.results, baseline)


def _verdicts(outcome: Outcome, gate: Path | None) -> list[Verdict]:
    from lattice.evaluate.gate import judge_against, read_record

    return [] if gate is None else judge_against(read_record(gate), outcome.results)
