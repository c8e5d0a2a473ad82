"""Pinned releases from git: fetched shallowly by tag, known by their commit.

The cache keeps one small bare repository a release. A tree is read from it through
``git archive``, so that git and archives share one defensive reader.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from porter.errors import PorterError, SourceError, UnsupportedVersion, UsageError
from porter.model import Pin
from porter.source.archive import cached_tree, fetch_archive
from porter.source.cache import Cache
from porter.source.compare import differences, listed
from porter.source.download import without_password
from porter.source.gitread import bare, git_errors
from porter.source.index import Index
from porter.source.pins import repository
from porter.source.progress import Progress
from porter.source.tree import ArchiveTree

if TYPE_CHECKING:
    from git import RemoteProgress

UPSTREAM = "https://github.com"

_MIRROR = re.compile(r"(https?|ssh|git|file)://\S+")
_log = logging.getLogger(__name__)

# The bytes of the commit, whatever this user's git is told to do to files on the way out.
_VERBATIM = ("tar.umask=0022", "core.autocrlf=false", f"core.attributesFile={os.devnull}")


def fetch_repositories(
    pins: Sequence[Pin], cache: Cache, *, mirror: str, offline: bool, progress: Progress
) -> list[ArchiveTree]:
    """The pins' trees, in order.

    Args:
        mirror: URL that replaces ``https://github.com``; empty for none.

    Raises:
        UsageError: If the mirror is no URL.
        UnsupportedVersion: If a pin has no tag.
        SourceError: If a release cannot be had, or is not the pinned commit.
        WriteError: If the cache cannot be written.
    """
    base = _base_url(mirror)
    with Index() as index:
        trees = []
        for pin in pins:
            tree = _fetch(pin, cache, base, offline, progress)
            if not pin.commit:
                _compare(pin, tree, cache, None if offline else index, progress)
            trees.append(tree)
        return trees


def _base_url(mirror: str) -> str:
    if mirror and not _MIRROR.fullmatch(mirror):
        raise UsageError(
            f"--mirror {mirror}: not a URL",
            hint=f"Write what replaces {UPSTREAM}, with its https://.",
        )
    return mirror.rstrip("/") or UPSTREAM


def _fetch(pin: Pin, cache: Cache, base: str, offline: bool, progress: Progress) -> ArchiveTree:
    path = cache.repository_path(pin)
    tree = _cached(pin, path)
    if tree is None and offline:
        raise SourceError(
            f"--offline: the git repository of {pin} is not in the cache {cache.root}",
            hint="Run `porter fetch --from git` where there is a network, with the same pins.",
        )
    if tree is None:
        with cache.lock(path.name):
            # Whoever held the lock before may have fetched it.
            tree = _cached(pin, path) or _clone(pin, path, cache, base, progress)
    return tree


def _cached(pin: Pin, path: Path) -> ArchiveTree | None:
    """The tree of a cached repository; None if it is not there, or is not what it should be."""
    if not path.is_dir():
        return None
    try:
        return _exported(pin, path)
    except SourceError:
        return None


def _clone(pin: Pin, path: Path, cache: Cache, base: str, progress: Progress) -> ArchiveTree:
    if not pin.tag:
        raise UnsupportedVersion(f"{pin} has no pinned git tag", hint="Use --from PATH.")
    part = path.with_name(f"{path.name}.part")
    with cache.writing():
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            _fetch_tag(pin, part, f"{base}/{repository(pin.package)}", progress)
            tree = _exported(pin, part)
            shutil.rmtree(path, ignore_errors=True)
            part.replace(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return tree


def _fetch_tag(pin: Pin, folder: Path, url: str, progress: Progress) -> None:
    reference = f"refs/tags/{pin.tag}"
    shown = without_password(url)
    with git_errors(f"{pin}: git cannot fetch the tag {pin.tag} from {shown}", url):
        from git import Repo

        Repo.init(folder, bare=True).close()
        with bare(folder) as repo:
            remote = repo.create_remote("origin", url)
            remote.fetch(
                f"{reference}:{reference}", _relay(str(pin), progress), depth=1, no_tags=True
            )


def _relay(what: str, progress: Progress) -> RemoteProgress:
    from git import RemoteProgress

    class Relay(RemoteProgress):
        def update(
            self, _step: int, done: str | float, total: str | float | None = None, _words: str = ""
        ) -> None:
            progress(what, int(float(done)), int(float(total or 0)))

    return Relay()


def _exported(pin: Pin, folder: Path) -> ArchiveTree:
    """The tree of the pinned tag, once its commit is seen to be the pinned one."""
    with git_errors(f"{pin}: git cannot read {folder}"), bare(folder) as repo:
        commit = repo.commit(f"refs/tags/{pin.tag}").hexsha
        if commit != (pin.commit or commit):
            raise _wrong_commit(pin, commit)
        archive = repo.git(c=_VERBATIM).archive(
            commit,
            format="tar",
            prefix=f"{pin.package}-{pin.version}/",
            stdout_as_string=False,
            strip_newline_in_stdout=False,
        )
    return ArchiveTree(pin.package, pin.version, archive)


def _wrong_commit(pin: Pin, found: str) -> SourceError:
    return SourceError(
        f"{pin}: the tag {pin.tag} is not at the pinned commit:\n"
        f"  expected {pin.commit}\n"
        f"  found    {found}",
        hint="The tag was moved, or the mirror is not a true copy; use another, or --from archive.",
    )


def _compare(
    pin: Pin, tree: ArchiveTree, cache: Cache, index: Index | None, progress: Progress
) -> None:
    """Check a release whose commit is not recorded against its pinned archive."""
    release = _release(pin, cache, index, progress)
    if release is None:
        _log.warning("%s: no commit is recorded, and its archive is not at hand: not verified", pin)
        return
    unlike = differences(tree, release)
    if unlike:
        _forget(pin, cache)
        raise SourceError(
            f"{pin}: the git tag {pin.tag} differs from the pinned archive:\n{listed(unlike)}",
            hint="The mirror is not a true copy; use another, or --from archive.",
        )


def _forget(pin: Pin, cache: Cache) -> None:
    """Remove a repository from the cache, so that the next mirror is asked."""
    path = cache.repository_path(pin)
    with cache.lock(path.name), cache.writing():
        shutil.rmtree(path)


def _release(pin: Pin, cache: Cache, index: Index | None, progress: Progress) -> ArchiveTree | None:
    if not pin.sha256:
        return None
    if index is None:
        return cached_tree(pin, cache)
    try:
        return ArchiveTree(pin.package, pin.version, fetch_archive(pin, cache, index, progress))
    except PorterError:
        return None
