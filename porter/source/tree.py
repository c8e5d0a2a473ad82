"""A tree: the bytes of one package, read when asked for.

Paths are POSIX paths relative to the project root, the folder that holds
``setup.py``, wherever the bytes come from.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol

from porter.errors import SourceError
from porter.source.tarball import Contents, read_tarball

LEFT_OUT_FOLDERS = frozenset({"__pycache__", ".git", ".porter"})
LEFT_OUT_SUFFIXES = (".pyc", ".so")
BUILD_FOLDER = "build"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Report what the operating system refuses to read as porter's own error.

    Raises:
        SourceError: In place of any ``OSError`` of the body.
    """
    try:
        yield
    except OSError as problem:
        where = problem.filename or path
        raise SourceError(f"{where} cannot be read: {problem.strerror}") from problem


class Tree(Protocol):
    """The bytes of one package."""

    @property
    def package(self) -> str:
        """The package's name."""

    @property
    def version(self) -> str:
        """The package's version; empty if nothing says it."""

    def paths(self) -> Sequence[str]:
        """The paths of the regular files, sorted."""

    def read(self, path: str) -> bytes:
        """The bytes of a file.

        Raises:
            KeyError: If the tree has no such file.
            SourceError: If it cannot be read.
        """

    def mode(self, path: str) -> int:
        """The permission bits of a file, such as ``0o644``.

        Raises:
            KeyError: If the tree has no such file.
        """


class ArchiveTree:
    """A tree in a source archive, held in memory; opened when first asked for a file.

    Args:
        archive: The bytes of a ``.tar.gz`` or ``.tar`` with one top-level folder.

    Every method but the constructor raises ``SourceError`` for an archive that is
    damaged or hostile.
    """

    def __init__(self, package: str, version: str, archive: bytes) -> None:
        self.package, self.version = package, version
        self._archive = archive

    @cached_property
    def sha256(self) -> str:
        """Digest of the archive, hex."""
        return hashlib.sha256(self._archive).hexdigest()

    @cached_property
    def _contents(self) -> Contents:
        return read_tarball(self._archive, f"the archive of {self.package} {self.version}")

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        return tuple(sorted(self._contents.members))

    def paths(self) -> Sequence[str]:
        """The paths of the regular files, sorted."""
        return self._paths

    def read(self, path: str) -> bytes:
        """The bytes of a file; ``KeyError`` if the archive has none of that path."""
        member = self._contents.members[path]
        return self._contents.data[member.start : member.start + member.size]

    def mode(self, path: str) -> int:
        """The permission bits of a file; nobody but the owner may write."""
        return self._contents.members[path].mode


class FolderTree:
    """A tree in a folder. Symbolic links in it are not followed.

    What building and running leave behind is not part of it: ``__pycache__``,
    ``.git``, ``build/``, compiled files, and porter's own ``.porter``.

    Args:
        root: The folder.
        only: The one folder of ``root`` to look at, in ``site-packages``; empty for all.
        listed: The paths to consider, where git knows them; None for all there are.
    """

    def __init__(
        self,
        package: str,
        version: str,
        root: Path,
        *,
        only: str = "",
        listed: Sequence[str] | None = None,
    ) -> None:
        self.package, self.version = package, version
        self.root, self.only = root, only
        self._listed = listed
        self._prefix = f"{root}{os.sep}"
        self._folders = {""}

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        if self._listed is not None:
            return tuple(sorted(path for path in self._listed if self._find(path)))
        with reading(self.root):
            return tuple(sorted(self._walk(self.only)))

    def paths(self) -> Sequence[str]:
        """The paths of the regular files, sorted; looked up once."""
        return self._paths

    def read(self, path: str) -> bytes:
        """The bytes of a file as they are now; ``KeyError`` if there is none."""
        if self._find(path) is None:
            raise KeyError(path)
        with reading(self.root):
            return Path(f"{self._prefix}{path}").read_bytes()

    def mode(self, path: str) -> int:
        """The permission bits of a file; ``KeyError`` if there is none."""
        found = self._find(path)
        if found is None:
            raise KeyError(path)
        return stat.S_IMODE(found.st_mode)

    def _walk(self, folder: str) -> Iterator[str]:
        for entry in os.scandir(f"{self._prefix}{folder}"):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if self._is_left_out(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(path)
            elif entry.is_file(follow_symlinks=False):
                yield path

    def _is_left_out(self, path: str) -> bool:
        first, name = path.partition("/")[0], path.rpartition("/")[2]
        return (
            name in LEFT_OUT_FOLDERS
            or name.endswith(LEFT_OUT_SUFFIXES)
            or first == BUILD_FOLDER
            or bool(self.only and first != self.only)
        )

    def _find(self, path: str) -> os.stat_result | None:
        """What ``lstat`` says of a regular file that no link leads to; None if it is no such."""
        folder = path.rpartition("/")[0]
        if path.startswith("/") or self._is_left_out(path) or not self._is_folder(folder):
            return None
        found = self._lstat(path)
        return found if found and stat.S_ISREG(found.st_mode) else None

    def _is_folder(self, path: str) -> bool:
        """Whether a folder, and all that it is in, are no links; remembered if so."""
        if path in self._folders:
            return True
        parent, _, name = path.rpartition("/")
        if name in ("", ".", "..") or self._is_left_out(path) or not self._is_folder(parent):
            return False
        found = self._lstat(path)
        if found is None or not stat.S_ISDIR(found.st_mode):
            return False
        self._folders.add(path)
        return True

    def _lstat(self, path: str) -> os.stat_result | None:
        with reading(self.root):
            try:
                return os.lstat(f"{self._prefix}{path}")
            except (FileNotFoundError, NotADirectoryError):
                return None
