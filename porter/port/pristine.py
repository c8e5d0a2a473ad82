"""The pristine bytes of packages in a folder that may be ported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from porter.errors import TreeStateError
from porter.manifest import PRISTINE_DIR, Manifest, digest, read_manifest
from porter.source import FolderTree, Tree, find_trees


@dataclass(frozen=True)
class PristineTree:
    """A package as upstream has it, though its folder is ported or edited by hand.

    A file's bytes are the ones that an earlier port kept, else those of the release if
    it is known, else the ones in the folder.

    Attributes:
        into: The tree that the folder is in.
        kept: Path -> sha256 of the bytes that an earlier port kept.
        added: The paths of the files that an earlier port added.
        release: The pinned release, if what is in the folder must be equal to it.
    """

    into: Path
    folder: FolderTree
    kept: Mapping[str, str] = field(default_factory=dict)
    added: frozenset[str] = frozenset()
    release: Tree | None = None

    @property
    def package(self) -> str:
        """The package's name."""
        return self.folder.package

    @property
    def version(self) -> str:
        """The package's version."""
        return self.folder.version

    def paths(self) -> Sequence[str]:
        """The paths of the files that upstream has and the folder too, sorted."""
        return self._paths

    def read(self, path: str) -> bytes:
        """The pristine bytes of a file; ``KeyError`` if there is none.

        Raises:
            TreeStateError: If the bytes that the port kept are gone or damaged.
        """
        if path in self.kept:
            return read_kept(self.into, self.kept[path])
        if path in self.added:
            raise KeyError(path)
        released = self._in_release(path)
        return self.folder.read(path) if released is None else released

    def mode(self, path: str) -> int:
        """The permission bits of a file; ``KeyError`` if the folder has none of that path."""
        return self.folder.mode(path)

    @cached_property
    def _paths(self) -> tuple[str, ...]:
        return tuple(sorted((set(self.folder.paths()) - self.added) | self.kept.keys()))

    @cached_property
    def _released(self) -> frozenset[str]:
        return frozenset(self.release.paths()) if self.release else frozenset()

    def _in_release(self, path: str) -> bytes | None:
        # Git has at the top what building an archive copies to .mim.
        for candidate in (path, f"{self.package}/.mim/{path}"):
            if self.release and candidate in self._released:
                return self.release.read(candidate)
        return None


def pristine_trees(
    into: Path,
    folders: Mapping[str, FolderTree],
    manifest: Manifest | None,
    releases: Mapping[str, Tree] | None = None,
) -> dict[str, Tree]:
    """The pristine trees of the packages in a folder.

    Args:
        folders: Package -> its folder.
        manifest: What was applied; None if nothing was.
        releases: Package -> the release to compare with; see ``PristineTree``.
    """
    files = manifest.files if manifest else ()
    return {
        package: PristineTree(
            into,
            folder,
            kept={f.path: f.before for f in files if f.package == package and not f.added},
            added=frozenset(f.path for f in files if f.package == package and f.added),
            release=(releases or {}).get(package),
        )
        for package, folder in folders.items()
    }


def open_pristine(into: Path, packages: Sequence[str]) -> dict[str, Tree]:
    """The packages that are in a folder, ported or not, as upstream has them.

    Raises:
        TreeStateError: If the manifest or a version cannot be read.
    """
    return pristine_trees(into, find_trees(into, packages), read_manifest(into))


def read_kept(into: Path, sha256: str) -> bytes:
    """Pristine bytes that a port kept.

    Raises:
        TreeStateError: They are gone or damaged.
    """
    path = into / PRISTINE_DIR / sha256
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _not_kept(path, error.strerror or str(error)) from error
    if digest(data) != sha256:
        raise _not_kept(path, "its bytes are not the ones that were kept")
    return data


def _not_kept(path: Path, reason: str) -> TreeStateError:
    return TreeStateError(
        f"pristine bytes that the port kept cannot be used: {path}: {reason}",
        hint="Put the upstream packages back into the folder, delete its .porter and port again.",
    )
