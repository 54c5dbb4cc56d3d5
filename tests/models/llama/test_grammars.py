"""Grammars: what llama.cpp takes passes, what it dies of or hangs on is refused; the rest is tried apart."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lattice.models.llama.grammars import DEEPEST, LONGEST, grammar_flaw
from lattice.traversal.judges import reasoned
from tests.models.conftest import Tiny

TAKEN = (
    'root ::= "a"',
    'root ::= ("yes" | "no") [0-9]{1,3} # a word\nother ::= root*',
    'root ::= | "a" |',
    'root ::= [^"\\\\\\x00-\\x1F] [\\]] "\\"" .',
    'root ::= ""',
    "root ::= [a-z]{0,2000}",
    'root ::= x root | "b"\nx ::= "a"',
    'root ::= ("a" (root)?)*',
    'root ::= "\u202e\ufeff\U0001f600" [\u4e00-\u9fff]',
    "root ::= " + "(" * (DEEPEST - 1) + '"a"' + ")" * (DEEPEST - 1),
    "\n".join(f"r{i} ::= r{i + 1}" for i in range(1000)) + '\nr1000 ::= "a"\nroot ::= r0',
)
REFUSED = (
    ("", "empty"),
    ("\0", "NUL"),
    ('root ::= "a"' + " " * LONGEST, "too long"),
    ('root ::= "\ud800"', "half a character"),
    ('root ::= "a', "cannot be read"),
    ("root ::= [a-", "cannot be read"),
    ("root ::= <[99999999]>", "cannot be read"),
    ("❦" * 50, "cannot be read|begins without a rule"),
    ('"a"', "begins without a rule"),
    ("root ::= *", "repeats nothing"),
    ('root ::= "a"{1,100000}', "repeats too often"),
    ('root ::= "a"{99999999999999999999}', "repeats too often"),
    ('root ::= "a"{5,2}', "repeats too often"),
    ("root ::= " + "(" * 500, "nests too deeply"),
    ("root ::= root", "comes back"),
    ('root ::= root "a" | "a"', "comes back"),
    ('root ::= x\nx ::= y "a" | "b"\ny ::= x', "comes back"),
    ('root ::= x root "a"\nx ::= "b"?', "comes back"),
    ('root ::= ("" | "b") root', "comes back"),
    ('root ::= "b"{0,3} (root)', "comes back"),
    ("root ::= x\nx ::= y\ny ::= x", "comes back"),
)


@pytest.mark.parametrize("grammar", TAKEN, ids=range(len(TAKEN)))
def test_a_grammar_that_ends_has_no_flaw(grammar: str) -> None:
    assert grammar_flaw(grammar) is None


@pytest.mark.parametrize(("grammar", "said"), REFUSED, ids=range(len(REFUSED)))
def test_a_grammar_that_llama_cpp_dies_of_has_a_flaw(grammar: str, said: str) -> None:
    found = grammar_flaw(grammar)
    assert found is not None
    assert any(one in found for one in said.split("|"))


def test_those_of_the_reasoned_judge_have_none() -> None:
    for count in (1, 5, 20):
        assert grammar_flaw(reasoned.grammar(count)) is None


PROGRAM = """
import json, sys, time
from pathlib import Path
from lattice.errors import ModelUnusable
from lattice.models.llama.engine import LlamaEngine
from lattice.models.prompts import Part, Prompt
from lattice.models.settings import EngineSettings

engine = LlamaEngine(Path(sys.argv[1]), EngineSettings(threads=1, sequences=1, sequence_tokens=64, prompt_tokens=128))
prompt = Prompt((Part("a"),), (Part("b"),))
for grammar in json.load(sys.stdin):
    started = time.monotonic()
    try:
        print(engine.generate(prompt, grammar=grammar, max_tokens=4, seconds=5).ended)
    except ModelUnusable as error:
        print("refused")
    assert time.monotonic() - started < 30, grammar
"""


def test_no_grammar_aborts_or_hangs(tiny_models: dict[str, Tiny]) -> None:

    grammars = [*TAKEN, *(grammar for grammar, _ in REFUSED), "x ::= [a]", "root ::= missing", 'root ::= ("a"']
    command = [sys.executable, "-c", PROGRAM, str(tiny_models["writer"].path)]
    done = subprocess.run(command, input=json.dumps(grammars), text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = done.stdout.split()
    assert set(said[: len(TAKEN)]) <= {"end", "length"}
    assert said[len(TAKEN) :] == ["refused"] * (len(REFUSED) + 3)
