"""Which text an expression may come to, followed a few assignments deep."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from porter.audit.code import Code


@dataclass(frozen=True)
class Text:
    """A text that an expression may come to.

    Attributes:
        value: The text, or what it starts with.
        whole: Whether that is all of it.
        node: The literal that it starts from.
    """

    value: str
    whole: bool
    node: ast.AST


def texts(node: ast.expr, code: Code, depth: int = 5) -> Iterator[Text]:
    """The texts that an expression may come to, as far as that can be told.

    Followed are names, attributes of ``self``, defaults, conditional expressions, entries of
    constant dicts, what functions of the file return and are handed, and texts put together.
    """
    if depth <= 0:
        return
    match node:
        case ast.Constant(value=str(value)):
            yield Text(value, True, node)
        case ast.Name(id=name):
            yield from _name(name, node, code, depth)
        case ast.Attribute():
            yield from _attribute(node, code, depth)
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts(body, code, depth)
            yield from texts(orelse, code, depth)
        case ast.BoolOp(values=values):
            for value in values:
                yield from texts(value, code, depth)
        case ast.NamedExpr(value=value):
            yield from texts(value, code, depth)
        case ast.JoinedStr() | ast.BinOp():
            yield from _built(node, code, depth)
        case ast.Subscript():
            yield from _entry(node, code, depth)
        case ast.Call():
            yield from _call(node, code, depth)


def _name(name: str, node: ast.Name, code: Code, depth: int) -> Iterator[Text]:
    _, scope = code.resolve(name, node)
    if scope is not None:
        for value in code.assignments(scope).get(name, []):
            yield from texts(value, code, depth - 1)
        for value in code.handed(name, scope):
            yield from texts(value, code, depth - 2)


def _attribute(node: ast.Attribute, code: Code, depth: int) -> Iterator[Text]:
    if not isinstance(node.value, ast.Name):
        return
    owner = code.class_of(node) if node.value.id in ("self", "cls") else None
    for (defined, name), values in code.attributes.items():
        if name == node.attr and (defined is owner or defined.name == node.value.id):
            for value in values:
                yield from texts(value, code, depth - 1)


def _built(node: ast.expr, code: Code, depth: int) -> Iterator[Text]:
    """Texts that are put together: the front of them is what tells a device."""
    if isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.FormattedValue) else p for p in node.values]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [node.left, node.right]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        for text in texts(node.left, code, depth):
            yield from _formatted(text, node.right, code, depth, "%")
        return
    else:
        return
    if not parts:
        return
    for front in texts(parts[0], code, depth):
        if len(parts) == 1:
            yield front
            continue
        rest = list(texts(parts[1], code, depth)) if len(parts) == 2 else []
        if front.whole and rest and all(text.whole for text in rest):
            for text in rest:
                yield Text(front.value + text.value, True, front.node)
        else:
            more = parts[1]
            literal = more.value if isinstance(more, ast.Constant) else ""
            front_value = f"{front.value}{literal}" if isinstance(literal, str) else front.value
            yield Text(front_value, False, front.node)


def _formatted(
    text: Text, arguments: ast.expr, code: Code, depth: int, sign: str
) -> Iterator[Text]:
    front, found, _ = text.value.partition(sign)
    if front or not found:
        yield Text(front, not found, text.node)
        return
    first = arguments.elts[0] if isinstance(arguments, ast.Tuple) and arguments.elts else arguments
    for value in texts(first, code, depth - 1):
        yield Text(value.value, False, value.node)


def _entry(node: ast.Subscript, code: Code, depth: int) -> Iterator[Text]:
    wanted = {text.value for text in texts(node.slice, code, depth - 1) if text.whole}
    if not wanted and isinstance(node.value, ast.Dict):
        for value in node.value.values:
            yield from texts(value, code, depth - 1)
    for key in wanted:
        yield from _entries(node.value, key, code, depth - 1)


def _entries(owner: ast.expr, key: str, code: Code, depth: int) -> Iterator[Text]:
    """What a dict that is written out has under a key."""
    if depth <= 0:
        return
    if isinstance(owner, ast.Dict):
        for named, value in zip(owner.keys, owner.values):
            if isinstance(named, ast.Constant) and named.value == key:
                yield from texts(value, code, depth)
    elif isinstance(owner, ast.Call) and ast.unparse(owner.func) == "dict":
        for word in owner.keywords:
            if word.arg == key:
                yield from texts(word.value, code, depth)
    elif isinstance(owner, ast.Name):
        _, scope = code.resolve(owner.id, owner)
        for value in code.assignments(scope).get(owner.id, []) if scope else []:
            yield from _entries(value, key, code, depth - 1)
    elif isinstance(owner, ast.Attribute) and isinstance(owner.value, ast.Name):
        for (_, name), values in code.attributes.items():
            if name == owner.attr:
                for value in values:
                    yield from _entries(value, key, code, depth - 1)


def _call(node: ast.Call, code: Code, depth: int) -> Iterator[Text]:
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr == "format":
        for text in texts(called.value, code, depth):
            first = node.args[0] if node.args else ast.Constant("")
            yield from _formatted(text, first, code, depth, "{")
    elif isinstance(called, ast.Attribute) and called.attr in (
        "get",
        "getenv",
        "pop",
        "setdefault",
    ):
        if len(node.args) == 2:
            yield from texts(node.args[1], code, depth - 1)
        if node.args and isinstance(node.args[0], ast.Constant):
            yield from _entries(called.value, str(node.args[0].value), code, depth - 1)
    elif isinstance(called, ast.Attribute) and called.attr in ("lower", "strip", "join"):
        yield from texts(called.value, code, depth)
    elif isinstance(called, ast.Name) and called.id == "str" and node.args:
        yield from texts(node.args[0], code, depth)
    elif isinstance(called, ast.Name) and called.id == "getattr" and len(node.args) == 3:
        yield from texts(node.args[2], code, depth)
    else:
        yield from _returned(called, code, depth)


def _returned(called: ast.expr, code: Code, depth: int) -> Iterator[Text]:
    """What a function of this file returns."""
    name = called.id if isinstance(called, ast.Name) else ""
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        name = called.attr if called.value.id in ("self", "cls") else ""
    for function in code.definitions.get(name, []) if name else []:
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and node.value is not None:
                yield from texts(node.value, code, depth - 1)
