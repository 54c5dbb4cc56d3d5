"""Ignore files: what .gitignore and .latticeignore say about the entries of their folder and below.

The rules are git's: the last pattern that matches decides, a deeper file overrides a shallower one, `!` takes an entry
back, and what lies in an ignored folder cannot be taken back, because the folder is never opened. A pattern is asked
about one entry at a time, each folder before its content.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

IGNORE_FILES = (".gitignore", ".latticeignore")  # the later overrides the earlier


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file: what it matches, and whether that is left out or taken back."""

    pattern: re.Pattern[str]
    ignores: bool
    folders_only: bool
    reaches_below: bool

    def matches(self, path: str, is_folder: bool) -> bool:
        """Whether the rule is about this very entry (not merely about a folder above it)."""
        if self.folders_only and not is_folder:
            return False
        found = self.pattern.match(path)
        return found is not None and (self.reaches_below or found.end() == len(path))


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one folder; `base` is its path relative to the root, empty for the root itself."""

    base: str
    rules: tuple[Rule, ...]


def read_rules(folder: str, base: str) -> Rules:
    """Read the ignore files of `folder`; raise OSError when one is there but cannot be read."""
    rules: list[Rule] = []
    for name in IGNORE_FILES:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, "rb") as file:
                rules += parse_rules(file.read().decode("utf-8-sig", "surrogateescape"))
    return Rules(base, tuple(rules))


def parse_rules(text: str) -> list[Rule]:
    """Turn the text of an ignore file into rules; comments, blank lines and invalid patterns give none."""
    parsed = (_parse(line.removesuffix("\r")) for line in text.split("\n"))
    return [rule for rule in parsed if rule is not None]


def is_ignored(path: str, is_folder: bool, levels: tuple[Rules, ...]) -> bool:
    """Whether the entry at `path` (relative to the root) is left out; `levels` go from the root down to its folder."""
    for level in reversed(levels):
        below = path[len(level.base) + 1 :] if level.base else path
        for rule in reversed(level.rules):
            if rule.matches(below, is_folder):
                return rule.ignores
    return False


def _parse(line: str) -> Rule | None:
    from pathspec import GitIgnoreSpec

    line = line if line.endswith("\\ ") else line.rstrip()
    bare = line.removesuffix("/")
    try:
        patterns = list(GitIgnoreSpec.from_lines([bare]).patterns)
    except (ValueError, re.error):  # git passes over a pattern that it cannot read
        return None
    pattern = patterns[0].regex if patterns else None
    include = patterns[0].include if patterns else None
    if pattern is None or include is None:
        return None
    # pathspec shortens "*" and "**" to "any character", and ends "folder/**" at the slash
    reaches_below = pattern.pattern == "." or bare.split("/")[-1] == "**"
    return Rule(pattern, include, bare != line, reaches_below)
