"""Chat templates of strangers: they are rendered like Jinja does, and cannot hang, fill the memory or look around."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from lattice.errors import ModelUnusable
from lattice.models.llama import rendering
from lattice.models.llama.chat import framed
from lattice.models.llama.engine import LlamaEngine
from lattice.models.llama.rendering import KNOWN, Request, TemplateProblem, rendered
from lattice.models.llama.weights import Weights
from lattice.models.prompts import Part
from tests.models.llama.mutants import TEMPLATES, put_together, string, taken_apart
from tests.models.tiny import make_decoder

CHATML = (
    "{% for message in messages %}{{ bos_token }}<|im_start|>{{ message['role'] }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SYSTEM, USER = (("role", "system"), ("content", "Be brief.")), (("role", "user"), ("content", "Hi"))


def _request(template: str) -> Request:
    return Request(template, ((SYSTEM, USER), (USER,)), "<s>", "</s>")


def test_a_template_is_rendered_as_the_sandbox_does_it() -> None:
    expected = "<s><|im_start|>system\nBe brief.<|im_end|>\n<s><|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert rendered(_request(CHATML)) == rendering._render(_request(CHATML)) == expected


def test_a_template_that_takes_no_system_message_gets_the_next_conversation() -> None:
    template = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('none') }}{% endif %}{{ messages[0].content }} é"
    )
    assert rendered(_request(template)) == "Hi é"


def test_a_template_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(_request(CHATML))
    monkeypatch.setattr(rendering, "run_apart", lambda *_, **__: pytest.fail("another process"))
    rendered(_request(CHATML))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 'a' * 10**10 }}", "too much memory"),
        ("{{ [0] * 10**10 }}", "too much memory"),
        ("{{ 'a' * 10**7 }}", "more than 1,000,000 characters"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
        ("{% include '/etc/passwd' %}", "TypeError: no loader"),
        ("{{ raise_exception('not me') }}", "not me"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% if %}", "TemplateSyntaxError"),
    ],
)
def test_a_template_that_fails_tells_why(template: str, said: str) -> None:
    with pytest.raises(TemplateProblem, match=said):
        rendered(_request(template))


def test_a_template_without_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 1)
    with pytest.raises(TemplateProblem, match="not done after 1 s"):
        rendered(_request(TEMPLATES[0]))


def test_the_process_ends_itself_where_nobody_does() -> None:
    """Its parent may be killed while it waits."""
    program = "import resource\nfrom lattice.models.llama import rendering\nrendering.SECONDS = 1\nrendering.main()"
    command, given = [sys.executable, "-c", program], json.dumps(asdict(_request(TEMPLATES[0])))
    done = subprocess.run(command, input=given, text=True, capture_output=True, timeout=60, check=False)
    assert (done.returncode < 0, done.stdout) == (True, "")


def test_no_file_of_the_working_directory_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jinja2.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    assert rendered(_request("{{ messages[0].content }} here")) == "Be brief. here"


def test_a_model_with_a_hostile_template_is_told_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "hostile.gguf"
    make_decoder(path, None)
    model = taken_apart(path)
    for template, said in (("{{ 10 ** 99 }}", "leaves out"), ("{{ 'a' * 10**11 }}", "too much memory")):
        model.entries["tokenizer.chat_template"] = string(template)
        path.write_bytes(put_together(model))
        weights = Weights(path, 0)
        with pytest.raises(ModelUnusable, match=rf"chat template of hostile\.gguf.*{said}.*--judge likelihood"):
            framed(weights, "system", "static", "dynamic")
        weights.close()


def test_a_models_own_template_is_put_around_what_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "chat.gguf"
    make_decoder(path, None)
    model = taken_apart(path)
    model.entries["tokenizer.chat_template"] = string(CHATML)
    path.write_bytes(put_together(model))
    weights = Weights(path, 0)
    prompt = framed(weights, "Be brief.", "static", "dynamic")
    assert prompt.static[1] == Part("static")
    assert prompt.dynamic == (
        Part("", control=True),
        Part("dynamic"),
        Part("<|im_end|>\n<|im_start|>assistant\n", control=True),
    )
    weights.close()


@pytest.mark.model
def test_the_embedded_model_needs_no_other_process(engine: LlamaEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    template = engine._open().metadata("tokenizer.chat_template") or ""
    assert hashlib.sha256(template.encode()).hexdigest() in KNOWN
    monkeypatch.setattr(rendering, "run_apart", lambda *_, **__: pytest.fail("another process"))
    assert "assistant" in rendered(_request(template))
