"""The version a package's files say they are; read by ``ast``, never imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from porter.errors import TreeStateError
from porter.source.pins import is_version
from porter.source.tree import reading

_INSTALLED = re.compile(r"(.+?)(?:-py\d.*)?\.(?:dist|egg)-info")


def read_version(folder: Path, package: str) -> str:
    """The version of the package in ``folder``: a checkout, or ``site-packages``.

    Looked for as ``__version__ = '...'`` in ``version.py``, then in ``__init__.py``,
    then as the ``version`` of the call of ``setup``, then in the name of what an installer
    wrote beside the package, such as ``apex-0.1.dist-info``.

    Returns:
        The version, or "" for a package without ``version.py`` that says none.

    Raises:
        TreeStateError: If ``version.py`` is there, but no version can be read from it.
        SourceError: If the operating system refuses to read it.
    """
    version_file = folder / package / "version.py"
    if version_file.is_file():
        version = _assigned_version(version_file)
        if not version:
            raise _no_version(version_file, "there is no `__version__ = '...'` in it")
        return version
    setup_file = folder / "setup.py"
    return (
        _assigned_version(folder / package / "__init__.py")
        or _setup_version(setup_file)
        or _installed_version(folder, package)
    )


def _installed_version(folder: Path, package: str) -> str:
    with reading(folder):
        names = sorted(path.name for path in folder.glob(f"{package}-*.*-info"))
    found = (_INSTALLED.fullmatch(name.removeprefix(f"{package}-")) for name in names)
    return next((match[1] for match in found if match and is_version(match[1])), "")


def _assigned_version(file: Path) -> str:
    for node in _parsed(file).body:
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if "__version__" in names:
                return _text(node.value)
    return ""


def _setup_version(file: Path) -> str:
    if not file.is_file():
        return ""
    return next((_text(value) for value in _setup_arguments(_parsed(file), "version")), "")


def _setup_arguments(tree: ast.Module, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("setup", "setuptools.setup"):
            yield from (word.value for word in node.keywords if word.arg == name)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _parsed(file: Path) -> ast.Module:
    with reading(file):
        source = file.read_bytes()
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError) as problem:
        raise _no_version(file, f"it is not valid Python: {problem}") from problem


def _no_version(file: Path, reason: str) -> TreeStateError:
    return TreeStateError(
        f"{file}: the version cannot be read: {reason}",
        hint="Restore the file from the release, or start from an empty folder.",
    )
