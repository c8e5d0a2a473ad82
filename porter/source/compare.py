"""Whether a tree's code is the release's, for trees that no digest vouches for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from porter.source.tree import Tree

_SHOWN = 10


def differences(tree: Tree, release: Tree) -> list[str]:
    """The paths, sorted, at which a tree's code is not that of the release.

    Code is the package's own folder and ``setup.py``. Compared are the release's files,
    and reported are Python files beside them that Python could import instead.
    Metadata, tests and documentation are not looked at: building rewrites them, and
    git and the archive need not have the same ones.
    """
    present = set(tree.paths())
    expected = {path for path in release.paths() if _is_code(path, release.package)}
    changed = {path for path in expected if _changed(path, tree, release, present)}
    return sorted(changed | set(_strangers(present - expected, tree)))


def _is_code(path: str, package: str) -> bool:
    return path == "setup.py" or path.startswith(f"{package}/")


def _changed(path: str, tree: Tree, release: Tree, present: Collection[str]) -> bool:
    here = path if path in present else _path_in_git(path, release.package)
    return here not in present or tree.read(here) != release.read(path)


def _path_in_git(path: str, package: str) -> str:
    """Building an archive copies git's ``tools/`` to ``<package>/.mim/tools/``."""
    return path.removeprefix(f"{package}/.mim/")


def _strangers(extra: Collection[str], tree: Tree) -> Iterator[str]:
    """Python files the release lacks, in folders that are packages to Python.

    A module beside the release's can shadow one of its own. In a folder without
    ``__init__.py`` it cannot; mmdet's git has such a one, which the archive leaves out.
    """
    present = set(tree.paths())
    for path in extra:
        package_file = f"{path.rpartition('/')[0]}/__init__.py"
        if path.endswith(".py") and _is_code(path, tree.package) and package_file in present:
            yield path


def listed(paths: Sequence[str]) -> str:
    """Up to ten paths, one a line, and how many more there are."""
    lines = [f"  {path}" for path in paths[:_SHOWN]]
    if len(paths) > _SHOWN:
        lines.append(f"  and {len(paths) - _SHOWN} more")
    return "\n".join(lines)
