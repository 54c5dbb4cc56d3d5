from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from lattice.index_builder.authors import Call, Writing
from lattice.index_builder.build import build
from lattice.index_builder.summaries import BEFORE_MORE, ExtractiveSummarizer, summarizer_of
from lattice.index_builder.written import (
    CHILD_WORDS,
    MOST_WORDS,
    PROMPT_BYTES,
    LLMSummarizer,
    cut,
    flaw,
    written_summarizer_of,
)
from lattice.models.embedders import fit_tfidf_svd
from lattice.models.prompts import DESCRIBE_STATIC
from lattice.types import BuildSettings, Group, Passage, Usage
from tests.index_builder.corpora import small_corpus


@dataclass
class Wrote:
    text: str
    usage: Usage = field(default_factory=lambda: Usage(evaluated=10, generated=5, calls=1))


@dataclass
class ScriptedAuthor:
    """Writes what it is given, and remembers what it was shown."""

    answer: str = "A fine sentence about gardens, moths and the wide night sky above them."
    shown: list[str] = field(default_factory=list)
    trimmed: int = 0

    def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Wrote]]:
        for number, call in enumerate(calls):
            self.shown.append(call.dynamic)
            yield number, Wrote(self.answer, Usage(evaluated=10, generated=5, calls=1, trimmed=self.trimmed))


@dataclass
class KeptHere:
    results: dict[str, str] = field(default_factory=dict)
    problem: str | None = None

    def get(self, key: str) -> str | None:
        return self.results.get(key)

    def put(self, key: str, text: str, usage: Usage) -> None:
        assert key not in self.results
        self.results[key] = text

    def prune(self) -> None:
        pass


def extractive_of(corpus: list[Passage]) -> ExtractiveSummarizer:
    _, vectors = fit_tfidf_svd([passage.text for passage in corpus], 16, 1000, 0)
    return summarizer_of(corpus, vectors, 40)


def described(made: LLMSummarizer, group: Group) -> str:
    ((number, text),) = made.describe_all([group])
    assert number == 0
    return text


def summarizer(corpus: list[Passage], author: ScriptedAuthor) -> LLMSummarizer:
    return written_summarizer_of(corpus, extractive_of(corpus), Writing(author, "model", KeptHere()))


def test_a_description_is_the_sentence_and_the_terms() -> None:
    corpus = small_corpus()
    words = corpus[0].text.split()[:4]
    author = ScriptedAuthor(f"What is told here of {' and '.join(words)} in some more words.")
    made = summarizer(corpus, author)
    description = described(made, Group([[0], [4], [8]], described=["one", "two", "three"]))
    sentence, _, terms = description.partition(BEFORE_MORE)
    assert sentence == author.answer
    said = set(sentence.lower().split())
    assert terms
    assert not said & set(terms.split(", ")), "a term that the sentence has says nothing new"
    assert made.writing.written().by_rule == 0


def test_a_model_is_shown_what_the_children_are_called_and_the_first_words_of_passages() -> None:
    corpus, author = small_corpus(), ScriptedAuthor()
    made = summarizer(corpus, author)
    described(made, Group([[0], [4, 8]], ["Chapter one"], ["its label", f"A summary.{BEFORE_MORE}not, these"]))
    shown = author.shown[0]
    assert shown.startswith("Name: Chapter one\nDocuments:\n- its label: ")
    assert " ".join(corpus[0].text.split()[:5]) in shown
    assert "\n- A summary.\n" in shown
    assert "not, these" not in shown


def test_however_many_and_long_the_children_are_the_prompt_stays_short() -> None:
    corpus, author = small_corpus(), ScriptedAuthor()
    made = summarizer(corpus, author)
    described(made, Group([[i % 16] for i in range(100)], described=["木" * 500] * 100))
    described(made, Group([[0], [1, 2]], described=["word " * 500] * 2))
    assert all(len(shown.encode()) < PROMPT_BYTES + 1_000 for shown in author.shown)
    assert author.shown[1].count("word") == 2 * CHILD_WORDS


