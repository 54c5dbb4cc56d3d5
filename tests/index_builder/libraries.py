"""Passages with labels, a librarian who knows them, and bad answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lattice.index_builder.authors import Writing
from lattice.index_builder.organising import Organising
from lattice.index_builder.stand_ins import ScriptedLibrarian
from lattice.types import Passage
from tests.index_builder.corpora import passage
from tests.index_builder.test_written import KeptHere

SHELVES = {
    "Plants": {"Trees": "oak beech birch pine larch", "Herbs": "basil thyme sage mint dill"},
    "Animals": {"Birds": "wren robin heron kite finch", "Fish": "trout perch carp pike eel"},
    "Places": {"Rivers": "danube rhine elbe loire tagus", "Peaks": "eiger etna olympus vesuvius brocken"},
    "Crafts": {"Wood": "lathe plane chisel saw mallet", "Cloth": "loom needle spindle bobbin thimble"},
}
LABELS = {
    word: (shelf, f"{shelf} {board}")
    for shelf, boards in SHELVES.items()
    for board, words in boards.items()
    for word in words.split()
}


def library(each: int = 3) -> list[Passage]:
    """Give `each` documents of one passage on each of forty things, in mixed order."""
    return [
        passage(
            f"{number}-{word}.md",
            0,
            f"Notes on {word} {number}",
            (),
            f"The {word} of the {shelf.lower()}, among {board.lower()}, as seen in year {number} by a {word} friend.",
        )
        for number in range(each)
        for word, (shelf, board) in LABELS.items()
    ]


def labels_of(text: str) -> tuple[str, ...]:
    """Give where a text of the library belongs."""
    return next((LABELS[word] for word in text.lower().split() if word in LABELS), ("Other",))


def librarian(spoil: Callable[[str], str] = lambda said: said) -> ScriptedLibrarian:
    """Give one who knows the library."""
    return ScriptedLibrarian(labels_of, spoil)


def organising(author: ScriptedLibrarian, results: KeptHere | None = None) -> Organising:
    """Have a librarian organise."""
    return Organising(Writing(author, "model", results or KeptHere()))


def drops(said: str) -> str:
    answer = json.loads(said)
    answer["members"] = {number: topic for number, topic in answer["members"].items() if int(number) % 3}
    return json.dumps(answer)


def invents(said: str) -> str:
    answer = json.loads(said)
    answer["members"] |= {"9001": 1, "nine": 2, "1": 77, "2": None}
    return json.dumps(answer)


def doubles(said: str) -> str:
    answer = json.loads(said)
    pairs = [f'"{number}": {topic}' for number, topic in answer["members"].items()]
    pairs += [
        f'"{number}": {topic % len(answer["topics"]) + 1}'
        for number, topic in answer["members"].items()
        if number == "1"
    ]
    return f'{{"topics": {json.dumps(answer["topics"])}, "members": {{{", ".join(pairs)}}}}}'


def giant(said: str) -> str:
    answer = json.loads(said)
    answer["members"] = dict.fromkeys(answer["members"], 1)
    return json.dumps(answer)


def singletons(said: str) -> str:
    members = list(json.loads(said)["members"])
    topics = [{"name": f"Topic {number}", "description": "One of many."} for number in members]
    return json.dumps({"topics": topics, "members": {number: int(number) for number in members}})


def without_names(said: str) -> str:
    answer: dict[str, Any] = json.loads(said)
    answer["topics"] = [{"name": " ", "description": ""} for _ in answer["topics"]]
    return json.dumps(answer)


def twins(said: str) -> str:
    answer: dict[str, Any] = json.loads(said)
    answer["topics"] = [{"name": "Things", "description": "Several things."} for _ in answer["topics"]]
    return json.dumps(answer)


def prose(said: str) -> str:
    return "Certainly! Here is a thoughtful table of contents for your collection. " * 5


def half(said: str) -> str:
    return said[: len(said) // 2]


def nonsense(said: str) -> str:
    return '{"topics": [1, null, {"name": 3}], "members": {"1": true, "2": [1], "3": {"a": 1}}}'


HOSTILE = (drops, invents, doubles, giant, singletons, without_names, twins, prose, half, nonsense)
