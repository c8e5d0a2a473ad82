"""What a finder returns, and what all finders share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from porter.find.difference import Change
from porter.find.pattern import Match, Pattern, compile_pattern, find_matches
from porter.find.source import SourceFile


@dataclass(frozen=True)
class Found:
    """One place that an operation matches, and the changes it makes there."""

    changes: tuple[Change, ...]


def statement_pattern(text: str) -> Pattern:
    """A pattern for statements, which a lone expression is read as."""
    return compile_pattern(text, as_statements=True)


def anchors(text: str, source: SourceFile, within: str) -> Iterator[Match]:
    """The statements that an anchor pattern names."""
    yield from find_matches(statement_pattern(text), source, within)


def line_after(source: SourceFile, offset: int) -> int:
    """The offset at which the line after an offset's starts; the file's end if none does."""
    return source.lines[source.line_number(max(offset - 1, 0))]


def holds(source: SourceFile, code: str, within: str = "") -> bool:
    """Whether some code is in the file already, as a rule's code would put it."""
    return any(True for _ in find_matches(statement_pattern(code), source, within))
