"""One split of a top-down build (method.md §1, step 2): summaries in, topics out, whatever the model has said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lattice.index_builder.authors import Call
from lattice.index_builder.levels import CHARACTER, LEVELS, Levels
from lattice.models.embedders import normalised, terms_of
from lattice.models.prompts import ORGANISE_SYSTEM, ORGANISE_VERSION, TOPICS_STATIC, topics_dynamic
from lattice.tokens import normalise
from lattice.types import BEFORE_TERMS, Matrix

# Fewer topics (paper: M_min) would make a tree of twos.
FEWEST = 3
# Summaries that a call shows, and their bytes: with the answer they fit any context.
MOST_ITEMS = 150
SHOWN_BYTES = 5_000
# An answer is used where it puts at least this share of the summaries into one topic each,
LEAST_PLACED = 0.5
# and where no topic holds more of the texts than this: else a tree could become as deep as it has leaves.
LARGEST = 0.75
NAME_WORDS, NAME_CHARACTERS = 8, 60
DESCRIPTION_WORDS = 40
_NAME, _DESCRIPTION = 48, 180  # characters under a grammar
_TOKENS_A_TOPIC, _TOKENS_AN_ITEM = 60, 8


@dataclass(frozen=True, slots=True)
class Item:
    """A summary that one or more texts have; `members` are their places, ascending."""

    text: str
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """Texts that belong together: their places, ascending; and what the model calls them and says of them."""

    members: tuple[int, ...]
    name: str = ""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Repairs:
    """What was wrong with answers that were used all the same, in summaries and topics.

    `missing` summaries were in no topic, `doubled` ones in several, `unknown` numbers of summaries or topics are none
    that there are; `merged` topics were too many, `unnamed` ones had no name.
    """

    missing: int = 0
    doubled: int = 0
    unknown: int = 0
    merged: int = 0
    unnamed: int = 0

    def __add__(self, other: Repairs) -> Repairs:
        return Repairs(
            self.missing + other.missing,
            self.doubled + other.doubled,
            self.unknown + other.unknown,
            self.merged + other.merged,
            self.unnamed + other.unnamed,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered: names and descriptions of topics, and the topics of each summary; all 0-based."""

    topics: tuple[tuple[str, str], ...]
    members: dict[int, set[int]]
    unknown: int


def selected(levels: Sequence[Levels], most_children: int) -> list[Item]:
    """Give the distinct summaries of one level: the most specific that fits into a prompt (SelectSummaryLevel).

    Where none with more than `most_children` of them fits, the most frequent ones of the shortest level that has so
    many, as far as they fit; empty where the texts can't be told apart by their summaries.
    """
    found = [_distinct(levels, level) for level in range(len(LEVELS))]
    enough = [items for items in found if len(items) > most_children]
    fitting = [items for items in enough if len(_fitting(items)) == len(items)]
    if fitting:
        return fitting[-1]
    shown = _fitting(sorted(enough[0], key=lambda item: (-len(item.members), item.members))) if enough else []
    return shown if len(shown) > most_children else []


def _distinct(levels: Sequence[Levels], level: int) -> list[Item]:
    found: dict[str, list[int]] = {}
    texts: dict[str, str] = {}
    for place, summaries in enumerate(levels):
        if summaries[level]:
            key = normalise(summaries[level])
            found.setdefault(key, []).append(place)
            texts.setdefault(key, summaries[level])
    return [Item(texts[key], tuple(members)) for key, members in found.items()]


def _fitting(items: Sequence[Item]) -> list[Item]:
    shown, left = [], SHOWN_BYTES
    for item in items[:MOST_ITEMS]:
        left -= len(item.text.encode()) + 10
        if left < 0:
            break
        shown.append(item)
    return shown


def topics_call(items: Sequence[Item], most: int, above: str = "") -> Call:
    """Give what is asked of a model about the summaries of a node that is called `above`."""
    shown = topics_dynamic([(item.text, len(item.members)) for item in items], min(FEWEST, most), most, above)
    tokens = _TOKENS_A_TOPIC * most + _TOKENS_AN_ITEM * len(items)
    form = (grammar(len(items), most), schema(len(items), most))
    return Call(ORGANISE_SYSTEM, TOPICS_STATIC, shown, ORGANISE_VERSION, tokens, *form)


def grammar(items: int, most: int) -> str:
    """Give the GBNF of an answer: topics, then each summary once, in order, with the number of one topic."""
    members = ' ", " '.join(f'"\\"{number}\\": " n' for number in range(1, items + 1))
    least = min(FEWEST, most)
    return "\n".join(
        [
            'root ::= "{\\"topics\\": [" topics "], \\"members\\": {" members "}}"',
            f'topics ::= topic (", " topic){{{least - 1},{most - 1}}}',
            f"members ::= {members}",
            'topic ::= "{\\"name\\": \\"" name "\\", \\"description\\": \\"" description "\\"}"',
            f"name ::= character{{1,{_NAME}}}",
            f"description ::= character{{1,{_DESCRIPTION}}}",
            "n ::= " + " | ".join(f'"{number}"' for number in range(1, most + 1)),
            CHARACTER,
        ]
    )


