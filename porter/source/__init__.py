"""Where pristine bytes come from: archives, git, and local folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from porter.errors import UsageError
from porter.model import Pin
from porter.source.archive import fetch_archives
from porter.source.cache import Cache
from porter.source.local import find_trees, open_checkouts
from porter.source.pins import known_packages, known_pin, known_versions, parse_pin
from porter.source.progress import Progress, silent
from porter.source.repository import fetch_repositories
from porter.source.tree import ArchiveTree, FolderTree, Tree

__all__ = [
    "ArchiveTree",
    "Cache",
    "FolderTree",
    "Progress",
    "Tree",
    "fetch",
    "find_trees",
    "known_packages",
    "known_pin",
    "known_versions",
    "parse_pin",
]


def fetch(
    pins: Sequence[Pin],
    cache: Cache,
    *,
    origin: str = "archive",
    mirror: str = "",
    offline: bool = False,
    progress: Progress | None = None,
) -> list[Tree]:
    """The pristine trees of ``pins``, in their order, verified.

    Args:
        origin: ``archive``, ``git``, or the path of a checkout, or of a folder with one
            checkout a package.
        mirror: URL that replaces ``https://github.com``; for ``git`` only.
        offline: Use the cache alone.
        progress: Called while something is downloaded.

    Raises:
        UsageError: If an argument cannot be used.
        UnsupportedVersion: If a pin lacks what the origin needs.
        SourceError: If a release cannot be had, or is not the pinned one.
        TreeStateError: If a checkout is not clean.
        WriteError: If the cache cannot be written.
    """
    report = progress or silent
    if mirror and origin != "git":
        raise UsageError(f"--mirror {mirror}: only for git", hint="Add --from git.")
    if origin == "archive":
        return [*fetch_archives(pins, cache, offline=offline, progress=report)]
    if origin == "git":
        return [*fetch_repositories(pins, cache, mirror=mirror, offline=offline, progress=report)]
    return [*open_checkouts(pins, Path(origin).expanduser(), cache)]
