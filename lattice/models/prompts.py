"""Every prompt that a model is shown. A changed wording is a new version: scores of different versions do not mix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands before and after a text whose continuation is read."""

    before: tuple[Part, ...] = ()
    after: tuple[Part, ...] = ()


BARE = Frame()


@dataclass(frozen=True, slots=True)
class Request:
    """What a server is asked: two messages, the JSON schema of the answer, and how many tokens it may take."""

    system: str
    user: str
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 512


# The query is read as the continuation of this.
LIKELIHOOD = Frame(after=(Part("\n\nWrite a search query that this passage answers.\n"),))

# What is expected of the word that comes next is read. Two other frames do as well (benchmarks/scents.py); this one
# says what it asks for.
EXPECTING = Frame(before=(Part("Search query: "),), after=(Part("\n\nTopic, in one word:"),))

SYSTEM = "You judge how relevant passages are to a search query."
# What counts as relevant, where the user has not said it.
RELEVANCE = "it answers the query or holds what is needed to answer it"

POINTWISE_STATIC = "Passage:\n{text}\n\n"
POINTWISE_DYNAMIC = "Query: {query}\n\nA passage is relevant if {relevance}. Is the passage relevant? Answer Yes or No."
YES, NO = "Yes", "No"

LISTWISE_STATIC = "Passages:\n{passages}\n\n"
LISTWISE_DYNAMIC = (
    "Query: {query}\n\nA passage is relevant if {relevance}. Which passage is the most relevant? "
    "Answer with its letter."
)
LETTERS = "ABCDEFGHIJKLMNOPQRST"
# What is asked to learn which letters a model prefers whatever is asked (contextual calibration, Zhao et al. 2021).
NO_QUERY = "N/A"

REASONED_DYNAMIC = (
    "Query: {query}\n\nA passage is relevant if {relevance}. First say in one sentence what the query is essentially "
    "about. Then go through the passages: say in a few words what each offers, and give it a score from 0 (useless) to "
    "100 (just what is needed). Answer as JSON."
)
# Said where no grammar of ours holds: a server may take a schema and not show it to its model, or take none.
JSON_FORM = (
    " Write nothing but one JSON object with a key for each of the letters {letters}, in this form: "
    '{{"problem": "what the query is about", "A": {{"offers": "a few words", "score": 0}}, …}}'
)

UNDERSTAND_SYSTEM = "You prepare questions for a search engine."
# What is asked for, by its key in the answer and in its order: the words follow from what the question is about. No
# example and no form to fill in: a small model gives back what stands there in place of words of its own.
UNDERSTAND = {
    "query": '"query": the last question, rewritten so that it can be understood without the earlier ones.',
    "problem": '"problem": what the question is essentially about, in one sentence.',
    "words": '"words": a list of words that a text with the answer probably uses and the question does not.',
}


def understand_static(keys: Sequence[str]) -> str:
    """Give what is asked of every question: the wanted keys of UNDERSTAND."""
    return f"Answer as one JSON object and write nothing else. {' '.join(UNDERSTAND[key] for key in keys)}\n\n"


def understand_dynamic(question: str, earlier: Sequence[str] = ()) -> str:
    """Give what is asked of one question, after those that were asked before it."""
    last = f"Question: {question}"
    return "\n".join(["Earlier questions:", *earlier, "", f"Last q{last[1:]}"]) if earlier else last


# Raise it with every change of what follows: descriptions that another version wrote are then written anew.
DESCRIBE_VERSION = 1
DESCRIBE_SYSTEM = "You write short descriptions of groups of documents."
# First and the same for every group, so that its KV state serves them all. No example: a small model hands it back.
DESCRIBE_STATIC = (
    "Describe what the documents of this group are about, in one sentence of 20 to 40 words. "
    "Name the subjects; write nothing else.\n\n"
)


def describe_dynamic(children: Sequence[str], terms: Sequence[str], headings: str = "") -> str:
    """Give what is shown of one group: its author's name if any, a line for each child, and characteristic terms."""
    name = f"Name: {headings}\n" if headings else ""
    lines = "\n".join(f"- {child}" for child in children)
    return f"{name}Documents:\n{lines}" + (f"\n\nTerms: {', '.join(terms)}" if terms else "")


# Raise it with every change of what follows: a corpus is then organised anew.
ORGANISE_VERSION = 1
ORGANISE_SYSTEM = "You organise a collection of texts, as a table of contents does."
LEVELS_STATIC = (
    "Summarise each of the numbered texts five times, from a word or two to a sentence: in 1-2 words, in 3-4 words, in "
    "4-6 words, in 7-10 words and in 11-20 words. Say what it is about; begin alike for texts on one subject. "
    'Answer as one JSON object that has, for the number of each text, a list of its five summaries: {"1": ["", "", "", '
    '"", ""], …}. Write nothing else.\n\n'
)
TOPICS_STATIC = (
    "Sort the numbered summaries into topics, as a good librarian would: what a reader looks for together stands "
    "together, and no topic is much larger than the others. A number in brackets says how many texts have the summary. "
    "Give each topic a name of 1 to 5 words that tells it from the others, and a description of one sentence. Then say "
    "for each summary which topic it belongs to; each belongs to one. Answer as one JSON object: "
    '{"topics": [{"name": "", "description": ""}, …], "members": {"1": the number of its topic, …}}. '
    "Write nothing else.\n\n"
)


def levels_dynamic(texts: Sequence[str]) -> str:
    """Give what is shown of texts that are to be summarised."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))


def topics_dynamic(items: Sequence[tuple[str, int]], least: int, most: int, above: str = "") -> str:
    """Give what is shown of summaries, each with its count, that are to be sorted; `above` names the topic of all."""
    within = f"All of them belong to: {above}\n" if above else ""
    lines = [f"{number}. {text} ({count})" for number, (text, count) in enumerate(items, start=1)]
    return "\n".join([f"{within}Make {least} to {most} topics.", *lines])


# Raise it with every change of what follows: what was made with another version does not compare.
REPRESENT_VERSION = 1
REPRESENT_SYSTEM = "You name what texts are about."
# The instruction comes first and is the same for every text of a kind, so that its KV state serves them all.
REPRESENT_BEFORE = 'Give the one word, in lower case, that a search engine should know this {kind} by.\n\n{name}: "'
REPRESENT_AFTER = '"'
# The beginning of the answer; the next token begins the word.
REPRESENT_ANSWER = 'The {kind} in one word: "'

# How a judge that is told things is told what a question is about, in the place of the bare query.
ABOUT = "{query} (what it is about: {problem})"


def listed(texts: Sequence[str]) -> str:
    """Give the passages of a slate under their letters."""
    return "\n\n".join(f"[{letter}] {text}" for letter, text in zip(LETTERS, texts, strict=False))


# English text in the vocabularies of today's models; other scripts have more bytes a character and more tokens.
_BYTES_A_TOKEN = 4


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of a text for a model whose vocabulary is not at hand: one for every four bytes of UTF-8."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_A_TOKEN)
