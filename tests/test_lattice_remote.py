"""The façade with a server: what belongs together, and what an answer tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lattice import Lattice, SearchSettings, Server
from lattice.errors import ServerProblem, UsageError
from lattice.traversal.stand_ins import ScriptedJudge
from tests.models.remote.scripted import ScriptedServer, reader, refuses, says, serving

OBSERVATORY = Path(__file__).parents[1] / "examples" / "observatory"
QUERY = "who cleans the mirror"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with serving(reader("mirror")) as started:
        yield started


def test_opening_and_the_first_hits_ask_nothing(observatory: Path, server: ScriptedServer) -> None:
    with Lattice.open(observatory, server=Server(server.url)) as opened:
        assert opened.reads
        answers = opened.iter_search(QUERY)
        assert next(answers).mode == "lattice"
        answers.close()
    assert server.received == []


def test_a_server_reads_in_place_of_the_model(observatory: Path, server: ScriptedServer) -> None:
    with Lattice.open(observatory, server=Server(server.url), judge="remote") as opened:
        last = list(opened.iter_search(QUERY))[-1]
    assert last.mode == "lattice"
    assert last.notice is None
    assert last.hits[0].judged
    assert last.usage.calls == len(server.questions)


def test_an_open_index_answers_many_queries_and_can_be_opened_again(observatory: Path, server: ScriptedServer) -> None:
    for _ in range(2):
        with Lattice.open(observatory, server=Server(server.url)) as opened:
            assert opened.search(QUERY)
            assert opened.search("telescope", settings=SearchSettings(seconds=60.0))
            assert opened.search(QUERY)


def test_the_notice_tells_what_was_wrong(observatory: Path) -> None:
    without = refuses("response_format", then=reader("mirror"))
    with serving(without) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        answers = list(opened.iter_search(QUERY))
    assert answers[-1].notice == "The server takes no JSON schema; the answers were asked for as plain JSON."


@pytest.mark.parametrize("iterations", [1, 5])
def test_where_no_slate_brought_a_score_the_search_does_not_pretend(observatory: Path, iterations: int) -> None:
    settings = SearchSettings(iterations=iterations, budget_tokens=None)
    with serving(says("no")) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        for _ in range(2):  # what failed for one search is not held against the next
            with pytest.raises(ServerProblem, match="gave no score for any passage"):
                opened.search(QUERY, settings=settings)
        assert len(server.questions) == 4 * min(iterations, 2)


def test_the_next_search_starts_with_a_clean_sheet(observatory: Path) -> None:
    script = [says("no"), says("no"), reader("mirror")]
    settings = SearchSettings(iterations=2, budget_tokens=None)
    with serving(*script) as server, Lattice.open(observatory, server=Server(server.url)) as opened:
        first = list(opened.iter_search(QUERY, settings=settings))[-1]
        again = list(opened.iter_search(QUERY, settings=settings))[-1]
    assert first.notice is not None
    assert "got no score" in first.notice
    assert again.notice is None


def test_what_does_not_belong_together_is_refused(observatory: Path) -> None:
    server = Server("http://127.0.0.1:1")
    with pytest.raises(UsageError, match="needs a server"):
        Lattice.open(observatory, judge="remote")
    with pytest.raises(UsageError, match="read by the remote judge"):
        Lattice.open(observatory, judge="listwise", server=server)
    with pytest.raises(UsageError, match="read by the remote judge"):
        Lattice.open(observatory, judge=ScriptedJudge({}), server=server)
    with pytest.raises(UsageError, match="model file"):
        Lattice.open(observatory, model="m.gguf", server=server)
    Lattice.open(observatory, model=None, server=server).close()
