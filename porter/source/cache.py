"""The cache folder: what is downloaded or planned once, and shared by porters that run at once.

Files arrive under a lock and by rename, so that whoever reads without the lock sees
a whole file or none. A reader trusts no file here before it has checked its digest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from porter.errors import WriteError
from porter.model import Pin

CACHE_VARIABLE = "PORTER_CACHE"


def default_cache_folder() -> Path:
    """``$PORTER_CACHE`` if set, else porter's folder among the platform's caches."""
    from platformdirs import user_cache_path

    chosen = os.environ.get(CACHE_VARIABLE, "").strip()
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("porter", False)


@dataclass(frozen=True)
class Cache:
    """Where fetched sources are kept.

    Attributes:
        root: The folder; made when something is first written to it.
    """

    root: Path = field(default_factory=default_cache_folder)

    def archive_path(self, pin: Pin) -> Path:
        """Where the pin's source archive is, or will be."""
        return self.root / "archives" / f"{pin.package}-{pin.version}.tar.gz"

    def repository_path(self, pin: Pin) -> Path:
        """Where the pin's bare git repository is, or will be."""
        return self.root / "git" / f"{pin.package}-{pin.version}.git"

    def plan_path(self, name: str) -> Path:
        """Where the plan of that name is, or will be."""
        return self.root / "plans" / f"{name}.json"

    def listing_path(self, package: str) -> Path:
        """Where the list of a package's releases is, or will be."""
        return self.root / "releases" / f"{package}.json"

    def matrix_path(self, name: str) -> Path:
        """Where what rules find in a release is, or will be."""
        return self.root / "matrix" / f"{name}.json"

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Keep other porters from writing the entry ``name`` meanwhile; waits for its turn.

        Raises:
            WriteError: If the cache folder cannot be written.
        """
        from filelock import FileLock

        folder = self.root / "locks"
        with self.writing():
            folder.mkdir(parents=True, exist_ok=True)
            held = FileLock(folder / f"{name}.lock")
            held.acquire()
        try:
            yield
        finally:
            held.release()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Report a write that the operating system refuses as porter's own error.

        Raises:
            WriteError: In place of any ``OSError`` of the body.
        """
        try:
            yield
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise WriteError(
                f"the cache folder {self.root} cannot be written: {reason}",
                hint=f"Free or open it, or set {CACHE_VARIABLE} to a folder that you may write.",
            ) from problem