def schema(items: int, most: int) -> dict[str, Any]:
    """Give the JSON schema of the same answer."""
    text = {"type": "string"}
    topic = {
        "type": "object",
        "properties": {"name": text, "description": text},
        "required": ["name", "description"],
        "additionalProperties": False,
    }
    numbers = [str(number) for number in range(1, items + 1)]
    member = {"type": "integer", "minimum": 1, "maximum": most}
    members = {
        "type": "object",
        "properties": dict.fromkeys(numbers, member),
        "required": numbers,
        "additionalProperties": False,
    }
    topics = {"type": "array", "items": topic, "minItems": min(FEWEST, most), "maxItems": most}
    return {
        "type": "object",
        "properties": {"topics": topics, "members": members},
        "required": ["topics", "members"],
        "additionalProperties": False,
    }


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: a key that stands twice is not lost."""


def read_answer(said: str, items: int) -> Answer | None:
    """Read an answer about so many summaries; None where it is no such JSON object, as far as one stands in it."""
    try:
        whole = json.loads(said[said.find("{") : said.rfind("}") + 1], object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    parts = dict(whole) if isinstance(whole, _Pairs) else {}
    topics, placed = parts.get("topics"), parts.get("members")
    if not isinstance(topics, list) or isinstance(topics, _Pairs) or not isinstance(placed, _Pairs):
        return None
    named = tuple(_topic(one) for one in topics)
    members: dict[int, set[int]] = {}
    unknown = 0
    for key, topic in placed:
        item, number = _number(key, items), _number(topic, len(named))
        if item is None or number is None:
            unknown += 1
        else:
            members.setdefault(item, set()).add(number)
    return Answer(named, members, unknown)


def _topic(found: object) -> tuple[str, str]:
    parts = dict(found) if isinstance(found, _Pairs) else {}
    name, description = _line(parts.get("name"), NAME_WORDS), _line(parts.get("description"), DESCRIPTION_WORDS)
    return name[:NAME_CHARACTERS].strip(" .,;:"), description


def _line(found: object, most: int) -> str:
    text = " ".join(found.split()[:most]) if isinstance(found, str) else ""
    # What separates the parts of a description must not stand within one.
    return text.replace(BEFORE_TERMS.strip(), "-").replace(" — ", " - ") if terms_of(text) else ""


def _number(found: object, most: int) -> int | None:
    """Give a number from 1 to `most`, as a number or as text, 0-based; None for anything else."""
    if isinstance(found, bool) or not isinstance(found, int | str):
        return None
    try:
        number = int(found)
    except ValueError:
        return None
    return number - 1 if 1 <= number <= most else None


def topics_of(
    answer: Answer | None, items: Sequence[Item], vectors: Matrix, most: int
) -> tuple[list[Topic], Repairs] | None:
    """Give the topics of all texts, whose rows of `vectors` (n, d) are L2-normalised or zero; None for unusable ones.

    A summary that is in no topic or in several goes to the nearest by vector, and so does a text whose summary was not
    shown; too many topics are merged with those most like them, the smallest first. Topics stand in the order of their
    first texts, and there are 2 to `most`.
    """
    if answer is None or not items:
        return None
    placed = {item: next(iter(topics)) for item, topics in answer.members.items() if len(topics) == 1}
    if len(placed) < LEAST_PLACED * len(items) or len(set(placed.values())) > 2 * most:
        return None
    groups: dict[int, list[int]] = {}
    for item, topic in sorted(placed.items()):
        groups.setdefault(topic, []).extend(items[item].members)
    _place_rest(groups, vectors)
    merged = _merge(groups, vectors, most)
    if len(groups) < 2 or max(map(len, groups.values())) > LARGEST * len(vectors):
        return None
    doubled = sum(len(topics) > 1 for topics in answer.members.values())
    found = sorted((tuple(sorted(members)), *answer.topics[topic]) for topic, members in groups.items())
    topics = [Topic(members, name, _said(name, text)) for members, name, text in found]
    unnamed = sum(not topic.name for topic in topics)
    missing = len(items) - len(answer.members)
    return topics, Repairs(missing, doubled, answer.unknown, merged, unnamed)


def _said(name: str, description: str) -> str:
    return f"{name}: {description}" if name and description else name or description


def _place_rest(groups: dict[int, list[int]], vectors: Matrix) -> None:
    """Put the texts that are in no group into the nearest."""
    placed = {place for members in groups.values() for place in members}
    rest = [place for place in range(len(vectors)) if place not in placed]
    if not rest:
        return
    topics = sorted(groups)
    centres = normalised(np.array([vectors[groups[topic]].sum(axis=0) for topic in topics], dtype=np.float32))
    nearest = np.round(vectors[rest] @ centres.T, 5).argmax(axis=1)
    for place, at in zip(rest, nearest.tolist(), strict=True):
        groups[topics[at]].append(place)


def _merge(groups: dict[int, list[int]], vectors: Matrix, most: int) -> int:
    """Merge the smallest groups with those most like them until there are at most `most`; give how many went."""
    merged = 0
    while len(groups) > most:
        sizes = Counter({topic: len(members) for topic, members in groups.items()})
        small = min(sizes, key=lambda topic: (sizes[topic], min(groups[topic])))
        others = sorted(groups.keys() - {small})
        centres = normalised(np.array([vectors[groups[topic]].sum(axis=0) for topic in others], dtype=np.float32))
        similar = np.round(centres @ vectors[groups[small]].sum(axis=0), 5)
        groups[others[int(similar.argmax())]] += groups.pop(small)
        merged += 1
    return merged
