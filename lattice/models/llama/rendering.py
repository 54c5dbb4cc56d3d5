"""Renders a chat template: here where it is known to end, else in a process of its own, of bounded time and memory.

A template is a program that came with a model. Jinja's sandbox keeps it from the machine, but not from looping for ever
(loops nest, and it bounds each alone) nor from filling the memory ('a' * 10**10).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

from lattice.models.apart import run_apart

SECONDS = 10  # a template takes some milliseconds, and Python a tenth of a second to start
MEMORY = 1 << 30  # bytes
LONGEST = 1_000_000  # characters of what is rendered
# SHA-256 of the templates that need no process of their own: the embedded model's.
KNOWN = frozenset({"872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788"})
_MODULE = "lattice.models.llama.rendering"

Message = tuple[tuple[str, str], ...]
"""The keys and values of one message."""


class TemplateProblem(Exception):
    """Why a template cannot be rendered."""


@dataclass(frozen=True, slots=True)
class Request:
    """A template, the conversations to try it with until it takes one, and the special tokens that it may name."""

    template: str
    conversations: tuple[tuple[Message, ...], ...]
    bos: str
    eos: str


@lru_cache(maxsize=64)
def rendered(request: Request) -> str:
    """Render a template with the first conversation that it takes; TemplateProblem where there is none."""
    if hashlib.sha256(request.template.encode("utf-8", errors="replace")).hexdigest() in KNOWN:
        return _render(request)
    try:
        done = run_apart(_MODULE, given=json.dumps(asdict(request)).encode(), seconds=SECONDS)
    except subprocess.TimeoutExpired:
        raise TemplateProblem(f"it is not done after {SECONDS} s") from None
    try:
        said: Mapping[str, str] = json.loads(done.stdout)
    except ValueError:
        raise TemplateProblem(f"its process ended with code {done.returncode}") from None
    if "problem" in said:
        raise TemplateProblem(said["problem"])
    return said["text"]


def _render(request: Request) -> str:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    names = {"bos_token": request.bos, "eos_token": request.eos, "add_generation_prompt": True}
    problem: Exception | None = None
    for messages in request.conversations:
        try:
            text = environment.from_string(request.template).render(messages=[dict(one) for one in messages], **names)
        except MemoryError:
            raise TemplateProblem("it takes too much memory") from None
        # A stranger's program may fail in every way that there is.
        except Exception as error:
            problem = error
        else:
            if len(text) > LONGEST:
                raise TemplateProblem(f"it gives more than {LONGEST:,} characters")
            return text
    raise TemplateProblem(f"{type(problem).__name__}: {problem}"[:300])


def _refuse(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _bound() -> None:
    """Bound this process where the system can; elsewhere it is only ended when its time is over."""
    try:
        import resource
    except ImportError:
        return
    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS)):
        allowed = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if allowed == resource.RLIM_INFINITY else min(most, allowed), allowed))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Read a request from standard input, and write what came of it."""
    _bound()
    given = json.load(sys.stdin)
    given["conversations"] = tuple(given["conversations"])
    try:
        said = {"text": _render(Request(**given))}
    except TemplateProblem as problem:
        said = {"problem": str(problem)}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
