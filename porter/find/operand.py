"""``add-operand``: one more operand for an ``or`` or ``and``."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from porter.find.difference import Change
from porter.find.found import Found
from porter.find.pattern import Match, compile_pattern, match_node
from porter.find.source import SourceFile
from porter.find.template import fill
from porter.rulebook.operations import AddOperand


def find(operation: AddOperand, source: SourceFile) -> Iterator[Found]:
    """The conditions that have the operand to stand beside and lack the new one."""
    kind = cst.Or if operation.operator == "or" else cst.And
    for condition in _conditions(source):
        if not source.allows(operation.within, source.span(condition)):
            continue
        operands = list(_operands(condition, kind))
        beside = _first(operation.beside, operands, source)
        if beside is not None and _first(operation.operand, operands, source) is None:
            text = f" {operation.operator} {fill(operation.operand, beside, source)}"
            yield Found((Change(beside.span[1], beside.span[1], text),))


def _conditions(source: SourceFile) -> Iterator[cst.BaseExpression]:
    """Whole conditions: the tests of statements, and the outermost ``or``s and ``and``s."""
    inner: set[int] = set()
    for node in source.nodes([cst.If, cst.While, cst.Assert, cst.IfExp]):
        inner.add(id(node.test))
        yield node.test
    for node in source.nodes([cst.BooleanOperation]):
        assert isinstance(node, cst.BooleanOperation)
        if id(node) not in inner:
            yield node
        for side in (node.left, node.right):
            if isinstance(side, cst.BooleanOperation) and _same_operator(side, node):
                inner.add(id(side))


def _same_operator(left: cst.BooleanOperation, right: cst.BooleanOperation) -> bool:
    return type(left.operator) is type(right.operator)


def _operands(
    condition: cst.BaseExpression, kind: type[cst.BaseBooleanOp]
) -> Iterator[cst.BaseExpression]:
    if isinstance(condition, cst.BooleanOperation) and isinstance(condition.operator, kind):
        yield from _operands(condition.left, kind)
        yield from _operands(condition.right, kind)
    else:
        yield condition


def _first(text: str, operands: list[cst.BaseExpression], source: SourceFile) -> Match | None:
    pattern = compile_pattern(text)
    matches = (match_node(pattern, operand, source) for operand in operands)
    return next((match for match in matches if match is not None), None)
