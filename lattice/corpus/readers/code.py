"""Source code and structured text: sections at the signatures of top-level definitions and of members in classes.

No language is parsed. A block is a run of lines that begins, after a blank line, in column 0; its heading is its first
signature. Within a block that holds members (a class, an impl, a trait …), members are the signatures, one level
deeper, that stand after a blank line. Comments and decorators right above a signature belong to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lattice.corpus.readers.outline import Heading, sections_of
from lattice.corpus.readers.source import Parsed, TextReader
from lattice.errors import UnreadableFile

_MAX_SIGNATURE = 300  # characters; longer lines are data
_MAX_HEADING = 120
_LONG_LINE = 20_000  # nobody writes such a line by hand; a file of them is minified or generated
_LONG_MEAN = 500

_HOLDERS = "class|interface|trait|impl|struct|enum|module|namespace|object|protocol|extension|actor|primitive"
_MODIFIERS = (
    "export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\\([a-z]+\\))?|const|unsafe|"
    "extern|inline|virtual|override|sealed|open|data|partial|readonly|local|declare"
)
_CALLABLES = "def|func|fun|function|fn|sub|proc|macro|macro_rules!|new|be|method|type|typedef|union|record|test"
_HOLDER = re.compile(rf"(?:(?:{_MODIFIERS})\s+)*(?:{_HOLDERS})\b[^;]*$")
_SIGNATURE = re.compile(
    rf"(?:(?:{_MODIFIERS})\s+)*(?:"
    rf"(?:{_HOLDERS}|{_CALLABLES})\b\s*[*({{<]?\s*[\w\\~]"  # a keyword and a name
    r"|(?:const|let|var)\s+\w+\s*=\s*(?:async\s*)?(?:function\b|\()"  # a function given a name
    r"|\[+[\w.\"'-]+\]+\s*$"  # a TOML or INI table
    r"|(?i:create|alter|drop)\s+\w+\s+\w+"  # a statement of SQL
    r"|[\w-]+\s*\(\)\s*\{"  # a shell function
    r")"
)
# C, Java, C#: types, a name, parameters; only an opening brace tells it from prose and from a call
_TYPED_SIGNATURE = re.compile(r"(?:[\w:<>,.\[\]&*~]+\s+[*&]*){1,6}[\w:~]+\s*\([^;]*$")
_NOT_SIGNATURE = re.compile(r"(?:return|else|if|for|while|switch|throw|await|yield|case|elif|import|from|using|use)\b")
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|@|;)")  # and decorators, attributes, what the preprocessor reads
_CLOSING = re.compile(r"[)\]}]|end\b|else\b|then\b|do\b|fi\b|done\b")
_TAIL = re.compile(r"\s*(?:[:{]|=>|do)?\s*$")


def parse(text: str) -> Parsed:
    """Cut source code at its definitions; raise `UnreadableFile` when it was minified or generated in one line."""
    lines = text.split("\n")
    longest = max(map(len, lines))
    if longest > _LONG_LINE and len(text) > _LONG_MEAN * len(lines):
        raise UnreadableFile(f"it looks minified or generated (a line of {longest:,} characters); ignore it")
    return Parsed(None, sections_of(lines, list(find_definitions(lines))))


def find_definitions(lines: Sequence[str]) -> Iterator[Heading]:
    """Yield the definitions in order: level 1 in column 0, level 2 for the members of what stands there."""
    holds_members = False
    for start, stop in _runs(lines):
        signature = _signature(lines, start, stop)
        indented = lines[start][0].isspace()
        if not indented and not _CLOSING.match(lines[start]):
            holds_members = signature is not None and _HOLDER.match(signature) is not None
        if signature is not None and (not indented or holds_members):
            yield Heading(start, 2 if indented else 1, _TAIL.sub("", signature)[:_MAX_HEADING])


def _runs(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the runs of lines [start, stop) without a blank line."""
    start = 0
    for number, line in enumerate([*lines, ""]):
        if not line.strip():
            if number > start:
                yield start, number
            start = number + 1


def _signature(lines: Sequence[str], start: int, stop: int) -> str | None:
    """Give the first line of code in a run, without its indentation, if it is a signature."""
    for number in range(start, stop):
        if not _COMMENT.match(lines[number]):
            following = lines[number + 1] if number + 1 < stop else ""
            stripped = lines[number].strip()
            return stripped if _is_signature(stripped, following) else None
    return None


def _is_signature(line: str, following: str) -> bool:
    if len(line) > _MAX_SIGNATURE or _NOT_SIGNATURE.match(line):
        return False
    opens = line.endswith("{") or following.lstrip().startswith("{")
    return _SIGNATURE.match(line) is not None or (opens and _TYPED_SIGNATURE.match(line) is not None)


READER = TextReader(parse)
