"""``insert``: statements before or after another, or at an end of a body."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

from porter.errors import PlanError
from porter.find.difference import Change
from porter.find.found import Found, anchors, holds, line_after
from porter.find.layout import indented
from porter.find.pattern import Match, with_placeholders
from porter.find.source import MODULE_LEVEL, SourceFile
from porter.find.template import fill
from porter.rulebook.operations import Insert


def find(operation: Insert, source: SourceFile) -> Iterator[Found]:
    """The places to insert at; none where the code stands already."""
    check(operation)
    if _is_there(operation, source):
        return
    if operation.at:
        yield from _at_end_of_body(operation, source)
        return
    for match in anchors(operation.before or operation.after, source, operation.within):
        yield Found((_beside(operation, match, source),))


def _is_there(operation: Insert, source: SourceFile) -> bool:
    """Whether the code stands in the file; a definition counts by its name."""
    first = ast.parse(textwrap.dedent(with_placeholders(operation.code))).body[0]
    if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        prefix = f"{operation.within}." if operation.at and operation.within else ""
        name = f"{prefix or _scope(operation, source)}{first.name}"
        return any(name == known for known, _ in source.definitions)
    return holds(source, operation.code, operation.within)


def _scope(operation: Insert, source: SourceFile) -> str:
    """The qualified name, with a dot, of what holds the anchor; empty for the module."""
    for match in anchors(operation.before or operation.after, source, operation.within):
        around = [
            name
            for name, node in source.definitions
            if source.names.start(node) < match.span[0] and match.span[1] <= source.names.end(node)
        ]
        return f"{around[-1]}." if around else ""
    return ""


def _beside(operation: Insert, match: Match, source: SourceFile) -> Change:
    indent = source.indent_at(match.span[0])
    code = indented(fill(operation.code, match, source), indent)
    gap = _blank_lines(operation.code, match, source, indent)
    if operation.before:
        decorators = getattr(match.nodes[0], "decorators", ())
        first = source.span(decorators[0])[0] if decorators else match.span[0]
        place = _with_comments(source, first)
        return Change(place, place, f"{code}\n{gap}")
    place = line_after(source, match.span[1])
    lead = "" if source.data[:place].endswith(b"\n") else "\n"
    return Change(place, place, f"{lead}{gap}{code}\n")


def _with_comments(source: SourceFile, offset: int) -> int:
    """The start of a statement's line, or of the comments right above it."""
    line = source.line_number(offset)
    while line > 1:
        above = source.data[source.lines[line - 2] : source.lines[line - 1]].lstrip()
        if not above.startswith(b"#"):
            break
        line -= 1
    return source.lines[line - 1]


def _blank_lines(code: str, match: Match, source: SourceFile, indent: str) -> str:
    """The blank lines that PEP 8 wants between definitions."""
    neighbour = source.text(match.span).lstrip()
    definition = code.lstrip().startswith(("def ", "class ", "async def ", "@"))
    if not definition and not neighbour.startswith(("def ", "class ", "async def ", "@")):
        return ""
    return "\n" if indent else "\n\n"


def _at_end_of_body(operation: Insert, source: SourceFile) -> Iterator[Found]:
    for body, indent in _bodies(operation.within, source):
        code = indented(operation.code.strip("\n"), indent)
        if operation.at == "start":
            place = _after_prologue(body, source)
            yield Found((Change(place, place, f"{code}\n"),))
        else:
            place = line_after(source, source.names.end(body[-1]))
            gap = "\n" if indent else "\n\n"
            lead = "" if source.data[:place].endswith(b"\n") else "\n"
            defines = operation.code.lstrip().startswith(("def ", "class ", "@"))
            yield Found((Change(place, place, f"{lead}{gap if defines else ''}{code}\n"),))


def _bodies(within: str, source: SourceFile) -> Iterator[tuple[list[ast.stmt], str]]:
    if within in ("", MODULE_LEVEL):
        yield source.tree.body, ""
        return
    for name, node in source.definitions:
        if name == within:
            start = source.names.start(node.body[0])
            yield node.body, source.indent_at(start)


def _after_prologue(body: list[ast.stmt], source: SourceFile) -> int:
    """Below the docstring, and at module level below the imports."""
    prologue = 0
    for number, statement in enumerate(body):
        imports = isinstance(statement, (ast.Import, ast.ImportFrom))
        if not (imports or _is_docstring(number, statement)):
            break
        prologue = number + 1
    if prologue == 0:
        return source.line_start(source.names.start(body[0]))
    return line_after(source, source.names.end(body[prologue - 1]))


def _is_docstring(number: int, statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Expr) else None
    return number == 0 and isinstance(value, ast.Constant) and isinstance(value.value, str)


def check(operation: Insert) -> None:
    """Refuse an ``at`` that is no place.

    Raises:
        PlanError: If it is neither ``start`` nor ``end``.
    """
    if operation.at not in ("", "start", "end"):
        raise PlanError([f"insert: at = {operation.at!r} is neither `start` nor `end`"])
