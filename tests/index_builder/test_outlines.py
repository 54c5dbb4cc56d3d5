"""A document's own structure, by hand."""

from lattice.index_builder.outlines import documents
from tests.index_builder.corpora import in_documents, passage, shape


def test_a_document_of_few_passages_needs_no_sections() -> None:
    (document,) = documents(in_documents([4], [("A",), ("A",), ("B",), ("B",)]), 4)
    assert shape(document) == [0, 1, 2, 3]


def test_loose_documents_give_their_passages() -> None:
    found = documents(in_documents([2, 3, 1]), 12, loose=2)
    assert [shape(branch) for branch in found] == [0, 1, [2, 3, 4], 5]


def test_headings_part_a_long_document() -> None:
    headings = [("Book", "One")] * 2 + [("Book", "Two")] * 3 + [("Book", "Three")]
    (document,) = documents(in_documents([6], headings), 5)
    assert shape(document) == [[0, 1], [2, 3, 4], 5]
    assert [child.headings for child in document.children] == [("One",), ("Two",), ()]
    assert [child.kind for child in document.children] == ["section", "section", "passage"]


def test_many_short_sections_are_fused_with_their_neighbours() -> None:
    headings = [(name,) for name in "AABBCCDDEE"]
    (document,) = documents(in_documents([10], headings), 4)
    assert shape(document) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [child.headings for child in document.children] == [("A", "B"), ("C", "D"), ("E",)]


def test_passages_without_headings_are_parted_evenly_by_position() -> None:
    (document,) = documents(in_documents([14]), 5)
    assert shape(document) == [[0, 1, 2, 3], [4, 5, 6, 7, 8], [9, 10, 11, 12, 13]]


def test_a_heading_that_returns_makes_a_second_section() -> None:
    (document,) = documents(in_documents([6], [("A",), ("A",), ("B",), ("B",), ("A",), ("A",)]), 5)
    assert shape(document) == [[0, 1], [2, 3], [4, 5]]


def test_untitled_documents_have_no_headings() -> None:
    (document,) = documents([passage("a", 0), passage("a", 1)], 12)
    assert document.headings == ()
