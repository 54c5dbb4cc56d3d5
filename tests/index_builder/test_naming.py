"""Names: short, made of what is written, and no two siblings' the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lattice.index_builder.branches import Branch
from lattice.index_builder.naming import names_of, same
from lattice.tokens import words
from lattice.types import Passage
from tests.index_builder.corpora import passage, small_corpus


def leaves(*numbers: int) -> tuple[Branch, ...]:
    return tuple(Branch("passage", passage=number) for number in numbers)


def cluster(*numbers: int, name: str = "", headings: tuple[str, ...] = ()) -> Branch:
    return Branch("cluster", leaves(*numbers), headings=headings, name=name)


def below_root(passages: list[Passage], *children: Branch) -> list[str]:
    """Give the names of the root's inner children."""
    names = names_of(Branch("root", children), passages)
    starts, at = [], 1
    for child in children:
        starts.append(at)
        at += 1 + len(list(child.leaves()))
    return [names[start] for start in starts]


def subjects() -> list[str]:
    return below_root(small_corpus(), *(cluster(*range(start, 16, 4)) for start in range(4)))


def test_names_stand_in_the_order_of_numbers_and_leaves_have_none() -> None:
    tree = Branch("root", (*leaves(0), cluster(4, 8), Branch("cluster", (cluster(1, 5), *leaves(9)))))
    names = names_of(tree, small_corpus(), "My notes")
    assert [bool(name) for name in names] == [True, False, True, False, False, True, True, False, False, False]
    assert names[0] == "My notes"


def test_a_cluster_is_called_by_what_its_siblings_lack() -> None:
    found = subjects()
    assert ["dough" in found[0], "Bees" in found[2]] == [True, True]
    corpus = [
        passage(f"{i}", text=f"Report: {'tidal power' if i % 2 else 'wind power'} in the north.") for i in range(8)
    ]
    tidal, wind = below_root(corpus, cluster(1, 3, 5, 7), cluster(0, 2, 4, 6))
    assert (tidal, wind) == ("Tidal power", "Wind power")


def test_words_that_stand_together_are_a_phrase_and_keep_their_order() -> None:
    texts = [
        "Pluripotent stem cells grow.",
        "We saw pluripotent stem cells.",
        "Old heart valves leak.",
        "New heart valves.",
    ]
    corpus = [passage(f"{i}", text=text) for i, text in enumerate(texts)]
    assert below_root(corpus, cluster(0, 1), cluster(2, 3)) == ["Pluripotent stem cells", "Heart valves"]


def test_words_are_spelled_as_they_mostly_are_and_only_plain_ones_get_a_capital() -> None:
    texts = ["the mRNA decays and mRNA folds", "some mRNA here", "a WNT path; a Wnt path", "the Wnt path leads on"]
    corpus = [passage(f"{i}", text=text) for i, text in enumerate(texts)]
    first, second = below_root(corpus, cluster(0, 1), cluster(2, 3))
    assert first.startswith("mRNA")
    assert second.startswith("Wnt path")


def test_addresses_placeholders_numbers_and_markup_are_no_names() -> None:
    text = "See https://owls.example/org for {{path/to/file}} 2024 12"
    corpus = [
        passage(f"{i}", text=f"{text}. {'Barn **owls** hunt' if i < 2 else 'Grey `herons` wade'}.") for i in range(4)
    ]
    found = " ".join(below_root(corpus, cluster(0, 1), cluster(2, 3))).lower()
    assert "owls" in found
    assert "herons" in found
    assert not {"https", "org", "path", "2024", "file"} & set(words(found))
    assert not set("`*{}") & set(found)


def test_the_authors_headings_are_kept_and_several_are_told_by_first_and_last() -> None:
    corpus = small_corpus()
    long = "A very long heading of which only the beginning tells a reader anything at all"
    children = [
        Branch("section", leaves(0, 4), headings=("Install", "Run", "Install", "Remove")),
        Branch("section", leaves(1, 5), headings=("`lattice` [index](docs/cli.md)",)),
        Branch("folder", leaves(2, 6), headings=("common/linux",)),
        Branch("section", leaves(3, 7), headings=(long,)),
    ]
    found = below_root(corpus, *children)
    assert found[:3] == ["Install – Remove", "lattice index", "common/linux"]
    assert found[3].endswith("…")
    assert len(found[3].split()) == 9


def test_two_documents_of_one_title_are_told_apart_by_their_files() -> None:
    corpus = [passage(path, i, "Overview") for path in ("a/guide.md", "a/notes.md", "b/notes.md") for i in range(2)]
    documents = [Branch("document", leaves(i, i + 1), headings=("Overview",)) for i in (0, 2, 4)]
    assert below_root(corpus, *documents[:2]) == ["Overview (guide.md)", "Overview (notes.md)"]
    assert below_root(corpus, *documents[1:]) == ["Overview (a/notes.md)", "Overview (b/notes.md)"]


def test_a_models_name_is_kept_unless_it_is_empty_or_a_siblings() -> None:
    corpus = small_corpus()
    kept = [cluster(0, 4, name="Bread and dough"), cluster(1, 5, name="The sea"), cluster(2, 6, name="  ")]
    found = below_root(corpus, *kept)
    assert found[:2] == ["Bread and dough", "The sea"]
    assert found[2]
    twice = below_root(corpus, cluster(0, 4, name="Work"), cluster(1, 5, name="work"), cluster(2, 6, name="Wörk"))
    assert len(set(map(same, twice))) == 3
    assert all(name.lower().startswith(("work (", "wörk (")) for name in twice)


@pytest.mark.parametrize("text", ["", "???", "the of and", "same words here"])
def test_what_cannot_be_told_apart_is_counted(text: str) -> None:
    corpus = [passage(f"{i}", text=text) for i in range(6)]
    found = below_root(corpus, cluster(0, 1), cluster(2, 3), cluster(4, 5))
    assert all(found)
    assert len(set(map(same, found))) == 3


def test_scripts_without_spaces_give_names_of_what_is_written() -> None:
    texts = ["全文検索は索引を使う。", "全文検索の速さ。", "機械学習のモデル。", "機械学習と評価。"]
    corpus = [passage(f"{i}", text=text) for i, text in enumerate(texts)]
    found = below_root(corpus, cluster(0, 1), cluster(2, 3))
    assert found[0].split(", ")[0] in "全文検索"
    assert found[1].split(", ")[0] in "機械学習"


def test_an_empty_corpus_has_a_name() -> None:
    assert names_of(Branch("root"), [], "notes") == ["notes"]
    assert names_of(Branch("root"), []) == ["Part 1"]


_WORD = st.sampled_from(["owl", "Owl", "barn owl", "the", "", "?", "C++", "機械学習", "x_1", "2024", "heron. The"])


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.lists(st.tuples(_WORD, _WORD, st.sampled_from(["", "A", "a", "B"])), min_size=6, max_size=18))
def test_siblings_never_share_a_name_and_names_depend_on_the_corpus_alone(made: list[tuple[str, str, str]]) -> None:
    corpus = [passage(f"{i:02}", text=f"{one} {two}", title=title) for i, (one, two, title) in enumerate(made)]
    third = len(corpus) // 3
    groups = [range(third), range(third, 2 * third), range(2 * third, len(corpus))]
    children = [cluster(*group, headings=(made[group[0]][2],), name=made[group[1]][2]) for group in groups]
    found = below_root(corpus, *children)
    assert all(found)
    assert len(set(map(same, found))) == 3
    assert found == below_root(corpus, *children)
