"""Indentation of pieces of code that move."""

from __future__ import annotations

import io
import tokenize


def indented(text: str, indent: str, *, first: bool = True) -> str:
    """Text with its lines indented further; lines inside strings and empty ones are not.

    Args:
        first: Whether the first line counts too.
    """
    inside = _string_lines(text)
    lines = text.split("\n")
    return "\n".join(
        line if not line or number in inside or (number == 1 and not first) else indent + line
        for number, line in enumerate(lines, start=1)
    )


def strip_indent(text: str, indent: str) -> str:
    """Text whose later lines lose an indentation that they have; the first has none."""
    if not indent:
        return text
    inside = _string_lines(text)
    lines = text.split("\n")
    return "\n".join(
        line if number in inside else line.removeprefix(indent)
        for number, line in enumerate(lines, start=1)
    )


def _string_lines(text: str) -> set[int]:
    """The lines that start inside a string whose white space is content; not docstrings."""
    if '"""' not in text and "'''" not in text and "\\\n" not in text:
        return set()
    inside: set[int] = set()
    statement_starts = True
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            spans_lines = _is_string(token.type) and token.end[0] > token.start[0]
            if spans_lines and not statement_starts:
                inside.update(range(token.start[0] + 1, token.end[0] + 1))
            if token.type not in _SILENT:
                statement_starts = token.type in (tokenize.NEWLINE, tokenize.INDENT)
    except (tokenize.TokenError, IndentationError):
        return inside
    return inside


_SILENT = (tokenize.NL, tokenize.COMMENT, tokenize.DEDENT)


def _is_string(kind: int) -> bool:
    return kind in (tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
