"""Splitting documents into passages: nothing lost, nothing twice, the right size, the right place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.corpus.passages import split
from lattice.corpus.pieces import count_words
from lattice.corpus.read import document_from_text
from lattice.errors import UsageError
from lattice.types import Document, Location, Passage, Section


def words(count: int, word: str = "word") -> str:
    return " ".join([word] * count)


def passages(text: str, min_words: int = 40, max_words: int = 200) -> tuple[Passage, ...]:
    return split(document_from_text("a.md", "", text), min_words, max_words)


def sizes(text: str) -> list[int]:
    return [count_words(passage.text) for passage in passages(text)]


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_a_short_document_is_one_passage() -> None:
    (passage,) = passages("# Title\n\nJust a line.\n")
    assert passage.title == "Title"
    assert passage.heading == ()
    assert passage.text == "# Title\n\nJust a line."
    assert passage.location == Location("lines", 1, 3)
    assert (passage.document, passage.position) == ("a.md", 0)


def test_sections_long_enough_stay_apart() -> None:
    found = passages(f"# T\n\n## One\n\n{words(60)}\n\n## Two\n\n{words(70)}\n")
    assert [passage.heading for passage in found] == [(), ("Two",)]
    assert [passage.location for passage in found] == [Location("lines", 1, 5), Location("lines", 7, 9)]


def test_a_long_section_falls_into_even_parts_at_paragraphs() -> None:
    text = "\n\n".join([words(50)] * 6)
    assert sizes(text) == [150, 150]


def test_a_paragraph_too_long_is_cut_at_sentences() -> None:
    text = " ".join([words(29) + " end."] * 10)
    assert sizes(text) == [150, 150]
    assert all(passage.text.endswith("end.") for passage in passages(text))


def test_a_sentence_too_long_is_cut_between_words() -> None:
    assert sizes(words(1000)) == [200] * 5


def test_short_siblings_join_under_the_heading_that_they_share() -> None:
    sections = [("# T", 60), ("## A", 50), ("### A1", 25), ("### A2", 25), ("## B", 50)]
    text = "\n\n".join(f"{heading}\n\n{words(count)}" for heading, count in sections)
    assert [passage.heading for passage in passages(text)] == [(), ("A",), ("A",), ("B",)]
    assert "### A1" in passages(text)[2].text
    assert "### A2" in passages(text)[2].text


def test_a_short_section_joins_what_follows_rather_than_what_stands_above() -> None:
    text = f"# T\n\n## A\n\n{words(100)}\n\n## B\n\n{words(10, 'b')}\n\n## C\n\n{words(100)}"
    assert [passage.text.count("b b") > 0 for passage in passages(text)] == [False, True]


def test_a_short_end_takes_from_its_neighbour_rather_than_staying_short() -> None:
    text = "\n\n".join([words(100), words(90), words(20)])
    assert sizes(text) == [100, 110]


def test_a_heading_is_never_parted_from_its_text() -> None:
    text = "\n\n".join(f"## Heading {i}\n\n{words(190)}" for i in range(5))
    assert all(passage.text.startswith("## Heading") for passage in passages(text))


def test_a_line_that_announces_stays_with_what_it_announces() -> None:
    items = "\n\n".join(f"- {words(28)} see:\n\n`command {i}`" for i in range(20))
    assert not any(passage.text.endswith("see:") for passage in passages(items))


def test_pages_are_located_and_join_only_when_short() -> None:
    texts = [words(100), words(20), words(30), words(100)]
    sections = tuple(Section((), text, Location("page", i, i)) for i, text in enumerate(texts, 1))
    found = split(Document("a.pdf", "T", sections, "", 0, 0))
    assert [(passage.location.start, passage.location.end) for passage in found] == [(1, 1), (2, 3), (4, 4)]
    assert {passage.location.kind for passage in found} == {"page"}


def test_a_section_that_is_not_its_lines_verbatim_lends_its_whole_range() -> None:
    section = Section((), words(300), Location("lines", 5, 9))
    found = split(Document("a.html", "T", (section,), "", 0, 0))
    assert {passage.location for passage in found} == {Location("lines", 5, 9)}


def test_chinese_does_not_become_one_giant_passage() -> None:
    sentence = "敏捷的棕色狐狸跳过了那只懒狗。"
    assert len(passages(sentence * 100)) == 4
    assert all(passage.text.endswith("。") for passage in passages(sentence * 100))


def test_a_blob_is_cut_quickly_and_its_parts_are_bounded() -> None:
    found = passages("x" * 200_000)
    assert len(found) == 32
    assert max(len(passage.text) for passage in found) <= 200 * 32


def test_the_hash_follows_title_heading_and_words_but_not_white_space() -> None:
    document = document_from_text("a.md", "T", "some words\n\nand more")
    same = document_from_text("b.md", "T", "some  words\nand more")
    (passage,), (respaced,) = split(document), split(same)
    (retitled,) = split(replace(document, title="Other"))
    assert passage.content_hash == respaced.content_hash
    assert passage.content_hash != retitled.content_hash
    assert len(passage.content_hash) == 32


@pytest.mark.parametrize("bounds", [(0, 10), (11, 10)])
def test_impossible_bounds_are_a_usage_error(bounds: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="give 1 <= minimum <= maximum"):
        passages("text", *bounds)


_LINE = st.one_of(
    st.just(""),
    st.just("```"),
    st.integers(1, 4).map(lambda level: "#" * level + " Heading"),
    st.integers(1, 60).map(lambda count: words(count, "ab.")),
    st.integers(1, 40).map(lambda count: "  - " + "中文" * count),
    st.text(alphabet="ab#-=`>| 。\t", max_size=20),
)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.lists(_LINE, max_size=40), st.integers(1, 12), st.integers(0, 40))
def test_passages_hold_the_document_once_in_order_in_their_lines(lines: list[str], low: int, more: int) -> None:
    text = "\n".join(["start", *lines])
    found = passages(text, low, low + more)
    assert "".join(squeezed(passage.text) for passage in found) == squeezed(text)
    assert [passage.position for passage in found] == list(range(len(found)))
    assert all(count_words(passage.text) <= low + more for passage in found)
    source = text.split("\n")
    for passage in found:
        own = source[passage.location.start - 1 : passage.location.end]
        assert squeezed(passage.text) in squeezed("".join(own))
        assert own[0].strip()
        assert own[-1].strip()
    assert [p.location.start for p in found] == sorted(p.location.start for p in found)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=8, max_size=40))
def test_where_the_document_allows_no_passage_is_short(counts: list[int]) -> None:
    text = "\n\n".join(f"## Heading\n\n{words(count)}" for count in counts)
    assert all(40 <= size <= 200 for size in sizes(text)) or sum(sizes(text)) < 80
