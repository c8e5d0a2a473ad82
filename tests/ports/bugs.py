"""Mistakes that hand ports made, as functions that tell what a port adds of their kind.

Each looks at what is in the ported file and was not in upstream's; what upstream itself does is
left alone.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator

#: Attributes and names that hold a version as text.
VERSION = re.compile(r"__version__$|_VERSION$", re.IGNORECASE)
#: Variables by which the hand ports numbered devices and fixed the first rank's place.
FIXED = {"NPUID", "MASTER_ADDR", "MASTER_PORT"}
#: COCO's number of classes, with and without a background.
CLASSES = {80, 81}

Finder = Callable[[ast.Module], Iterator[ast.AST]]


def text_compared_versions(tree: ast.Module) -> Iterator[ast.AST]:
    """``torch.__version__ >= '1.8'``: by letters, 1.10 is below 1.8."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(
            isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in node.ops
        ):
            sides = [node.left, *node.comparators]
            texts = [isinstance(s, ast.Constant) and isinstance(s.value, str) for s in sides]
            if any(texts) and any(VERSION.search(ast.unparse(side)) for side in sides):
                yield node


def bare_excepts(tree: ast.Module) -> Iterator[ast.AST]:
    """``except:``, which hides whatever goes wrong."""
    return (n for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.type is None)


def fixed_places(tree: ast.Module) -> Iterator[ast.AST]:
    """Writing the variables that a launcher sets, or reading one that nobody sets."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value == "NPUID":
            yield node
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            key = target.slice if isinstance(target, ast.Subscript) else None
            written = key.value if isinstance(key, ast.Constant) else None
            if written in FIXED and isinstance(node.value, ast.Constant):
                yield node


def counted_classes(tree: ast.Module) -> Iterator[ast.AST]:
    """80 as a number in a model's code: other data sets have other classes.

    A config, which is made of ``dict(...)``, is the place to say it.
    """
    told = {
        word.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
        for word in node.keywords
        if word.arg == "num_classes"
    }
    for node in ast.walk(tree):
        number = node.value if isinstance(node, ast.Constant) else None
        if type(number) is int and number in CLASSES and node not in told:
            yield node


def switched_off(tree: ast.Module) -> Iterator[ast.AST]:
    """``if ... and False``: dead code in the place of a condition."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp):
            if any(isinstance(v, ast.Constant) and v.value is False for v in node.values):
                yield node
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Constant):
            yield node


def half_targets(tree: ast.Module) -> Iterator[ast.AST]:
    """``.half()``: a loss in half precision whatever the predictions are in."""
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr == "half":
            yield node


def demanded_apex(tree: ast.Module) -> Iterator[ast.AST]:
    """apex imported where a module is: without it nothing could be imported."""
    for node in tree.body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if any(name.split(".")[0] == "apex" for name in names):
            yield node


FINDERS: dict[str, Finder] = {
    "a version compared as text": text_compared_versions,
    "a bare except": bare_excepts,
    "a fixed place of the first rank": fixed_places,
    "a fixed number of classes": counted_classes,
    "a condition that is never true": switched_off,
    "half precision forced": half_targets,
    "apex demanded": demanded_apex,
}


def parsed(source: bytes) -> ast.Module:
    """A file's tree; upstream's strings have escapes that Python warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def added(before: bytes, after: bytes) -> Iterator[str]:
    """What a port adds that is one of the mistakes: its name, and the code.

    Args:
        before: Upstream's file; empty for a file that the port adds.
    """
    old, new = parsed(before), parsed(after)
    for name, find in FINDERS.items():
        known = Counter(ast.dump(node) for node in find(old))
        for node in find(new):
            known[ast.dump(node)] -= 1
            if known[ast.dump(node)] < 0:
                yield f"{name}: {ast.unparse(node).splitlines()[0]}"


def methods(tree: ast.Module, name: str) -> dict[str, str]:
    """Class -> its method of that name, as a dump."""
    return {
        owner.name: ast.dump(method)
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for method in owner.body
        if isinstance(method, ast.FunctionDef) and method.name == name
    }


def barriers(tree: ast.Module) -> int:
    """How often ranks wait for each other."""
    return sum(
        isinstance(node, ast.Call) and ast.unparse(node.func).endswith("barrier")
        for node in ast.walk(tree)
    )
