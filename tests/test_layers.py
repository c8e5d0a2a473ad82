"""Imports point downward, and each library has one home."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import porter

ROOT = Path(porter.__file__).parent

#: The floors of the house, lowest first. A module imports from its own floor or from below.
FLOORS = [
    {"errors", "forked", "model", "porter"},
    {"source", "rulebook"},
    {"find"},
    {"plan", "manifest"},
    {"ruletest", "invariants", "write"},
    {"port"},
    {"apply", "diff", "explain", "revert", "sim"},
    {"audit", "export", "matrix", "upgrade"},
    {"training"},
    {"verify"},
    {"check"},
    {"render"},
    {"cli", "__main__"},
]

#: Library -> the only parts of porter that may import it.
HOMES = {
    "libcst": {"find"},
    "click": {"cli"},
    "rich": {"render", "cli"},
    "git": {"source", "port"},
    "subprocess": {"source", "sim", "verify", "check"},
    "torch": {"sim", "training"},
    "matplotlib": {"render"},
    "numpy": {"training"},
    "mmengine": {"training"},
    "mmcv": {"training"},
    "mmdet": {"training"},
    "onnx": {"training"},
    "onnxruntime": {"training"},
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield part_of(path.relative_to(ROOT).with_suffix("").parts), path


def part_of(parts: tuple[str, ...]) -> str:
    return "porter" if parts == ("__init__",) else parts[0]


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            base = tuple((node.module or "").split("."))
            yield from (base if len(base) > 1 else (*base, alias.name) for alias in node.names)


def floor(part: str) -> int:
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def test_every_module_has_a_floor() -> None:
    known = set().union(*FLOORS)
    assert {part for part, _ in modules()} <= known
    assert known <= {part for part, _ in modules()}, "the list names what is gone"


@pytest.mark.parametrize(
    "path", [path for _, path in modules()], ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_imports_point_downward(path: Path) -> None:
    own = part_of(path.relative_to(ROOT).with_suffix("").parts)
    for name in imported(path):
        if name[0] == "porter" and len(name) > 1 and name[1] != "__version__":
            assert floor(name[1]) <= floor(own), f"{own} imports {name[1]}, which is above it"


@pytest.mark.parametrize("library", HOMES)
def test_each_library_has_one_home(library: str) -> None:
    users = {part for part, path in modules() for name in imported(path) if name[0] == library}
    assert users <= HOMES[library]
