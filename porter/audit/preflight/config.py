"""A config's values without running it: enough of Python to merge files of assignments.

What cannot be told by reading, such as the result of a function, is None.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from posixpath import dirname, join, normpath
from typing import Any

from porter.errors import UsageError

_DEPTH = 12
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}

#: Path -> the bytes of a config; ``KeyError`` if there is none.
Read = Callable[[str], bytes]


def read_config(path: str, read: Read, depth: int = _DEPTH) -> dict[str, Any]:
    """The values of a config, with those of its bases.

    Raises:
        UsageError: A file is missing or is not Python, or bases go round in a circle.
    """
    if depth <= 0:
        raise UsageError(f"{path}: its bases go round in a circle")
    try:
        tree = ast.parse(read(path))
    except KeyError as problem:
        raise UsageError(f"there is no config {path}") from problem
    except (SyntaxError, ValueError) as problem:
        raise UsageError(f"{path}: not a config: {problem}") from problem
    values: dict[str, Any] = {}
    for base in _bases(tree, path):
        values = merged(values, read_config(base, read, depth - 1))
    names = dict(values)
    own: dict[str, Any] = {}
    for statement in tree.body:
        for name, value in _assigned(statement, names):
            own[name] = names[name] = value
    own.pop("_base_", None)
    return merged(values, own)


def _bases(tree: ast.Module, path: str) -> Iterator[str]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "_base_":
            given = _value(statement.value, {})
            for base in [given] if isinstance(given, str) else given or []:
                if isinstance(base, str):
                    yield _joined(path, base)
        elif isinstance(statement, ast.With) and "read_base" in ast.unparse(statement.items[0]):
            for inner in statement.body:
                if isinstance(inner, ast.ImportFrom) and inner.level:
                    up = "../" * (inner.level - 1)
                    module = (inner.module or "").replace(".", "/")
                    yield _joined(path, f"{up}{module}.py")


def _joined(path: str, base: str) -> str:
    _, scope, rest = base.rpartition("::")
    if scope:
        return rest if rest.startswith("configs/") else f"configs/{rest}"
    return base if base.startswith("/") else normpath(join(dirname(path), base))


def _assigned(statement: ast.stmt, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(statement, ast.Assign):
        value = _value(statement.value, names)
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, value
    elif isinstance(statement, ast.ImportFrom) and not statement.level:
        # A lazy config names its classes themselves.
        for alias in statement.names:
            yield alias.asname or alias.name, alias.name
    elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        call = statement.value
        if isinstance(call.func, ast.Attribute) and call.func.attr == "update":
            owner = ast.unparse(call.func.value)
            new = _call(ast.Call(ast.Name("dict"), call.args, call.keywords), names)
            if isinstance(names.get(owner), dict) and isinstance(new, dict):
                yield owner, merged(names[owner], new)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names.get(name)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return [_value(element, names) for element in elements]
        case ast.Dict(keys=keys, values=values):
            return {
                str(_value(key, names)): _value(value, names)
                for key, value in zip(keys, values)
                if key is not None
            }
        case ast.Call():
            return _call(node, names)
        case ast.BinOp(left=left, op=op, right=right):
            return _computed(_value(left, names), op, _value(right, names))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _value(operand, names)
            return -value if isinstance(value, (int, float)) else None
        case ast.Subscript(value=owner, slice=key):
            return _item(_value(owner, names), _value(key, names))
        case ast.Attribute(value=owner, attr=key):
            return _item(_value(owner, names), key)
    return None


def _call(node: ast.Call, names: Mapping[str, Any]) -> Any:
    if ast.unparse(node.func) != "dict":
        return None
    found: dict[str, Any] = {}
    for given in node.args:
        value = _value(given, names)
        found |= value if isinstance(value, dict) else {}
    for word in node.keywords:
        value = _value(word.value, names)
        if word.arg is not None:
            found[word.arg] = value
        elif isinstance(value, dict):
            found |= value
    return found


def _computed(left: Any, op: ast.operator, right: Any) -> Any:
    compute = _OPERATORS.get(type(op))
    if compute is None or left is None or right is None:
        return None
    try:
        return compute(left, right)
    except (TypeError, ZeroDivisionError):
        return None


def _item(owner: Any, key: Any) -> Any:
    try:
        return owner[key]
    except (KeyError, IndexError, TypeError):
        return None


def merged(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """A dict with another's entries in it, as mmengine merges: dicts entry by entry."""
    found = dict(base)
    for key, value in new.items():
        if isinstance(value, dict) and not value.get("_delete_"):
            old = found.get(key)
            found[key] = merged(old if isinstance(old, dict) else {}, value)
        elif isinstance(value, dict):
            found[key] = {name: entry for name, entry in value.items() if name != "_delete_"}
        else:
            found[key] = value
    return found


def types_in(value: Any) -> Iterator[str]:
    """Every ``type`` that a config builds."""
    if isinstance(value, dict):
        named = value.get("type")
        if isinstance(named, str):
            yield named.rpartition(".")[2]
        for entry in value.values():
            yield from types_in(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from types_in(entry)
