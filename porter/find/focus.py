"""Leaving out the code that no rule can match, so that libcst parses little.

libcst is exact and slow; most of a file is of no interest to any rule. A definition that has
none of the words that the patterns need is cut down to ``...``, and so is the body of one
whose signature alone has them; everything else stays byte for byte, and offsets map back.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

_STUB = b"...\n"


@dataclass(frozen=True)
class Cut:
    """A body to cut: from its first byte to the end of its last line.

    ``code_end`` is where the last statement ends, before a comment or the line break.
    """

    start: int
    end: int
    code_end: int


class Focus:
    """A file's text with the uninteresting bodies cut, and the way back.

    Args:
        data: The whole file.
        cuts: The bodies to cut, in their order.
    """

    def __init__(self, data: bytes, cuts: Sequence[Cut]) -> None:
        pieces: list[bytes] = []
        self._short: list[int] = [0]
        self._shift: list[int] = [0]
        self._stub_ends: dict[int, int] = {}
        position, length = 0, 0
        for cut in cuts:
            pieces += [data[position : cut.start], _STUB]
            length += cut.start - position + len(_STUB)
            position = cut.end
            self._stub_ends[length - 1] = cut.code_end
            self._short.append(length)
            self._shift.append(cut.end - length)
        pieces.append(data[position:])
        self.text = b"".join(pieces)

    def original(self, offset: int) -> int:
        """The offset in the whole file of an offset in the cut text."""
        if offset in self._stub_ends:
            return self._stub_ends[offset]
        return offset + self._shift[bisect_right(self._short, offset) - 1]


def cut_points(
    tree: ast.Module, data: bytes, lines: Sequence[int], words: Iterable[bytes]
) -> list[Cut]:
    """The definitions and bodies that hold none of the words.

    Args:
        tree: The file's module.
        data: The file.
        lines: Byte offset at which each line starts, with the file's length at the end.
        words: What makes a piece of code interesting.
    """
    wanted = tuple(words)

    def dull(cut: Cut | None) -> bool:
        return cut is not None and not any(word in data[cut.start : cut.end] for word in wanted)

    return list(_cuts(tree.body, lines, dull))


def _cuts(
    body: Iterable[ast.stmt], lines: Sequence[int], dull: Callable[[Cut | None], bool]
) -> Iterator[Cut]:
    """Whole definitions where that will do, else the bodies of functions, in their order."""
    for statement in body:
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        first = [*statement.decorator_list, statement][0]
        whole = _stretch(first.lineno, statement.col_offset, statement, lines)
        inner = _inner(statement, lines)
        if dull(whole):
            yield whole
        elif isinstance(statement, ast.ClassDef):
            yield from _cuts(statement.body, lines, dull)
        elif inner is not None and dull(inner):
            yield inner


def _inner(function: ast.stmt, lines: Sequence[int]) -> Cut | None:
    """A function's body; None where it starts on the header's line or with a decorator."""
    if isinstance(function, ast.ClassDef):
        return None
    assert isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
    first, last = function.body[0], function.body[-1]
    header_end = max([function.lineno, *(d.end_lineno or 0 for d in function.decorator_list)])
    if getattr(first, "decorator_list", None) or first.lineno <= header_end:
        return None
    return _stretch(first.lineno, first.col_offset, last, lines)


def _stretch(line: int, column: int, last: ast.stmt, lines: Sequence[int]) -> Cut:
    """From a place to the end of a statement's last line."""
    assert last.end_lineno is not None
    assert last.end_col_offset is not None
    return Cut(
        lines[line - 1] + column,
        lines[last.end_lineno],
        lines[last.end_lineno - 1] + last.end_col_offset,
    )
