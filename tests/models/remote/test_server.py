from __future__ import annotations

import pytest

from lattice.errors import UsageError
from lattice.models.remote.server import Server, find_server


@pytest.mark.parametrize(
    ("written", "base"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1"),
        ("  http://gpu:8080/v1/chat/completions\n", "http://gpu:8080/v1"),
        ("http://gpu/chat/completions/", "http://gpu/v1"),
        ("https://cloud.example/v1beta/openai/", "https://cloud.example/v1beta/openai"),
        ("http://[::1]:8080", "http://[::1]:8080/v1"),
        ("HTTP://GPU:8080", "http://gpu:8080/v1"),
    ],
)
def test_an_address_may_be_written_in_every_usual_way(written: str, base: str) -> None:
    assert Server(written).url == base


@pytest.mark.parametrize(
    "written", ["", "localhost:8080", "gpu", "ftp://gpu", "http://", "http://a b", "http://gpu:99999", "http://[::1"]
)
def test_what_is_no_address_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:8080"):
        Server(written)


@pytest.mark.parametrize("written", ["http://me:hunter2@gpu", "http://hunter2@gpu", "http://gpu/v1?key=hunter2"])
def test_a_password_in_the_address_is_refused_and_not_repeated(written: str) -> None:
    with pytest.raises(UsageError, match="LATTICE_LLM_KEY") as refused:
        Server(written)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "loopback", "local"),
    [
        ("http://127.0.0.1", True, True),
        ("http://127.8.8.8:1", True, True),
        ("http://[::1]", True, True),
        ("http://localhost:8080", True, True),
        ("http://llm.localhost", True, True),
        ("http://192.168.1.7", False, True),
        ("http://gpu", False, True),
        ("http://gpu.local", False, True),
        ("http://8.8.8.8", False, False),
        ("https://cloud.example", False, False),
        ("https://localhost.example", False, False),
    ],
)
def test_what_is_here_and_what_is_near_is_told_from_what_is_far(url: str, loopback: bool, local: bool) -> None:
    server = Server(url)
    assert (server.is_loopback, server.is_local) == (loopback, local)


def test_the_key_is_not_shown() -> None:
    server = Server("http://gpu", key=" sk-hunter2\n")
    assert server.key == "sk-hunter2"
    assert "hunter2" not in f"{server!r} {server}"


def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated() -> None:
    for key in ("hunter2 hunter2", "hunter2\nX: y", "hünter2"):
        with pytest.raises(UsageError, match="LATTICE_LLM_KEY") as refused:
            Server("http://gpu", key=key)
        assert "nter2" not in str(refused.value)


@pytest.mark.parametrize("wrong", [{"timeout": 0.0}, {"timeout": float("nan")}, {"retries": -1}, {"concurrency": 0}])
def test_numbers_that_mean_nothing_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="timeout"):
        Server("http://gpu", **wrong)  # type: ignore[arg-type]


def test_the_server_is_the_named_one_else_that_of_the_environment() -> None:
    environ = {"LATTICE_LLM_URL": "http://one", "LATTICE_LLM_KEY": "k"}
    assert find_server(None, None, environ) == Server("http://one", key="k")
    assert find_server("http://two", "m", environ) == Server("http://two", "m", "k")
    assert find_server("http://two", None, {"LATTICE_LLM_KEY": ""}).key is None


@pytest.mark.parametrize("url", [None, "", " "])
def test_without_any_server_both_ways_to_name_one_are_told(url: str | None) -> None:
    with pytest.raises(UsageError, match=r"--llm http.*or LATTICE_LLM_URL"):
        find_server(url, None, {})
