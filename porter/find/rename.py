"""``rename``: a qualified name, at its uses and where it is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from porter.find.difference import Change
from porter.find.found import Found
from porter.find.names import absolute_module
from porter.find.pattern import dotted
from porter.find.source import SourceFile
from porter.find.template import TemplateError
from porter.rulebook.operations import Rename


def find(operation: Rename, source: SourceFile) -> Iterator[Found]:
    """The uses and imports to rename.

    Raises:
        TemplateError: If a use is to get a name whose module the file does not import.
    """
    for statement in ast.walk(source.tree):
        if isinstance(statement, ast.ImportFrom):
            yield from _from_import(operation, statement, source)
    for node in _longest_chains(source):
        change = _use(operation, node, source)
        if change is not None and source.allows(operation.within, (change.start, change.end)):
            yield Found((change,))


def _longest_chains(source: SourceFile) -> Iterator[cst.CSTNode]:
    """Dotted names that are not the front of a longer one, nor in an import."""
    end = 0
    skipped = [source.span(n) for n in source.nodes([cst.Import, cst.ImportFrom])]
    for node in source.nodes([cst.Attribute, cst.Name]):
        span = source.span(node)
        if span[0] >= end and dotted(node):
            end = span[1]
            if not any(start <= span[0] < stop for start, stop in skipped):
                yield node


def _use(operation: Rename, node: cst.CSTNode, source: SourceFile) -> Change | None:
    parts = dotted(node)
    start = source.span(node)[0]
    for origin in source.names.resolve(parts[0], start):
        full = ".".join([origin, *parts[1:]])
        if not (full == operation.old or full.startswith(operation.old + ".")):
            continue
        if len(origin) >= len(operation.old):
            return None
        spelled = source.names.local_spelling(operation.new, start)
        if spelled is None:
            head = operation.new.partition(".")[0]
            where = f"{source.path}:{source.line_number(start)}"
            raise TemplateError(f"{where}: `{operation.new}` needs `import {head}`")
        length = len(".".join(parts)) - len(full) + len(operation.old)
        return Change(start, start + length, spelled)
    return None


def _from_import(
    operation: Rename, statement: ast.ImportFrom, source: SourceFile
) -> Iterator[Found]:
    """``from torch.cuda import amp``: the name moves to an import of its own."""
    base = absolute_module(statement.module or "", statement.level, source.package)
    for alias in statement.names:
        full = f"{base}.{alias.name}"
        if full != operation.old and not full.startswith(operation.old + "."):
            continue
        new = operation.new + full[len(operation.old) :]
        line = _import_line(new, alias.asname or alias.name)
        span = source.names.start(statement), source.names.end(statement)
        if source.allows(operation.within, span):
            yield Found((_moved(statement, alias, line, source),))


def _import_line(dotted_name: str, bound: str) -> str:
    module, _, name = dotted_name.rpartition(".")
    rename = "" if name == bound else f" as {bound}"
    return f"from {module} import {name}{rename}" if module else f"import {name}{rename}"


def _moved(statement: ast.ImportFrom, alias: ast.alias, line: str, source: SourceFile) -> Change:
    start, end = source.names.start(statement), source.names.end(statement)
    if len(statement.names) == 1:
        return Change(start, end, line)
    kept = [a for a in statement.names if a is not alias]
    spelled = ", ".join(a.name + (f" as {a.asname}" if a.asname else "") for a in kept)
    module = "." * statement.level + (statement.module or "")
    indent = source.indent_at(start)
    return Change(start, end, f"from {module} import {spelled}\n{indent}{line}")
