"""What an engine has read of texts, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from lattice.models.llama.decoding import Rows
from lattice.types import Usage


@dataclass(frozen=True, slots=True)
class Reading:
    """Mean log-probability (nats a token) of a continuation after each text, and what reading it cost.

    `by_token` holds the log-probability of every token of the continuation, a row for each text, shape
    (texts, tokens).
    """

    logprobs: tuple[float, ...]
    by_token: Rows
    usage: Usage


@dataclass(frozen=True, slots=True)
class LabelReading:
    """The log-probability of each label as the next token after each prompt, shape (prompts, labels), and the cost."""

    logprobs: Rows
    usage: Usage
