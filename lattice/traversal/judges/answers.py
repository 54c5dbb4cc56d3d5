"""What a model wrote, read for scores or objects: strict JSON, JSON among other words, or JSON to be repaired."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_THOUGHT = "</think>"  # what a model thinks before it answers ends here; drafts in it do not count
_KEY = re.compile(r"(?:passage|text|document)?[\s_-]*[\[(\"']?([A-T])[\])\"']?[.:]?", re.IGNORECASE)
_OPENS = re.compile(r"[{\[]")
_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:/\s*(\d+(?:\.\d+)?)|%)?\s*")
_SCORES = ("score", "relevance", "relevance_score", "rating")
_NAMES = ("letter", "passage", "id", "label", "name")
_MOST_CHARACTERS = 12_000  # several times an answer for a full slate; repair is slow on what has no end
_DEEPEST = 4  # of what lies within one another in an answer: {"scores": [{"letter": "A", "score": 90}]} has 3


def scores_of(text: str, letters: Sequence[str]) -> dict[str, float]:
    """Give the scores in [0, 1] that an answer holds, by letter; what it says nothing of is left out.

    Scores are from 0 to 100: numbers, or strings like "85", "85%" or "17/20"; what lies outside counts as the end that
    it is beyond. Only where every score is at most 1 and one of them is no whole number are they from 0 to 1. Where
    several objects stand among other words, the one with the most letters counts, the last of equals.
    """
    said = _without_thought(text)
    best = _most(_among_words(said), letters)
    if len(best) < len(letters):
        # What is cut or malformed leaves some of its parts behind; repair may bring more.
        best = _most([best, _repaired(said)], letters)
    is_fraction = all(score <= 1.0 for score in best.values()) and any(score % 1.0 for score in best.values())
    scale = 1.0 if is_fraction else 100.0
    return {letter: min(1.0, max(0.0, score / scale)) for letter, score in best.items()}


def objects_of(text: str) -> list[dict[str, Any]]:
    """Give the JSON objects in an answer; where there is none, what can be repaired of one, cut or malformed."""
    said = _without_thought(text)
    found = _objects(_among_words(said))
    return found or _objects([_repaired(said)])


def _without_thought(text: str) -> str:
    return (text.rpartition(_THOUGHT)[2].strip() or text)[:_MOST_CHARACTERS]


def _objects(values: Iterable[Any]) -> list[dict[str, Any]]:
    listed = (one for value in values for one in (value if isinstance(value, list) else [value]))
    return [one for one in listed if isinstance(one, dict)]


def _most(values: Iterable[Any], letters: Sequence[str]) -> dict[str, float]:
    """Give the scores of the value that has the most of the letters, the last of equals."""
    best: dict[str, float] = {}
    for value in values:
        found = {letter: score for letter, score in _pairs(value, _DEEPEST) if letter in letters}
        if found and len(found) >= len(best):
            best = found
    return best


def _among_words(text: str) -> Iterator[Any]:
    """Yield the outermost JSON objects and lists within a text, which may be all of it."""
    decoder = json.JSONDecoder()
    found = _OPENS.search(text)
    while found:
        try:
            value, end = decoder.raw_decode(text, found.start())
            yield value
        except RecursionError:
            return  # brackets without end; to try again behind each of them would take for ever
        except ValueError:
            end = found.start() + 1
        found = _OPENS.search(text, end)


def _repaired(text: str) -> Any:  # noqa: ANN401 - whatever stands there
    import json_repair

    # From the first brace on: words before it could be taken for a string.
    try:
        return json_repair.loads(text[max(0, text.find("{")) :])
    except (ValueError, RecursionError):
        return None


def _pairs(value: Any, depth: int) -> Iterator[tuple[str, float]]:  # noqa: ANN401 - whatever stands there
    """Yield letters with their scores, which may stand under the letter or beside it, and some way down."""
    if depth == 0:
        return
    if isinstance(value, list):
        for one in value:
            yield from _pairs(one, depth - 1)
    elif isinstance(value, dict):
        named = _first(value, _NAMES)
        score = _number(_first(value, _SCORES))
        if isinstance(named, str) and (match := _KEY.fullmatch(named.strip())) and score is not None:
            yield match[1].upper(), score
            return
        for key, inner in value.items():
            yield from _under(str(key), inner, depth)


def _under(key: str, inner: Any, depth: int) -> Iterator[tuple[str, float]]:  # noqa: ANN401 - whatever stands there
    match = _KEY.fullmatch(key.strip())
    score = _number(_first(inner, _SCORES) if isinstance(inner, dict) else inner)
    if match and score is not None:
        yield match[1].upper(), score
    else:
        yield from _pairs(inner, depth - 1)


def _first(value: dict[str, Any], names: Sequence[str]) -> Any:  # noqa: ANN401 - whatever stands there
    return next((value[name] for name in names if name in value), None)


def _number(value: Any) -> float | None:  # noqa: ANN401 - whatever stands there
    """Read a number, or one that is written out; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return float(max(-100, min(100, value)))  # whole numbers have no end, floats have
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    whole = float(match[2]) if match[2] else 0.0
    return 100.0 * float(match[1]) / whole if whole else float(match[1])
