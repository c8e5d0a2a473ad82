"""Finding what an operation edits: the only home of libcst.

``find_edits`` takes an operation whose target names are filled in and a file, and says
where the file would change. It writes nothing and knows neither plans nor targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from porter.errors import PlanError
from porter.find import body, branch, entry, imports, insert, operand, rename, rewrite, text
from porter.find.difference import Change
from porter.find.found import Found
from porter.find.pattern import pattern_words
from porter.find.source import SourceFile
from porter.find.template import TemplateError
from porter.model import Operation
from porter.rulebook.operations import (
    AddBranch,
    AddEntry,
    AddImport,
    AddOperand,
    DeferImport,
    Insert,
    Rename,
    ReplaceBody,
    Rewrite,
    Substitute,
)
from porter.rulebook.variables import bind, bind_text

__all__ = ["Change", "Found", "SourceFile", "bound", "find_in_python", "find_in_text", "words"]


#: The kinds that edit Python files, and what finds their places.
_FINDERS: Mapping[type[Operation], Callable[[Any, SourceFile], Iterator[Found]]] = {
    Rewrite: rewrite.find,
    Rename: rename.find,
    Insert: insert.find,
    AddBranch: branch.find,
    AddOperand: operand.find,
    AddEntry: entry.find,
    AddImport: imports.find_missing,
    DeferImport: imports.find_deferrable,
    ReplaceBody: body.find,
}


def bound(operation: Operation, values: dict[str, str]) -> Operation:
    """The operation with its ``$lower`` names filled in.

    Args:
        values: The target's variables.
    """
    filled: dict[str, object] = {"within": bind(operation.within, values)}
    for field in fields(operation):
        role = field.metadata.get("role")
        value = getattr(operation, field.name)
        if role in ("pattern", "code", "name"):
            filled[field.name] = bind(value, values)
        elif role == "text":
            filled[field.name] = bind_text(value, values)
        elif role == "names":
            filled[field.name] = tuple(bind(item, values) for item in value)
    return replace(operation, **filled)  # type: ignore[arg-type]


def words(operation: Operation) -> frozenset[bytes]:
    """Words without which a file cannot match; none where that cannot be told."""
    return _encoded(pattern_words(operation.looks_for()))


def words_for_bodies(operations: Sequence[Operation], data: bytes) -> set[bytes]:
    """Words one of which every piece of a file has that an operation edits.

    Of an operation's words the one that the file has least often is taken. None at all
    where an operation may look anywhere.
    """
    chosen: set[bytes] = set()
    for operation in operations:
        if not isinstance(operation, _READS_BODIES):
            continue
        candidates = [words(operation)] if operation.looks_for() else []
        if isinstance(operation, Insert) and not insert_defines(operation):
            candidates.append(_encoded(pattern_words(operation.code)))
        if not all(candidates):
            return set()
        chosen.update(min(sorted(group), key=data.count) for group in candidates)
    return chosen or {_NOWHERE}


def _encoded(texts: Iterable[str]) -> frozenset[bytes]:
    return frozenset(text.encode("utf-8") for text in texts)


#: The kinds that look into function bodies with libcst.
_READS_BODIES = (Rewrite, Rename, Insert, AddBranch, AddOperand, AddEntry)

#: A word that no Python file has: all bodies may be left out.
_NOWHERE = b"\0"


def insert_defines(operation: Insert) -> bool:
    """Whether an insertion defines a function or class."""
    return operation.code.lstrip().startswith(("def ", "class ", "async def ", "@"))


def searched_text(operation: Operation) -> str:
    """What an operation looks for, as a rule's author wrote it, for messages."""
    if isinstance(operation, Substitute):
        return operation.find
    if isinstance(operation, AddImport):
        return f"from {operation.module} import"
    return operation.looks_for() or operation.within


def find_in_python(operation: Operation, source: SourceFile) -> list[Found]:
    """The places of a Python file that an operation edits.

    Raises:
        PlanError: If the file does not parse, or the operation cannot be made there.
    """
    finder = _FINDERS.get(type(operation))
    if finder is None:
        raise PlanError([f"{source.path}: `{type(operation).__name__}` edits no Python file"])
    try:
        return list(finder(operation, source))
    except TemplateError as problem:
        raise PlanError([f"{source.path}: {problem}"]) from problem
    except body.BodyChanged as problem:
        raise PlanError([str(problem)]) from problem


def find_in_text(operation: Operation, data: bytes) -> Sequence[Found]:
    """The places of any other file that an operation edits."""
    return list(text.find(operation, data)) if isinstance(operation, Substitute) else []
