"""``replace-body``: a whole function body, known by its digest."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator

from porter.find.difference import Change
from porter.find.found import Found
from porter.find.layout import indented
from porter.find.source import SourceFile, Span
from porter.rulebook.operations import ReplaceBody

DIGEST_LENGTH = 16


class BodyChanged(Exception):
    """The function is there, but its body is none that the rule was written for."""


def find(operation: ReplaceBody, source: SourceFile) -> Iterator[Found]:
    """The function whose body to replace; none if it reads like the new body already.

    Raises:
        BodyChanged: If the body's digest is none of the rule's.
    """
    for name, node in source.definitions:
        if name != operation.within or isinstance(node, ast.ClassDef):
            continue
        span, indent = _body(node, source)
        new = indented(operation.body.strip("\n"), indent, first=False)
        if source.text(span) == new:
            continue
        digest = body_digest(source.text(span))
        if digest not in operation.digest:
            raise BodyChanged(
                f"{source.path}: the body of {name} has the digest {digest}, "
                f"not {' or '.join(operation.digest)}: read what upstream changed"
            )
        yield Found((Change(*span, new),))


def body_digest(text: str) -> str:
    """The digest by which a rule knows a body: of its text, white space at line ends aside."""
    plain = "\n".join(line.strip() for line in text.strip().splitlines())
    return hashlib.sha256(plain.encode("utf-8")).hexdigest()[:DIGEST_LENGTH]


def _body(node: ast.FunctionDef | ast.AsyncFunctionDef, source: SourceFile) -> tuple[Span, str]:
    """The statements after the docstring."""
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = node.body[1] if documented and len(node.body) > 1 else first
    span = source.names.start(start), source.names.end(node.body[-1])
    return span, source.indent_at(span[0])
