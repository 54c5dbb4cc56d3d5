"""What scripted engines have in common: a word is a token, and what was written is what was told."""

from __future__ import annotations

from dataclasses import dataclass

from lattice.models.prompts import Prompt
from lattice.types import Usage


@dataclass(frozen=True)
class Wrote:
    """A text that a model wrote."""

    text: str
    usage: Usage = Usage(evaluated=50, generated=9, calls=1)  # noqa: RUF009 - frozen


class WordsAreTokens:
    """Prices and room of an engine whose `context` counts words."""

    context: int

    def prompt_cost(self, prompt: Prompt) -> int:
        return sum(len(part.text.split()) for part in (*prompt.static, *prompt.dynamic))

    def room(self, prompt: Prompt, writing: int = 0) -> int:
        return self.context - writing - self.prompt_cost(prompt)
