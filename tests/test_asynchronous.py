from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lattice import Filters, Lattice, SearchSettings
from lattice.answering import Answer
from lattice.errors import IndexProblem, UsageError
from lattice.traversal.stand_ins import ScriptedJudge
from lattice.types import Judgement, Slate, Usage

EXAMPLES = Path(__file__).parents[1] / "examples"
UNBOUNDED = SearchSettings(budget_tokens=None)


class Gate:
    """A judge that says when it has begun and waits to be let go; it knows how many read at the same time."""

    slate_dependent = False

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.queries: list[str] = []
        self.together = self.most = 0

    def score(self, query: str, slate: Slate) -> Judgement:
        self.together += 1
        self.most = max(self.most, self.together)
        self.queries.append(query)
        self.begun.set()
        assert self.go.wait(60.0)
        self.together -= 1
        return Judgement((0.5,) * len(slate.candidates), Usage(evaluated=10, calls=1))


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.go.set()  # whatever a test leaves behind can end


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


def test_it_gives_what_search_gives(observatory: Path) -> None:
    filters = Filters(paths=("telescope/",))
    with Lattice.open(observatory, judge=ScriptedJudge({})) as opened:
        expected = opened.search("mirror", 3, settings=UNBOUNDED, filters=filters)
        found = asyncio.run(opened.asearch("mirror", 3, settings=UNBOUNDED, filters=filters))
        again = asyncio.run(opened.asearch("mirror", 3, settings=UNBOUNDED, filters=filters))  # in another loop
    assert found == again == expected
    assert {hit.path.split("/")[0] for hit in found} == {"telescope"}


def test_it_yields_what_iter_search_yields(observatory: Path) -> None:
    async def collected(opened: Lattice) -> list[Answer]:
        return [answer async for answer in opened.aiter_search("telescope", settings=UNBOUNDED)]

    with Lattice.open(observatory, judge=ScriptedJudge({})) as opened:
        assert asyncio.run(collected(opened)) == list(opened.iter_search("telescope", settings=UNBOUNDED))


def test_the_event_loop_goes_on_while_a_judge_reads(observatory: Path, gate: Gate) -> None:
    async def main(opened: Lattice) -> None:
        task = asyncio.create_task(opened.asearch("telescope"))
        await _until(gate.begun.is_set)
        assert not task.done()
        gate.go.set()  # a loop that was held up would never come here
        assert await task

    with Lattice.open(observatory, judge=gate) as opened:
        asyncio.run(main(opened))


def test_searches_have_their_turns_one_after_the_other(observatory: Path, gate: Gate) -> None:
    async def main(opened: Lattice) -> None:
        tasks = [asyncio.create_task(opened.asearch(query)) for query in ("telescope", "mirror", "dome")]
        await _until(gate.begun.is_set)
        gate.go.set()
        assert all(await asyncio.gather(*tasks))

    with Lattice.open(observatory, judge=gate) as opened:
        asyncio.run(main(opened))
    assert gate.most == 1
    assert list(dict.fromkeys(gate.queries)) == ["telescope", "mirror", "dome"]
    assert gate.queries == sorted(gate.queries, key=["telescope", "mirror", "dome"].index)


def test_a_search_inside_the_loop_over_another_does_not_lock_up(observatory: Path) -> None:
    async def main(opened: Lattice) -> int:
        return sum([len(await opened.asearch("mirror", 2)) async for _ in opened.aiter_search("telescope")])

    with Lattice.open(observatory, judge=ScriptedJudge({})) as opened:
        assert asyncio.run(main(opened)) >= 4


@pytest.mark.parametrize("query", ["", "telescope"])
def test_what_goes_wrong_is_raised_where_it_is_awaited(observatory: Path, query: str) -> None:
    class Broken(Gate):
        def score(self, query: str, slate: Slate) -> Judgement:
            raise ZeroDivisionError("broken")

    async def main(opened: Lattice) -> None:
        with pytest.raises(UsageError if not query else ZeroDivisionError):
            await opened.asearch(query)
        with pytest.raises(UsageError if not query else ZeroDivisionError):
            async for _ in opened.aiter_search(query):
                pass
        assert await opened.asearch("telescope", settings=SearchSettings(iterations=0))  # the thread lives on

    with Lattice.open(observatory, judge=Broken()) as opened:
        asyncio.run(main(opened))