def test_what_cannot_be_used_is_replaced_by_rule_and_counted() -> None:
    corpus = small_corpus()
    extractive = extractive_of(corpus)
    for answer in ("", "word word word word word word word word", "Nothing that was shown stands in these words."):
        made = summarizer(corpus, ScriptedAuthor(answer))
        assert described(made, Group([[0], [4]], described=["a", "b"])) == extractive.describe(Group([[0], [4]]))
        assert made.writing.written().by_rule == 1


def test_an_answer_to_a_prompt_that_was_cut_is_none() -> None:
    corpus = small_corpus()
    made = summarizer(corpus, ScriptedAuthor(corpus[0].text, trimmed=1))
    described(made, Group([[0], [4]], described=["a", "b"]))
    assert made.writing.written().by_rule == 1


def test_an_empty_corpus_asks_no_model() -> None:
    author = ScriptedAuthor()
    assert described(summarizer([], author), Group([])) == "(nothing indexed)"
    assert not author.shown


def test_the_author_of_the_documents_comes_first() -> None:
    corpus = small_corpus()
    made = summarizer(corpus, ScriptedAuthor("All there is to say of a baker who kneads dough."))
    found = described(made, Group([[0], [4]], ["Chapter one"], ["a", "b"]))
    assert found.startswith("Chapter one; All there is to say of ")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("One line.\nAnother  one.", "One line. Another one."),
        ("The documents of this group are about tides and the moon.", "Tides and the moon."),
        ("A sentence. " + "word " * 50, "A sentence."),
        ("word " * 41, "Word" + " word" * 39 + "…"),
        ("Version 3.5 of it. And", "Version 3.5 of it."),
        ("Of this — terms: that", "Of this - that"),
        ("Of this — also: that", "Of this - that"),
        ("", ""),
    ],
)
def test_a_summary_is_cut_at_a_sentence_end_within_forty_words(said: str, expected: str) -> None:
    assert cut(said) == expected
    assert len(cut(said).split()) <= MOST_WORDS


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("How tides follow the moon through the months of a year.", None),
        ("潮の満ち引きと月の動きについて", None),
        ("", "empty"),
        ("It is of the.", "empty"),
        ("Tides.", "too short"),
        ("Tides and the moon.", "too short"),
        ("Tides tides tides tides moon moon moon moon tides", "looped"),
        ("It is a moon of a tide, it is a sea of a boat, it is a rock of a shore.", "looped"),
        ("Cooking pasta takes salted water and a large pot.", "strange"),
        ("Short documents of this group in one sentence of moon words", "repeats the prompt"),
        ("The moon draws the tides up and down", "repeats the prompt"),
    ],
)
def test_flaws_are_known(summary: str, expected: str | None) -> None:
    shown = ["The moon draws the tides up and down", "tide tables of a year", "潮の月"]
    assert flaw(summary, shown) == expected


def test_the_instruction_itself_is_no_description() -> None:
    assert flaw(DESCRIBE_STATIC, ["the moon", "subjects of a sentence"]) is not None


def test_what_a_model_has_said_already_is_not_asked_for() -> None:
    author = ScriptedAuthor()
    made = summarizer(small_corpus(), author)
    groups = [Group([[4], [5]], described=["a", "b"]), Group([[0], [1]], said="Bread: how it is baked.")]
    assert [number for number, _ in made.describe_all(groups)] == [1, 0]
    assert len(author.shown) == made.writing.nodes == 1


def test_a_build_asks_bottom_up_and_a_second_one_asks_nothing() -> None:
    author, results, stages = ScriptedAuthor(), KeptHere(), list[tuple[str, int, int]]()
    settings = BuildSettings(branching=3, descriptions="llm")

    def run() -> tuple[Writing, tuple[str, ...]]:
        writing = Writing(author, "model", results)
        snapshot = build("/r", [], small_corpus(), [], settings, lambda *at: stages.append(at), writing=writing)
        return writing, tuple(node.description for node in snapshot.nodes)

    first, described = run()
    inner = first.nodes
    assert first.usage.calls == len(author.shown) == len(results.results) <= inner
    steps = [(done, total) for stage, done, total in stages if stage == "descriptions"]
    assert steps == [(done, inner) for done in range(inner + 1)]
    again, same = run()
    assert (again.usage.calls, again.kept, same) == (0, inner, described)
    assert len(author.shown) == first.usage.calls
