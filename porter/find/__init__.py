"""Finding what an operation edits: the only home of libcst.

``find_edits`` takes an operation whose target names are filled in and a file, and says
where the file would change. It writes nothing and knows neither plans nor targets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace

from porter.errors import PlanError
from porter.find.difference import Change
from porter.find.found import Found
from porter.find.pattern import pattern_words
from porter.find.source import SourceFile
from porter.find.template import TemplateError
from porter.model import Operation
from porter.rulebook.operations import (
    AddBranch,
    AddEntry,
    AddFile,
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
    return _encoded(pattern_words(_searched(operation)))


def words_for_bodies(operations: Sequence[Operation], data: bytes) -> set[bytes]:
    """Words one of which every piece of a file has that an operation edits.

    Of an operation's words the one that the file has least often is taken. None at all
    where an operation may look anywhere.
    """
    chosen: set[bytes] = set()
    for operation in operations:
        if not isinstance(operation, _READS_BODIES):
            continue
        candidates = [words(operation)] if _searched(operation) else []
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


def _searched(operation: Operation) -> str:
    """The code that an operation looks for."""
    if isinstance(operation, Rewrite):
        return operation.match
    if isinstance(operation, Insert):
        return operation.before or operation.after
    if isinstance(operation, AddBranch):
        return operation.chain
    if isinstance(operation, AddOperand):
        return operation.beside
    if isinstance(operation, AddEntry):
        return operation.to
    if isinstance(operation, Rename):
        return operation.old.rpartition(".")[2]
    if isinstance(operation, DeferImport):
        return operation.name
    return ""


def searched_text(operation: Operation) -> str:
    """What an operation looks for, as a rule's author wrote it, for messages."""
    if isinstance(operation, Substitute):
        return operation.find
    if isinstance(operation, AddImport):
        return f"from {operation.module} import"
    return _searched(operation) or operation.within


def find_in_python(operation: Operation, source: SourceFile) -> list[Found]:
    """The places of a Python file that an operation edits.

    Raises:
        PlanError: If the file does not parse, or the operation cannot be made there.
    """
    from porter.find import body

    try:
        return list(_dispatch(operation, source))
    except TemplateError as problem:
        raise PlanError([f"{source.path}: {problem}"]) from problem
    except body.BodyChanged as problem:
        raise PlanError([str(problem)]) from problem


def _dispatch(operation: Operation, source: SourceFile) -> Iterator[Found]:
    from porter.find import body, branch, entry, imports, insert, operand, rename, rewrite

    if isinstance(operation, Rewrite):
        return rewrite.find(operation, source)
    if isinstance(operation, Rename):
        return rename.find(operation, source)
    if isinstance(operation, Insert):
        insert.check(operation)
        return insert.find(operation, source)
    if isinstance(operation, AddBranch):
        return branch.find(operation, source)
    if isinstance(operation, AddOperand):
        return operand.find(operation, source)
    if isinstance(operation, AddEntry):
        return entry.find(operation, source)
    if isinstance(operation, AddImport):
        return imports.find_missing(operation, source)
    if isinstance(operation, DeferImport):
        return imports.find_deferrable(operation, source)
    if isinstance(operation, ReplaceBody):
        return body.find(operation, source)
    raise PlanError([f"{source.path}: `{type(operation).__name__}` edits no Python file"])


def find_in_text(operation: Operation, data: bytes) -> Sequence[Found]:
    """The places of any other file that an operation edits."""
    from porter.find import text

    return list(text.find(operation, data)) if isinstance(operation, Substitute) else []


def is_new_file(operation: Operation) -> bool:
    """Whether an operation adds a file instead of editing one."""
    return isinstance(operation, AddFile)
