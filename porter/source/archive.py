"""Pinned source archives: from the cache if they are there, else from the package index."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from porter.errors import SourceError, UnsupportedVersion
from porter.model import Pin
from porter.source.cache import Cache
from porter.source.download import download, without_password
from porter.source.index import Index
from porter.source.progress import Progress
from porter.source.tree import ArchiveTree, reading


def fetch_archives(
    pins: Sequence[Pin], cache: Cache, *, offline: bool, progress: Progress
) -> list[ArchiveTree]:
    """The pins' trees, in order.

    Raises:
        UnsupportedVersion: If a pin has no archive digest.
        SourceError: If an archive cannot be had, or is not the pinned one.
        WriteError: If the cache cannot be written.
    """
    for pin in pins:
        _check_recorded(pin)
    if offline:
        _check_cached(pins, cache)
    with Index() as index:
        return [_tree(pin, fetch_archive(pin, cache, index, progress)) for pin in pins]


def fetch_archive(pin: Pin, cache: Cache, index: Index, progress: Progress) -> bytes:
    """The bytes of the pin's archive; their digest is the pin's."""
    archive = cached_archive(pin, cache)
    if archive is None:
        path = cache.archive_path(pin)
        with cache.lock(path.name):
            # Whoever held the lock before may have fetched it.
            archive = cached_archive(pin, cache) or _fetch(pin, path, cache, index, progress)
    return archive


def cached_archive(pin: Pin, cache: Cache) -> bytes | None:
    """The bytes of the pin's archive if the cache has them, whole and unchanged.

    Raises:
        SourceError: If the file is there, but cannot be read.
    """
    archive = _cached_bytes(pin, cache)
    return archive if archive is not None and _digest(archive) == pin.sha256 else None


def cached_tree(pin: Pin, cache: Cache) -> ArchiveTree | None:
    """The pin's tree if the cache has it."""
    archive = cached_archive(pin, cache)
    return None if archive is None else _tree(pin, archive)


def _tree(pin: Pin, archive: bytes) -> ArchiveTree:
    return ArchiveTree(pin.package, pin.version, archive)


def _cached_bytes(pin: Pin, cache: Cache) -> bytes | None:
    path = cache.archive_path(pin)
    with reading(path):
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None


def _fetch(pin: Pin, path: Path, cache: Cache, index: Index, progress: Progress) -> bytes:
    url = index.archive_url(pin)
    part = path.with_name(f"{path.name}.part")
    with cache.writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        archive = _download_whole(pin, url, part, index, progress)
        part.replace(path)
    return archive


def _download_whole(pin: Pin, url: str, part: Path, index: Index, progress: Progress) -> bytes:
    """Download to ``part``; once more from the start if joined pieces do not fit."""
    for _ in range(2):
        joined = download(index.session, url, part, lambda *done: progress(str(pin), *done))
        archive = part.read_bytes()
        if _digest(archive) == pin.sha256:
            return archive
        part.unlink()
        if not joined:
            break
    raise _wrong_digest(pin, archive, f"came from {without_password(url)}")


def _check_recorded(pin: Pin) -> None:
    if not pin.sha256:
        raise UnsupportedVersion(
            f"{pin} has no pinned archive", hint="Use --from git, or --from PATH with a checkout."
        )


def _check_cached(pins: Sequence[Pin], cache: Cache) -> None:
    """Name everything that is missing, not only the first."""
    missing = []
    for pin in pins:
        archive = _cached_bytes(pin, cache)
        if archive is None:
            missing.append(str(pin))
        elif _digest(archive) != pin.sha256:
            raise _wrong_digest(pin, archive, f"is cached as {cache.archive_path(pin)}")
    if missing:
        raise SourceError(
            f"--offline: not in the cache {cache.root}: {', '.join(missing)}",
            hint="Run `porter fetch` where there is a network, with the same pins.",
        )


def _wrong_digest(pin: Pin, archive: bytes, where: str) -> SourceError:
    return SourceError(
        f"{pin}: the archive that {where} is not the pinned one:\n"
        f"  expected sha256 {pin.sha256}\n"
        f"  found    sha256 {_digest(archive)}",
        hint="Try another index with PIP_INDEX_URL, and run `porter fetch` again.",
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
