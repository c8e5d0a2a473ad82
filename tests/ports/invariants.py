"""What no port may do to a file, as functions that return what is wrong."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from porter.ruletest import comments

#: Branches of other vendors that upstream has and a port must keep.
VENDORS = re.compile(r"npu|mlu|musa|dipu|hccl|cncl|mccl", re.IGNORECASE)


def problems(before: bytes, after: bytes) -> Iterator[str]:
    """Everything that is wrong with a ported Python file."""
    old, new = before.decode(), after.decode()
    try:
        tree = ast.parse(new)
        compile(new, "ported", "exec", dont_inherit=True)
    except SyntaxError as problem:
        yield f"does not compile: {problem}"
        return
    pristine = ast.parse(old)
    yield from (f"lost a comment: {c}" for c in comments(old) - comments(new))
    yield from (f"defined twice: {n}" for n in duplicates(tree) - duplicates(pristine))
    yield from (f"lost a name: {n}" for n in public(pristine) - public(tree))
    yield from (f"lost a parameter: {p}" for p in parameters(pristine) - parameters(tree))
    yield from (f"changed a docstring of {n}" for n in changed_docstrings(pristine, tree))
    if stars(pristine) - stars(tree):
        yield "lost an unpacked argument"
    yield from (f"lost a URL: {u}" for u in urls(old) - urls(new))
    yield from (f"lost a vendor's line: {v}" for v in vendor_lines(old, new))


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Every function and class with its qualified name."""

    def inside(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.AST]]:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield prefix + node.name, node
                yield from inside(node.body, f"{prefix}{node.name}.")

    return inside(tree.body, "")


def duplicates(tree: ast.Module) -> set[str]:
    """Names that are defined more than once in one scope, properties and overloads aside."""
    counts = Counter(
        name for name, node in definitions(tree) if not getattr(node, "decorator_list", [])
    )
    return {name for name, count in counts.items() if count > 1}


def public(tree: ast.Module) -> set[str]:
    """Names that others may import: bound at module level, and methods of classes."""
    bound = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        if getattr(node, "module", "") != "typing"
        for alias in node.names
    }
    assigned = {
        node.id
        for statement in tree.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return bound | {name for name, _ in definitions(tree)} | assigned


def parameters(tree: ast.Module) -> Counter[str]:
    """Every function's parameters by qualified name."""
    return Counter(
        f"{name}({argument.arg})"
        for name, node in definitions(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for argument in ast.walk(node.args)
        if isinstance(argument, ast.arg)
    )


def stars(tree: ast.Module) -> Counter[str]:
    """Unpacked arguments of calls, ``*args`` and ``**kwargs``."""
    return Counter(
        ast.unparse(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for part in (
            *(a for a in node.args if isinstance(a, ast.Starred)),
            *(k.value for k in node.keywords if k.arg is None),
        )
    )


def changed_docstrings(before: ast.Module, after: ast.Module) -> set[str]:
    """Definitions whose docstring is not what it was."""
    new = {name: ast.get_docstring(node, clean=False) for name, node in definitions(after)}  # type: ignore[arg-type]
    return {
        name
        for name, node in definitions(before)
        if new.get(name) != ast.get_docstring(node, clean=False)  # type: ignore[arg-type]
    }


def urls(text: str) -> Counter[str]:
    """The URLs of a file."""
    return Counter(re.findall(r"https?://[^\s'\">)]+", text))


def vendor_lines(before: str, after: str) -> Iterator[str]:
    """Upstream's words about other vendors that the ported file lacks."""
    yield from Counter(VENDORS.findall(before)) - Counter(VENDORS.findall(after))
