"""The training process runs where porter does not: in a Python 3.8 with torch and mm alone."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import porter.training

ROOT = Path(porter.training.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
HOME = {"torch", "numpy", "mmengine", "mmcv", "mmdet", "onnx", "onnxruntime"}
#: Builtins and abstract classes that cannot be subscripted before Python 3.9.
PLAIN = {"list", "dict", "tuple", "set", "frozenset", "type", "Counter"} | {
    "Callable",
    "Iterable",
    "Iterator",
    "Mapping",
    "Sequence",
}
LATER_METHODS = {"removeprefix", "removesuffix", "is_relative_to", "readlink", "hardlink_to"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def imports(tree: ast.AST, lazily: bool = False) -> Iterator[tuple[str, bool]]:
    """Each imported module, and whether it is imported only when a function runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, lazily) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", lazily
        else:
            inside = lazily or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from imports(node, inside)


def evaluated(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run: all but annotations, which the future import leaves as text."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST):
                yield node
                yield from evaluated(node)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_imports_only_what_the_chips_python_has(path: Path) -> None:
    for name, lazily in imports(tree_of(path)):
        top = name.split(".")[0]
        if name.startswith("porter.sim"):
            assert lazily, f"{name} needs more than the chip's Python has"
        elif top == "porter":
            assert name.startswith("porter.training"), name
        else:
            assert top in HOME or top in sys.stdlib_module_names, name


@pytest.mark.parametrize("path", FILES, ids=named)
def test_runs_nothing_that_came_after_3_8(path: Path) -> None:
    tree = tree_of(path)
    if any(isinstance(node, (ast.FunctionDef, ast.ClassDef)) for node in ast.walk(tree)):
        assert "from __future__ import annotations" in path.read_text(encoding="utf-8")
    for node in evaluated(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            assert node.value.id not in PLAIN, f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in LATER_METHODS, f"line {node.lineno}: {node.attr}"
        if isinstance(node, ast.keyword):
            assert node.arg != "strict" or "load_state_dict" in path.read_text(encoding="utf-8")


def test_every_file_is_looked_at() -> None:
    assert {"__main__.py", "job.py", "config/smoke.py", "mm3/smoke.py"} <= set(map(named, FILES))
