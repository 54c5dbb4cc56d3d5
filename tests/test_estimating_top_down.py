"""What a top-down build would take: each kind of call is measured by itself and counted as often as it will be made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lattice.describing import DescribingModel
from lattice.estimating import Estimate, estimate
from lattice.index_builder import top_down
from lattice.index_builder.levels import BATCH
from lattice.index_builder.top_down import organised_units
from lattice.indexing import index_folder
from lattice.models.prompts import DESCRIBE_STATIC, LEVELS_STATIC, TOPICS_STATIC
from lattice.models.remote.server import Server
from lattice.types import BuildSettings
from tests.models.remote.scripted import Handler, ScriptedServer, says, serving
from tests.test_organising import answered, tiny_model, write_library

TOP_DOWN = BuildSettings(strategy="top-down")
BOTH = BuildSettings(strategy="top-down", descriptions="llm")
KINDS = (DESCRIBE_STATIC, LEVELS_STATIC, TOPICS_STATIC)
# Tokens read and written by a call of each kind.
COSTS = {DESCRIBE_STATIC: (7, 3), LEVELS_STATIC: (1_000, 500), TOPICS_STATIC: (20_000, 40)}
ALL = 10_000
FILES = 80


def kind_of(body: dict[str, Any]) -> str:
    (kind,) = (kind for kind in KINDS if body["messages"][1]["content"].startswith(kind))
    return kind


@pytest.fixture(name="server")
def fixture_server() -> Iterator[ScriptedServer]:
    """Organises as the librarian does; every call of a kind costs the same."""

    def act(handler: Handler) -> None:
        read, written = COSTS[kind_of(handler.body)]
        says(answered(handler.body), {"prompt_tokens": read, "completion_tokens": written})(handler)

    with serving(act) as started:
        yield started


@pytest.fixture(name="notes", scope="module")
def fixture_notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_library(tmp_path_factory.mktemp("estimating") / "notes", FILES // 40)


def asked(server: ScriptedServer) -> Counter[str]:
    """Give how many calls of each kind were made."""
    return Counter(kind_of(body) for body in server.questions)


def estimated(
    notes: Path, settings: BuildSettings, server: ScriptedServer, passages: int = ALL, calls: int = ALL
) -> Estimate:
    model = DescribingModel(server=Server(server.url, "tiny"))
    return estimate(notes, settings, model, sample_passages=passages, sample_calls=calls)


def check_costs(found: Estimate, made: Counter[str]) -> None:
    """Compare with what so many calls of each kind cost."""
    assert found.calls == sum(made.values())
    assert found.tokens_read == sum(COSTS[kind][0] * count for kind, count in made.items())
    assert found.tokens_written == sum(COSTS[kind][1] * count for kind, count in made.items())


def test_tokens_of_each_kind_are_measured_apart(notes: Path, server: ScriptedServer) -> None:
    found = estimated(notes, TOP_DOWN, server)
    made = asked(server) - Counter([LEVELS_STATIC, TOPICS_STATIC])  # the first of each is asked twice: it loads
    assert set(made) == {LEVELS_STATIC, TOPICS_STATIC}
    assert made[LEVELS_STATIC] == math.ceil(FILES / BATCH)
    assert found.sample_calls == sum(made.values())
    check_costs(found, made)


def test_descriptions_are_a_kind_of_their_own(notes: Path, server: ScriptedServer) -> None:
    found = estimated(notes, BOTH, server)
    made = asked(server) - Counter(KINDS)
    assert set(made) == set(KINDS)
    assert made[DESCRIBE_STATIC] == found.nodes - found.passages > 1, "all nodes' prompts are there to be measured"
    assert found.sample_calls == sum(made.values())
    # But of all topics something is said by who makes them; the root is left.
    check_costs(found, Counter({**made, DESCRIBE_STATIC: 1}))


@pytest.mark.parametrize(("settings", "kinds"), [(TOP_DOWN, 2), (BOTH, 3)], ids=["top-down", "both"])
def test_the_calls_that_are_made_to_know_are_shared_among_the_kinds(
    notes: Path, server: ScriptedServer, settings: BuildSettings, kinds: int
) -> None:
    whole = estimated(notes, settings, server)
    server.received.clear()
    found = estimated(notes, settings, server, calls=kinds)
    assert found.sample_calls == kinds
    assert set(asked(server).values()) == {2}
    assert (found.calls, found.nodes) == (whole.calls, whole.nodes)
    # What is written is the same for all of a kind; what is read grows with what is shown.
    assert found.tokens_written == whole.tokens_written
    assert abs(found.tokens_read - whole.tokens_read) < 0.3 * whole.tokens_read


def test_only_some_are_organised_of_many(notes: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {settings: estimated(notes, settings, server) for settings in (TOP_DOWN, BOTH)}
    monkeypatch.setattr(top_down, "MOST_UNITS", FILES // 2)
    units = organised_units(FILES, TOP_DOWN.branching)
    assert 0 < units <= FILES // 2
    few = {settings: estimated(notes, settings, server) for settings in (TOP_DOWN, BOTH)}
    assert few[TOP_DOWN].calls == pytest.approx(before[TOP_DOWN].calls * units / FILES, abs=0.5)
    assert few[TOP_DOWN].tokens_read == pytest.approx(before[TOP_DOWN].tokens_read * units / FILES, abs=0.5)
    # What is not organised is described: the root alone before, then those within the pseudo-leaves, too.
    clusters = before[BOTH].nodes - FILES - 1
    assert before[BOTH].calls - before[TOP_DOWN].calls == 1
    described = 1 + clusters * (1 - units / FILES)
    assert few[BOTH].calls - few[TOP_DOWN].calls == pytest.approx(described, abs=1)
    assert described > 3


def test_a_part_stands_for_the_whole(notes: Path, server: ScriptedServer) -> None:
    found = estimated(notes, TOP_DOWN, server, passages=FILES // 2)
    assert found.sample_passages == FILES // 2
    assert found.passages == FILES
    made = asked(server) - Counter([LEVELS_STATIC, TOPICS_STATIC])
    assert found.calls == 2 * sum(made.values())
    assert found.tokens_written == 2 * sum(COSTS[kind][1] * count for kind, count in made.items())


def test_an_empty_folder_asks_nothing(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = estimated(tmp_path / "empty", BOTH, server)
    # The root of nothing is described by rule.
    assert (found.passages, found.tokens_read, found.sample_calls) == (0, 0, 0)
    assert server.questions == []


def test_few_files_need_no_organiser(server: ScriptedServer, tmp_path: Path) -> None:
    folder = tmp_path / "few"
    folder.mkdir()
    for number in range(TOP_DOWN.branching):
        (folder / f"{number}.md").write_text(f"# Note {number}\n\nOf oaks and of elms, number {number}.\n")
    assert estimated(folder, TOP_DOWN, server).calls == 0
    assert server.questions == []


def test_vectors_alone_ask_nothing_and_a_weak_model_describes_all_the_same(notes: Path, tmp_path: Path) -> None:
    assert estimate(notes, TOP_DOWN).calls == 0
    weak = tiny_model(tmp_path)
    assert estimate(notes, TOP_DOWN, weak).calls == 0
    found = estimate(notes, BOTH, weak, sample_calls=2)
    assert found.sample_calls == 2
    assert found.calls == found.nodes - found.passages, "a call a node, and none to organise"


def test_what_both_take_is_what_a_build_takes(notes: Path, server: ScriptedServer, tmp_path: Path) -> None:
    found = estimated(notes, BOTH, server)
    model = DescribingModel(server=Server(server.url, "tiny"))
    built = index_folder(notes, tmp_path / "i.lattice", BOTH, model=model)
    assert built.written is not None
    assert built.organised is not None
    calls = built.written.usage.calls + built.organised.usage.calls
    read = built.written.usage.evaluated + built.organised.usage.evaluated
    assert abs(found.calls - calls) <= 0.3 * calls, (found.calls, calls)
    assert abs(found.tokens_read - read) <= 0.3 * read
