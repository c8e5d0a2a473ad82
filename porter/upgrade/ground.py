"""What an upgrade stands on: the ported tree, the releases it came from, those it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from porter.errors import TargetFileError, TreeStateError, UsageError
from porter.manifest import Manifest, PackageRecord, read_manifest
from porter.model import Pin, Target
from porter.port.earlier import check_versions, earlier_files, without_replaced
from porter.port.ground import check_whole
from porter.port.ported import PortedFile
from porter.port.pristine import pristine_trees
from porter.source import Cache, FolderTree, Progress, Tree, fetch, find_trees, known_pin
from porter.source.pins import recorded_pin, same_version
from porter.upgrade.model import UpgradeRequest


@dataclass(frozen=True)
class Ground:
    """What an upgrade stands on.

    Attributes:
        files: Path relative to the tree -> a file as the earlier port wrote it.
        old: Package -> the release that was ported, of the packages that move.
        new: Package -> the pristine tree to plan on, of all packages.
        records: Package -> its record in the new manifest.
    """

    into: Path
    manifest: Manifest
    target: Target
    files: Mapping[str, PortedFile]
    old: Mapping[str, Tree]
    new: Mapping[str, Tree]
    records: Mapping[str, PackageRecord]


def find_ground(
    request: UpgradeRequest, into: Path, cache: Cache, progress: Progress | None
) -> Ground:
    """Read the tree, and fetch what is needed.

    Raises:
        TreeStateError: The folder is not ported, or in no state to be upgraded.
        TargetFileError: It was ported to a target that is not known.
        UsageError: A package to move was not ported.
        UnsupportedVersion: A version to move to has no pin.
        SourceError: A release cannot be had.
    """
    check_whole(into)
    applied = read_manifest(into)
    if applied is None:
        raise TreeStateError(
            f"{request.into} is not ported", hint="`porter apply` ports it, in any version."
        )
    if applied.target not in request.targets:
        raise TargetFileError(
            f"{request.into} was ported to {applied.target!r}, a target that is not known",
            hint="Name the folder with its target file with --targets.",
        )
    folders = find_trees(into, sorted(applied.packages))
    manifest = without_replaced(into, applied, folders)
    check_versions(into, manifest, folders)
    assert manifest is not None
    moving = _moving(request, manifest)
    for package in moving:
        _check_layout(package, folders[package])
    old = {name: _old_pin(into, name, manifest.packages[name]) for name in moving}
    new = {name: known_pin(name, version) for name, version in moving.items()}
    trees = pristine_trees(into, folders, manifest)
    return Ground(
        into=into,
        manifest=manifest,
        target=request.targets[applied.target],
        files=earlier_files(into, manifest),
        old={
            name: _fetch(request, pin, manifest.packages[name].origin, cache, progress)
            for name, pin in old.items()
        },
        new={
            **trees,
            **{n: _fetch(request, p, request.origin, cache, progress) for n, p in new.items()},
        },
        records={
            name: _moved(record, new[name], request.origin) if name in new else record
            for name, record in manifest.packages.items()
        },
    )


def _moving(request: UpgradeRequest, manifest: Manifest) -> dict[str, str]:
    """Package -> version, of those that do not have it yet."""
    for package in request.pins:
        if package not in manifest.packages:
            raise UsageError(
                f"--pin {package}={request.pins[package]}: {package} was not ported in "
                f"{request.into}",
                hint=f"Ported there: {', '.join(manifest.packages)}.",
            )
    return {
        package: version
        for package, version in request.pins.items()
        if not same_version(manifest.pins[package], version)
    }


def _check_layout(package: str, folder: FolderTree) -> None:
    if folder.only:
        raise TreeStateError(
            f"{folder.root} has {package} as pip installed it, and pip keeps a list of its files",
            hint="Run `porter revert`, install the other version with pip, and `porter apply`.",
        )
    if (folder.root / ".git").exists():
        raise TreeStateError(
            f"{folder.root} is a git checkout of {package}",
            hint="Run `porter revert`, check the other release out, and `porter apply`.",
        )


def _old_pin(into: Path, package: str, record: PackageRecord) -> Pin:
    pin = recorded_pin(package, record.version)
    known = {"archive": record.sha256, "git": record.commit}.get(record.origin, "")
    pinned = {"archive": pin.sha256, "git": pin.commit}.get(record.origin) if pin else None
    if pin is None or not known or known != pinned:
        raise TreeStateError(
            f"{into}: nothing vouches for the files of {package} {record.version}, so edits by "
            "hand cannot be told from upstream's own",
            hint="Port a pinned release into a new folder, and carry the edits over yourself.",
        )
    return pin


def _fetch(
    request: UpgradeRequest, pin: Pin, origin: str, cache: Cache, progress: Progress | None
) -> Tree:
    (tree,) = fetch(
        [pin],
        cache,
        origin=origin,
        mirror=request.mirror if origin == "git" else "",
        offline=request.offline,
        progress=progress,
    )
    return tree


def _moved(record: PackageRecord, pin: Pin, origin: str) -> PackageRecord:
    if origin == "git":
        return replace(record, version=pin.version, origin=origin, commit=pin.commit, sha256="")
    return replace(record, version=pin.version, origin=origin, sha256=pin.sha256, commit="")
