"""How much a search may read: --budget."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lattice.answering import Answer
from lattice.lattice import Lattice
from lattice.traversal.search import SearchSettings
from tests.cli.conftest import Invoke
from tests.cli.values import ANSWER

USUAL = SearchSettings().budget_tokens


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[SearchSettings]:
    """What searches are asked to keep to."""
    kept: list[SearchSettings] = []

    def noted(self: Lattice, *_: object, settings: SearchSettings, **__: object) -> Iterator[Answer]:
        kept.append(settings)
        yield ANSWER

    monkeypatch.setattr(Lattice, "iter_search", noted)
    return kept


@pytest.mark.parametrize(
    ("written", "tokens", "iterations", "seconds"),
    [
        ("3000", 3000, None, None),
        ("3000tok", 3000, None, None),
        ("20it", None, 20, None),
        ("5s", USUAL, None, 5.0),
        ("0.5s", USUAL, None, 0.5),
        ("0s", USUAL, None, 0.0),
        ("3000tok,5s", 3000, None, 5.0),
        ("5s, 20it", None, 20, 5.0),
        (" 20 IT , 800 , 1.25S ", 800, 20, 1.25),
    ],
)
def test_a_budget_is_tokens_iterations_seconds_or_several(
    invoke: Invoke,
    asked: list[SearchSettings],
    written: str,
    tokens: int | None,
    iterations: int | None,
    seconds: float | None,
) -> None:
    assert invoke("search", "roses", "--no-model", "--budget", written).exit_code == 0
    assert asked == [SearchSettings(budget_tokens=tokens, iterations=iterations, seconds=seconds)]


def test_without_a_budget_tokens_are_counted(invoke: Invoke, asked: list[SearchSettings]) -> None:
    invoke("search", "roses", "--no-model")
    assert asked == [SearchSettings()]
    assert USUAL is not None


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "'' is no budget"),
        ("much", "'much' is no budget"),
        ("3000 tokens", "is no budget"),
        ("-5", "'-5' is no budget"),
        ("nan", "is no budget"),
        ("infs", "is no budget"),
        ("1e9s", "is no budget"),
        ("3000,", "'' is no budget"),
        ("0", "no whole number of tokens from 1 on"),
        ("0it", "no whole number of iterations"),
        ("2.5it", "no whole number of iterations"),
        ("5s,6s", "says twice how many seconds"),
        ("100,200tok", "says twice how many tokens"),
    ],
)
def test_what_is_no_budget_is_refused_with_examples(
    invoke: Invoke, asked: list[SearchSettings], written: str, told: str
) -> None:
    result = invoke("search", "roses", "--no-model", "--budget", written)
    assert result.exit_code == 2
    assert told in result.stderr
    assert "3000tok (tokens), 20it (iterations), 5s (seconds)" in result.stderr
    assert asked == []
