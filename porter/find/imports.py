"""``add-import`` and ``defer-import``: names that a file imports, and where."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from porter.find.difference import Change
from porter.find.found import Found, line_after
from porter.find.names import absolute_module
from porter.find.source import SourceFile
from porter.rulebook.operations import AddImport, DeferImport

#: The line length of the code that is ported (OpenMMLab's own setting).
LINE_LENGTH = 79


def find_missing(operation: AddImport, source: SourceFile) -> Iterator[Found]:
    """Where to add an import, unless the file has it."""
    if not operation.names:
        if not _has_plain(operation.module, source):
            yield Found((_new_statement(f"import {operation.module}", source),))
        return
    statement = _existing(operation.module, source)
    missing = [name for name in operation.names if not _imports(source, operation.module, name)]
    if missing and statement is None:
        text = f"from {operation.module} import {', '.join(missing)}"
        yield Found((_new_statement(text, source),))
    elif missing and statement is not None:
        yield Found((_extended(statement, missing, source),))


def _top_level(source: SourceFile) -> Iterator[ast.stmt]:
    for statement in source.tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            yield statement


def _has_plain(module: str, source: SourceFile) -> bool:
    return any(
        alias.name == module and alias.asname is None
        for statement in _top_level(source)
        if isinstance(statement, ast.Import)
        for alias in statement.names
    )


def _existing(module: str, source: SourceFile) -> ast.ImportFrom | None:
    """The statement that imports from the module, spelled absolutely or relatively."""
    wanted = _absolute(module, source)
    for statement in _top_level(source):
        if isinstance(statement, ast.ImportFrom) and _origin(statement, source) == wanted:
            return statement
    return None


def _imports(source: SourceFile, module: str, name: str) -> bool:
    wanted = _absolute(module, source)
    return any(
        alias.name == name and alias.asname is None
        for statement in _top_level(source)
        if isinstance(statement, ast.ImportFrom) and _origin(statement, source) == wanted
        for alias in statement.names
    )


def _absolute(module: str, source: SourceFile) -> str:
    level = len(module) - len(module.lstrip("."))
    return absolute_module(module.lstrip("."), level, source.package)


def _origin(statement: ast.ImportFrom, source: SourceFile) -> str:
    return absolute_module(statement.module or "", statement.level, source.package)


def _extended(statement: ast.ImportFrom, names: list[str], source: SourceFile) -> Change:
    """The names after the last one, wrapped as the statement wraps its own."""
    first, last = statement.names[0], statement.names[-1]
    first_at, end = source.names.start(first), source.names.end(last)
    column = first_at - source.line_start(first_at)
    tail = source.data[end : source.names.end(statement)]
    bracketed = b")" in tail
    if b"," in tail:
        end += tail.index(b",") + 1
    text = "" if b"," in tail else ","
    width = end - source.line_start(end) + len(text)
    for name in names:
        fits = width + len(name) + 2 <= LINE_LENGTH
        indent = column if bracketed else column + 1
        text += f" {name}," if fits else f"\n{' ' * indent}{name},"
        width = width + len(name) + 2 if fits else indent + len(name) + 1
    text = text if b"," in tail else text[:-1]
    if bracketed or "\n" not in text:
        return Change(end, end, text)
    whole = source.text((first_at, end))
    return Change(first_at, end, f"({whole}{text})")


def _new_statement(text: str, source: SourceFile) -> Change:
    """Below the imports that open the file, or below its docstring and comments."""
    last = None
    for statement in source.tree.body:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not docstring and not isinstance(statement, (ast.Import, ast.ImportFrom)):
            break
        last = statement
    if last is None:
        first = source.tree.body[0] if source.tree.body else None
        place = source.line_start(source.names.start(first)) if first else len(source.data)
        return Change(place, place, f"{text}\n\n")
    place = line_after(source, source.names.end(last))
    return Change(place, place, f"{text}\n")


def find_deferrable(operation: DeferImport, source: SourceFile) -> Iterator[Found]:
    """The top-level import of a name, and the functions that use it."""
    for statement in _top_level(source):
        assert isinstance(statement, (ast.Import, ast.ImportFrom))
        if len(statement.names) == 1 and _binds(statement.names[0]) == operation.name:
            text = source.text((source.names.start(statement), source.names.end(statement)))
            users = _users(operation.name, source)
            start = source.line_start(source.names.start(statement))
            gone = Change(start, line_after(source, source.names.end(statement)), "")
            yield Found((gone, *(_inside(function, text, source) for function in users)))


def _binds(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _users(name: str, source: SourceFile) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The outermost functions in whose bodies the name is read."""
    users: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
    for _, node in source.definitions:
        if isinstance(node, ast.ClassDef) or any(node in ast.walk(user) for user in users):
            continue
        used = any(
            isinstance(inner, ast.Name) and inner.id == name
            for statement in node.body
            for inner in ast.walk(statement)
        )
        if used:
            users.append(node)
    return users


def _inside(
    function: ast.FunctionDef | ast.AsyncFunctionDef, text: str, source: SourceFile
) -> Change:
    first = function.body[0]
    docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    indent = source.indent_at(source.names.start(first))
    if docstring:
        place = line_after(source, source.names.end(first))
    else:
        place = source.line_start(source.names.start(first))
    return Change(place, place, f"{indent}{text}\n")
