"""Every prompt that a model is shown. A changed wording is a new version: scores of different versions do not mix."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a prompt. In a `control` part the model's control tokens count; elsewhere they are plain text."""

    text: str
    control: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt in two halves: what does not depend on the query, whose KV state can be kept, and what does."""

    static: tuple[Part, ...]
    dynamic: tuple[Part, ...]


# The query is read as the continuation of this. The text comes first, so that its KV state serves every query.
LIKELIHOOD = "{text}\n\nWrite a search query that this passage answers.\n"


def likelihood_prefix(title: str, text: str) -> str:
    """Give what stands before the query when a candidate is judged by query likelihood."""
    body = text if not title or text.startswith(title) else f"{title}\n{text}"
    return LIKELIHOOD.format(text=body)
