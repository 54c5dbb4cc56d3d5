"""Source code: definitions of many languages, found without parsing any."""

from __future__ import annotations

import pytest

from lattice.corpus.readers.code import find_definitions, parse
from lattice.errors import UnreadableFile

PYTHON = '''"""Module words (see there)."""

import os


# about f
@cache
def f(x: int) -> int:
    def inner() -> None: ...

    return x


class Box(Base, metaclass=Meta):
    """A box."""

    size = 1

    def open(self) -> None:
        for x in range(3):

            print(x)

    # about close
    def close(self):
        return self.f(1)

LIMIT = f(3)
'''


def test_python_definitions_and_members_with_their_comments() -> None:
    parsed = parse(PYTHON)
    assert parsed.title is None
    assert [(s.heading, s.location.start, s.location.end) for s in parsed.sections] == [
        ((), 1, 3),
        (("def f(x: int) -> int",), 6, 11),
        (("class Box(Base, metaclass=Meta)",), 14, 17),
        (("class Box(Base, metaclass=Meta)", "def open(self) -> None"), 19, 22),
        (("class Box(Base, metaclass=Meta)", "def close(self)"), 24, 28),
    ]


def test_every_line_stands_in_a_section_verbatim() -> None:
    lines = PYTHON.split("\n")
    for section in parse(PYTHON).sections:
        assert section.text == "\n".join(lines[section.location.start - 1 : section.location.end])
    assert "".join("".join(s.text for s in parse(PYTHON).sections).split()) == "".join(PYTHON.split())


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("async function load(url) {", "async function load(url)"),
        ("export const add = (a, b) => a + b;", "export const add = (a, b) => a + b;"),
        ("export default class App extends Base {", "export default class App extends Base"),
        ("func (s *Server) Serve(l net.Listener) error {", "func (s *Server) Serve(l net.Listener) error"),
        ("pub(crate) fn parse<T>(text: &str) -> T {", "pub(crate) fn parse<T>(text: &str) -> T"),
        ("impl<T> Iterator for Rows<T> {", "impl<T> Iterator for Rows<T>"),
        ("static int count(const char *text, size_t n)\n{", "static int count(const char *text, size_t n)"),
        ("std::string Name::full() const {", "std::string Name::full() const"),
        ("public static void main(String[] args) {", "public static void main(String[] args)"),
        ("build_all() {", "build_all()"),
        ("CREATE TABLE people (", "CREATE TABLE people ("),
        ("[tool.ruff.lint]", "[tool.ruff.lint]"),
        ("actor Main", "actor Main"),
        ("module Shop", "module Shop"),
        ("#[derive(Debug)]\npub struct Point {", "pub struct Point"),
        ("/** Adds. */\nfunction add(a, b) {", "function add(a, b)"),
    ],
)
def test_signatures_of_many_languages(line: str, heading: str) -> None:
    assert [found.text for found in find_definitions(line.split("\n"))] == [heading]


@pytest.mark.parametrize(
    "line",
    [
        "return f (x) {",
        "x = 1",
        "if (a) {",
        "words in a row (like these)",
        "import x",
        "f(1)",
        "key: value",
        "}",
        "# def",
    ],
)
def test_what_is_no_definition(line: str) -> None:
    assert list(find_definitions([line])) == []


def test_a_definition_inside_a_function_is_no_section() -> None:
    assert len(list(find_definitions(["def f():", "    x = 1", "", "    def g():", "        pass"]))) == 1


def test_minified_code_is_refused_quickly_and_one_long_line_among_many_is_not() -> None:
    with pytest.raises(UnreadableFile, match="a line of 5,000,000 characters"):
        parse("var a=b(c)" * 500_000)
    assert parse("x = 1\n" * 100 + "y = '" + "a" * 25_000 + "'").sections
