"""What earlier runs of porter did to a tree, and what of it still stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from porter.errors import TreeStateError
from porter.manifest import FileRecord, Manifest, digest
from porter.port.ported import PortedFile, ported_files
from porter.port.pristine import read_kept
from porter.source import FolderTree
from porter.source.pins import same_version
from porter.write import read_present


def earlier_files(into: Path, manifest: Manifest | None) -> dict[str, PortedFile]:
    """Path relative to the tree -> the file as the manifest says that it was ported.

    Raises:
        TreeStateError: Kept pristine bytes are gone, or do not go with the manifest.
    """
    if manifest is None:
        return {}
    kept = {(file.package, file.path): file.before for file in manifest.files}
    try:
        files = ported_files(
            manifest.to_plan(), lambda package, path: read_kept(into, kept[package, path])
        )
    except ValueError as error:
        raise _damaged(into, str(error)) from error
    located = {manifest.location(file.package, file.path): file for file in files}
    for path, record in manifest.by_location.items():
        if path not in located or digest(located[path].ported) != record.after:
            raise _damaged(into, f"the edits of {path} do not give the bytes recorded")
    return located


def without_replaced(
    into: Path, manifest: Manifest | None, folders: Mapping[str, FolderTree]
) -> Manifest | None:
    """The manifest without the changed files of packages that were installed anew since.

    Such a package is gone or has another version, and none of its files is as the port
    left it. The files that the port added stay recorded: pip leaves them behind.
    """
    if manifest is None:
        return None
    replaced = {
        package
        for package in outdated(manifest, folders)
        if not any(_is_ported(into, manifest, f) for f in manifest.files if f.package == package)
    }
    stay = tuple(f for f in manifest.files if f.added or f.package not in replaced)
    return replace(manifest, files=stay)


def outdated(manifest: Manifest, folders: Mapping[str, FolderTree]) -> list[str]:
    """The packages that are gone, or have another version than the one that was ported."""
    return [
        package
        for package, record in manifest.packages.items()
        if package not in folders or not same_version(folders[package].version, record.version)
    ]


def check_versions(
    into: Path, manifest: Manifest | None, folders: Mapping[str, FolderTree]
) -> None:
    """Refuse a package that is ported, but says it has another version than the one ported.

    Args:
        manifest: From ``without_replaced``.

    Raises:
        TreeStateError: Naming the package and both versions.
    """
    for package in outdated(manifest, folders) if manifest else ():
        if manifest and any(f.package == package and not f.added for f in manifest.files):
            here = f"says {folders[package].version}" if package in folders else "is incomplete"
            raise TreeStateError(
                f"{into}: {package} {here}, but {manifest.pins[package]} was ported there, "
                "and ported files are left",
                hint=f"Install {package} anew, then run the command again.",
            )


def _is_ported(into: Path, manifest: Manifest, file: FileRecord) -> bool:
    if file.added:
        return False
    present = read_present(into, manifest.location(file.package, file.path))
    return present is not None and digest(present) == file.after


def _damaged(into: Path, reason: str) -> TreeStateError:
    return TreeStateError(
        f"the manifest of {into} is damaged: {reason}",
        hint="Put the upstream packages back into the folder, delete its .porter and port again.",
    )
