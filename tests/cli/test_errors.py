from __future__ import annotations

from pathlib import Path

import pytest

from lattice.lattice import Lattice
from tests.cli.conftest import Invoke


def test_an_error_is_one_message_without_a_traceback(invoke: Invoke, tmp_path: Path) -> None:
    broken = tmp_path / "broken.lattice"
    broken.write_bytes(b"no index at all")
    result = invoke("status", "--index", str(broken))
    assert result.exit_code == 3
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


def test_debug_adds_the_traceback(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATTICE_DEBUG", "1")
    result = invoke("status", "--index", str(tmp_path / "none.lattice"))
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (RuntimeError("a fault"), 3, "error: RuntimeError: a fault. This is a fault in lattice"),
        (OSError(28, "No space left on device", "/tmp/x"), 3, "error: /tmp/x: No space left on device"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
    ],
)
def test_what_nobody_expected(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, message: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(Lattice, "open", fail)
    result = invoke("search", "x")
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_command_and_option_are_wrong_usage(invoke: Invoke) -> None:
    assert invoke("nonsense").exit_code == 2
    assert invoke("search", "x", "--nonsense").exit_code == 2


def test_no_command_shows_the_help(invoke: Invoke) -> None:
    assert "Usage: lattice" in invoke().output


def test_the_commands_stand_in_the_order_of_their_use(invoke: Invoke) -> None:
    listed = invoke("--help").stdout.split("Commands:")[1]
    assert [line.split()[0] for line in listed.strip().splitlines()] == [
        *("index", "search", "show", "tree", "list", "status", "sessions", "models", "eval", "doctor"),
    ]
