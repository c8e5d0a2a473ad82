"""One pristine Python file, seen at the depths that finding needs: bytes, names, libcst."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from porter.errors import PlanError
from porter.find.focus import Focus, cut_points
from porter.find.names import Names

if TYPE_CHECKING:
    import libcst as cst

    from porter.find.spans import Spans

Span = tuple[int, int]
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
MODULE_LEVEL = "<module>"


class SourceFile:
    """A Python file as finders see it. Offsets are bytes into the whole file.

    Args:
        path: Its path in the package's project.
        data: Its bytes, which must be UTF-8.
        words: What any of the patterns to be looked for needs; bodies without are not parsed.
    """

    def __init__(self, path: str, data: bytes, words: Iterable[bytes] = ()) -> None:
        self.path, self.data = path, data
        self._words = tuple(words)

    @cached_property
    def lines(self) -> list[int]:
        """The offset at which each line starts, and the file's length at the end."""
        starts, position = [0], 0
        for line in self.data.splitlines(keepends=True):
            position += len(line)
            starts.append(position)
        return starts

    @cached_property
    def tree(self) -> ast.Module:
        """The standard library's tree of the whole file.

        Raises:
            PlanError: If the file is not Python.
        """
        try:
            self.data.decode("utf-8")
            return ast.parse(self.data)
        except (SyntaxError, ValueError) as problem:  # UnicodeDecodeError is a ValueError
            line = getattr(problem, "lineno", None) or 1
            message = f"{self.path}:{line}: does not parse as Python: {problem}"
            raise PlanError([message]) from problem

    @cached_property
    def names(self) -> Names:
        """What the file's names stand for."""
        return Names(self.tree, self.lines, self.package)

    @property
    def module(self) -> str:
        """The dotted name under which the file is imported."""
        parts = PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        """The dotted name that the file's relative imports start from."""
        is_package = self.path.endswith("__init__.py")
        return self.module if is_package else self.module.rpartition(".")[0]

    @cached_property
    def focus(self) -> Focus:
        """The file with the bodies cut that no pattern can match."""
        if not self._words or self.lines[-1] != len(self.data) or b"\f" in self.data:
            return Focus(self.data, [])
        return Focus(self.data, cut_points(self.tree, self.data, self.lines, self._words))

    @cached_property
    def _spans(self) -> Spans:
        """Where each node stands in the text that is left of the file."""
        import libcst

        from porter.find.spans import Spans

        self.tree  # noqa: B018  the clearer error comes first
        return Spans(libcst.parse_module(self.focus.text))

    @cached_property
    def _by_kind(self) -> dict[type, list[cst.CSTNode]]:
        """The nodes of each class, in the order of the file."""
        kinds: dict[type, list[cst.CSTNode]] = {}
        for node in self._spans.nodes:
            kinds.setdefault(type(node), []).append(node)
        return kinds

    def nodes(self, kinds: Iterable[type[cst.CSTNode]]) -> list[Any]:
        """All nodes of some classes, in the order of the file."""
        found = [node for kind in kinds for node in self._by_kind.get(kind, [])]
        return sorted(found, key=lambda node: (self.span(node)[0], -self.span(node)[1]))

    def span(self, node: cst.CSTNode) -> Span:
        """Where a libcst node stands in the whole file, without white space around it."""
        start, end = self._spans[node]
        return self.focus.original(start), self.focus.original(end)

    def text(self, span: Span) -> str:
        """The text of a span."""
        return self.data[span[0] : span[1]].decode("utf-8")

    def line_number(self, offset: int) -> int:
        """The 1-based line of an offset."""
        return bisect_right(self.lines, offset)

    def line_start(self, offset: int) -> int:
        """The offset at which the line of an offset starts."""
        return self.lines[self.line_number(offset) - 1]

    def indent_at(self, offset: int) -> str:
        """The white space that the line of an offset starts with."""
        line = self.data[self.line_start(offset) : offset].decode("utf-8")
        return line[: len(line) - len(line.lstrip())]

    def regions(self, within: str) -> list[Span]:
        """The spans of the functions and classes that a ``within`` names."""
        return [
            (self.names.start(node), self.names.end(node))
            for name, node in self.definitions
            if name == within or fnmatchcase(name, within)
        ]

    @cached_property
    def definitions(self) -> Sequence[tuple[str, Definition]]:
        """Every function and class with its qualified name, outer ones first."""
        return tuple(_definitions(self.tree.body, ""))

    def allows(self, within: str, span: Span) -> bool:
        """Whether a span lies where a ``within`` lets an operation look."""
        if not within:
            return True
        if within == MODULE_LEVEL:
            return not any(
                start <= span[0] and span[1] <= end for start, end in self._definition_spans
            )
        return any(start <= span[0] and span[1] <= end for start, end in self.regions(within))

    @cached_property
    def _definition_spans(self) -> Sequence[Span]:
        return [(self.names.start(node), self.names.end(node)) for _, node in self.definitions]


def _definitions(body: Iterable[ast.stmt], prefix: str) -> Iterator[tuple[str, Definition]]:
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = f"{prefix}{statement.name}"
            yield name, statement
            yield from _definitions(statement.body, f"{name}.")
        else:
            for inner in ("body", "orelse", "finalbody", "handlers"):
                nested = getattr(statement, inner, [])
                if isinstance(nested, list):
                    yield from _definitions(_statements(nested), prefix)


def _statements(nodes: Iterable[ast.AST]) -> Iterator[ast.stmt]:
    for node in nodes:
        if isinstance(node, ast.ExceptHandler):
            yield from node.body
        elif isinstance(node, ast.stmt):
            yield node
