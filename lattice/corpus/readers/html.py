"""HTML: the visible text, one section a block (a paragraph, a heading, a list item, a table row), with source lines.

The parser keeps no positions. So each start tag of the source is marked with its line before parsing, and between tags
the line breaks of the text are counted. Lines are exact but for text behind an end tag that spans lines: there they
may be too small until the next start tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lattice.corpus.readers.outline import Heading, heading_paths
from lattice.corpus.readers.source import Parsed, TextReader
from lattice.errors import UnreadableFile
from lattice.types import Location, Section

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_LINE = "data-lattice-line"
# An attribute in quotes is taken whole, up to a bound that keeps a stray quote from eating the document.
_START_TAG = re.compile(r"""<([A-Za-z][^\s/>]*)(?:[^<>"']++|"[^"]{0,4000}+"|'[^']{0,4000}+'|["'])*+>""")
# Elements that stay open until they are closed; paragraphs, list items and cells close one another.
_NESTING_TAG = re.compile(r"<(/?)(?:div|span|section|blockquote|ul|ol|table|b|i|em|strong|font|a)\b", re.IGNORECASE)
_DEEPEST = 5_000
_UNSEEN_TAGS = "script style nav template svg noscript iframe object canvas textarea select button head dialog"
_BLOCK_TAGS = (
    "address article aside blockquote body caption dd details div dl dt fieldset figcaption figure footer form h1 h2 "
    "h3 h4 h5 h6 header hr html li main ol p pre section summary table tbody tfoot thead tr ul"
)
_UNSEEN = frozenset(_UNSEEN_TAGS.split())
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_SPACING = frozenset({"br", "td", "th"})  # they part words without a space in the source


@dataclass(slots=True)
class _Block:
    """A block being gathered: its text, the lines it spans so far, and the level of its heading (0 for none)."""

    level: int = 0
    verbatim: bool = False
    texts: list[str] = field(default_factory=list)
    start: int = 0
    end: int = 0


def parse(text: str) -> Parsed:
    """Take the blocks of a page in order; the title is the page's `<title>`, else its first `<h1>`."""
    from selectolax.lexbor import LexborHTMLParser

    _refuse_bottomless(text)
    page = LexborHTMLParser(_mark_lines(text))
    blocks = list(_blocks(page.root)) if page.root is not None else []
    title_node = page.css_first("head > title")
    title = " ".join(title_node.text().split()) if title_node is not None else ""
    first_h1 = next((_text(block) for block in blocks if block.level == 1), None)
    return Parsed(title or first_h1, tuple(_sections(blocks)))


def _refuse_bottomless(text: str) -> None:
    """Raise `UnreadableFile` for a page nested deeper than anybody writes: parsing takes the square of the depth."""
    depth = 0
    for tag in _NESTING_TAG.finditer(text):
        depth = max(0, depth + (-1 if tag[1] else 1))
        if depth > _DEEPEST:
            raise UnreadableFile(f"its elements are nested more than {_DEEPEST:,} deep; convert it or ignore it")


def _mark_lines(text: str) -> str:
    parts: list[str] = []
    line, at = 1, 0
    for tag in _START_TAG.finditer(text):
        line += text.count("\n", at, tag.end())
        # a line break right behind <pre> is no content: the parser drops it
        content = line + (tag[1].lower() == "pre" and text.startswith("\n", tag.end()))
        parts += (text[at : tag.end(1)], f" {_LINE}={content}", text[tag.end(1) : tag.end()])
        at = tag.end()
    parts.append(text[at:])
    return "".join(parts)


def _sections(blocks: list[_Block]) -> Iterator[Section]:
    numbered = [Heading(i, block.level, _text(block)) for i, block in enumerate(blocks) if block.level]
    paths = dict(zip((heading.line for heading in numbered), heading_paths(numbered), strict=True))
    path: tuple[str, ...] = ()
    for i, block in enumerate(blocks):
        path = paths.get(i, path)
        yield Section(path, _text(block), Location("lines", block.start, block.end))


def _text(block: _Block) -> str:
    text = "".join(block.texts)
    return text.strip("\n").rstrip() if block.verbatim else " ".join(text.split())


def _blocks(root: LexborNode) -> Iterator[_Block]:
    """Walk the page in document order, without recursion, and yield the blocks that hold any text."""
    block, line = _Block(), 1
    pending: list[tuple[LexborNode | None, _Block]] = [(root, block)]  # None: here the block inside `around` ends
    while pending:
        node, around = pending.pop()
        tag = "" if node is None else node.tag or ""
        if node is None or tag in _BLOCKS:
            if block.start:
                yield block
            block = _Block(_HEADINGS.get(tag, around.level), tag == "pre" or around.verbatim)
        if node is None:
            continue
        line = _line_of(node, tag) or line
        if tag == "-text":
            line = _gather(block, node.text(), line)
        elif tag in _UNSEEN or tag == "-comment":
            line += (node.html or "").count("\n")
        else:
            block.texts.append(" " if tag in _SPACING else "")
            pending += [(None, around)] if tag in _BLOCKS else []
            pending += [(child, block) for child in reversed(list(_children(node)))]
    if block.start:
        yield block


def _line_of(node: LexborNode, tag: str) -> int:
    value = None if tag.startswith("-") else node.attributes.get(_LINE)
    return int(value) if value else 0


def _gather(block: _Block, text: str, line: int) -> int:
    """Add text to a block and give the line where it ends."""
    last = line + text.count("\n")
    if text.strip():
        block.start = block.start or line + text[: len(text) - len(text.lstrip())].count("\n")
        block.end = line + text.rstrip().count("\n")
    block.texts.append(text)
    return last


def _children(node: LexborNode) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


READER = TextReader(parse)
