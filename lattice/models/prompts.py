"""Every prompt that a model is shown. A changed wording is a new version: scores of different versions do not mix."""

from __future__ import annotations

VERSION = 1

# The query is read as the continuation of this. The text comes first, so that its KV state serves every query.
LIKELIHOOD = "{text}\n\nWrite a search query that this passage answers.\n"


def likelihood_prefix(title: str, text: str) -> str:
    """Give what stands before the query when a candidate is judged by query likelihood."""
    body = text if not title or text.startswith(title) else f"{title}\n{text}"
    return LIKELIHOOD.format(text=body)
