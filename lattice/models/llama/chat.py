"""Chat templates: what a model was trained to see around a request, from its own metadata."""

from __future__ import annotations

from lattice.errors import ModelUnusable
from lattice.models.llama.rendering import Message, Request, TemplateProblem, rendered
from lattice.models.llama.weights import Weights
from lattice.models.prompts import Part, Prompt

# Stand for the texts while a template is rendered; of Unicode's private use, so that no template and no text has them.
_STATIC, _DYNAMIC = "\ue0f0", "\ue0f1"


def framed(weights: Weights, system: str, static: str, dynamic: str) -> Prompt:
    """Frame a request as the model's chat template has it; `static` comes first, so that its KV state can be kept.

    The texts go in as they are: control tokens that they spell out stay plain text, and only the template's own count.
    A model without a template gets the bare text.
    """
    template = weights.metadata("tokenizer.chat_template")
    if not template:
        return Prompt((Part(f"{system}\n\n{static}"),), (Part(f"{dynamic}\n"),))
    before, _, rest = _rendered(weights, template, system).partition(_STATIC)
    between, found, after = rest.partition(_DYNAMIC)
    if not found:
        raise ModelUnusable(
            f"The chat template of {weights.path.name} leaves out the user's message. Use another model, or --judge "
            "likelihood, which needs no template."
        )
    return Prompt(
        (Part(before, control=True), Part(static)),
        (Part(between, control=True), Part(dynamic), Part(after, control=True)),
    )


def _rendered(weights: Weights, template: str, system: str) -> str:
    user = f"{_STATIC}{_DYNAMIC}"
    # Some templates refuse a system message: then its words stand before the user's.
    conversations = (
        (_message("system", system), _message("user", user)),
        (_message("user", f"{system}\n\n{user}"),),
    )
    bos, eos = (weights.piece_of(f"tokenizer.ggml.{name}_token_id") for name in ("bos", "eos"))
    try:
        return rendered(Request(template, conversations, bos, eos))
    except TemplateProblem as problem:
        raise ModelUnusable(
            f"The chat template of {weights.path.name} cannot be rendered ({problem}). Use another model, or --judge "
            "likelihood, which needs no template."
        ) from problem


def _message(role: str, content: str) -> Message:
    return ("role", role), ("content", content)