def test_a_cancelled_search_ends_at_once_and_reads_no_further(observatory: Path, gate: Gate) -> None:
    async def main(opened: Lattice) -> None:
        task = asyncio.create_task(opened.asearch("telescope", settings=UNBOUNDED))
        waiting = asyncio.create_task(opened.asearch("mirror", settings=UNBOUNDED))
        await _until(gate.begun.is_set)
        task.cancel()
        waiting.cancel()
        for cancelled in (task, waiting):
            with pytest.raises(asyncio.CancelledError):  # though the judge still reads
                await cancelled
        gate.go.set()
        assert await opened.asearch("dome", settings=SearchSettings(iterations=1))

    with Lattice.open(observatory, judge=gate) as opened:
        asyncio.run(main(opened))
    assert gate.queries == ["telescope", "dome"]


def test_cancelling_stops_the_model_of_the_thread(
    observatory: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def stopped(self: Lattice) -> None:
        told.append("stop")
        gate.go.set()

    monkeypatch.setattr(Lattice, "stop", stopped)
    monkeypatch.setattr(Lattice, "resume", lambda self: told.append("resume"))

    async def main(opened: Lattice) -> None:
        task = asyncio.create_task(opened.asearch("telescope", settings=UNBOUNDED))
        await _until(gate.begun.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await opened.asearch("dome", settings=SearchSettings(iterations=0))

    with Lattice.open(observatory, judge=gate) as opened:
        asyncio.run(main(opened))
    assert told == ["stop", "resume", "resume"]
    assert gate.queries == ["telescope"]


def test_a_consumer_may_leave_midway(observatory: Path) -> None:
    async def main(opened: Lattice) -> None:
        stream = opened.aiter_search("telescope", settings=UNBOUNDED)
        first = await anext(stream)
        await stream.aclose()
        assert first.hits
        async for answer in opened.aiter_search("telescope", settings=UNBOUNDED):
            assert answer == first
            break
        assert await opened.asearch("telescope")

    with Lattice.open(observatory, judge=ScriptedJudge({})) as opened:
        asyncio.run(main(opened))


def test_a_cancelled_consumer_frees_the_thread(observatory: Path, gate: Gate) -> None:
    async def consume(opened: Lattice) -> None:
        async for _ in opened.aiter_search("telescope", settings=UNBOUNDED):
            pass

    async def main(opened: Lattice) -> None:
        task = asyncio.create_task(consume(opened))
        await _until(gate.begun.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.go.set()
        assert await opened.asearch("dome", settings=SearchSettings(iterations=0))

    with Lattice.open(observatory, judge=gate) as opened:
        asyncio.run(main(opened))
    assert gate.queries == ["telescope"]


def test_closing_ends_what_runs_and_refuses_others(
    observatory: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lattice, "stop", lambda self: gate.go.set())

    async def main(opened: Lattice) -> None:
        running = asyncio.create_task(opened.asearch("telescope", settings=UNBOUNDED))
        waiting = asyncio.create_task(opened.asearch("mirror"))
        await _until(gate.begun.is_set)
        opened.close()
        assert await running  # the hits so far
        with pytest.raises(IndexProblem, match="closed"):
            await waiting
        with pytest.raises(IndexProblem, match="closed"):
            await opened.asearch("dome")

    asyncio.run(main(Lattice.open(observatory, judge=gate)))
    assert gate.queries == ["telescope"]


def test_a_lattice_that_was_closed_unused_says_so(observatory: Path) -> None:
    opened = Lattice.open(observatory, model=None)
    opened.close()
    with pytest.raises(IndexProblem, match="closed"):
        asyncio.run(opened.asearch("dome"))
