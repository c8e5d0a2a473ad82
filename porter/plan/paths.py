"""Which files of a package a rule's ``files`` names."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Sequence
from functools import lru_cache

#: Folders that git has at the top and released archives under ``<package>/.mim``.
MIM_FOLDERS = ("configs/", "tools/", "demo/")


def select(patterns: Collection[str], paths: Sequence[str], package: str) -> list[str]:
    """The paths that any pattern names, in the order of ``paths``.

    Args:
        patterns: Paths or globs; ``*`` stays within a folder, ``**`` does not. One that
            starts with ``configs/`` or ``tools/`` also finds what a release keeps in ``.mim``;
            one that starts with ``!`` leaves out.
        paths: Sorted paths of the package's files.
        package: The package's name.
    """
    wanted = {pattern for pattern in patterns if not pattern.startswith("!")}
    unwanted = [_regex(pattern[1:]).fullmatch for pattern in patterns if pattern.startswith("!")]
    if unwanted:
        paths = [path for path in paths if not any(match(path) for match in unwanted)]
    for pattern in list(wanted):
        if pattern.startswith(MIM_FOLDERS):
            wanted.add(f"{package}/.mim/{pattern}")
    literal = {pattern for pattern in wanted if "*" not in pattern}
    globs = [_regex(pattern).fullmatch for pattern in wanted - literal]
    if not globs:
        return sorted(name for name in literal if _holds(paths, name))
    return [path for path in paths if path in literal or any(match(path) for match in globs)]


def placed(path: str, paths: Sequence[str], package: str) -> str:
    """Where a package's project keeps a file of that path.

    Args:
        path: A path in a checkout.
        paths: Sorted paths of the package's files.

    Returns:
        The path, or that within ``.mim`` in a release that has the top folder there alone, and
        in an installed package, beside which nothing may be put.
    """
    top = next((folder for folder in MIM_FOLDERS if path.startswith(folder)), None)
    released = f"{package}/.mim/"
    if not top or _has(paths, top):
        return path
    return released + path if _has(paths, released + top) or _is_installed(paths, package) else path


def _is_installed(paths: Sequence[str], package: str) -> bool:
    """Whether a tree is the package's folder alone, as in ``site-packages``."""
    own = f"{package}/"
    return bool(paths) and paths[0].startswith(own) and paths[-1].startswith(own)


def _has(paths: Sequence[str], folder: str) -> bool:
    """Whether a sorted list has a path within a folder, whose name ends with a slash."""
    place = bisect_left(paths, folder)
    return place < len(paths) and paths[place].startswith(folder)


def _holds(paths: Sequence[str], name: str) -> bool:
    """Whether a sorted list has a path; most rules name a few files of a thousand."""
    place = bisect_left(paths, name)
    return place < len(paths) and paths[place] == name


@lru_cache(maxsize=512)
def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return re.compile("".join(meaning.get(part) or re.escape(part) for part in parts))
