"""What a port stands on: packages in a folder or fetched for it, and what was done before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from porter.errors import TreeStateError, UsageError
from porter.manifest import Manifest, PackageRecord, read_manifest
from porter.model import PROJECT, Pin
from porter.port.earlier import check_versions, outdated, without_replaced
from porter.port.pristine import pristine_trees
from porter.port.record import recipe_digest
from porter.port.request import Request
from porter.source import (
    Cache,
    FolderTree,
    Progress,
    Tree,
    fetch,
    find_trees,
    known_packages,
    known_pin,
)
from porter.source.archive import cached_tree
from porter.source.pins import known_versions, recorded_pin, same_version
from porter.write import is_vacant
from porter.write.journal import read_journal

_OPEN_FOLDERS = (("vendor",), ("build",))


@dataclass(frozen=True)
class Ground:
    """What a port stands on.

    Attributes:
        fresh: Whether the whole tree is to be written, as the folder is vacant.
        trees: Package -> its pristine tree, to plan on.
        packages: Package -> where it is and what vouches for it.
        missing: Packages that were asked for and are not in the folder.
        manifest: What was applied before; None if nothing was.
        current: Whether that was made of the same packages by the same target and rules,
            so that its plan is the plan.
    """

    into: Path
    fresh: bool
    trees: Mapping[str, Tree]
    packages: Mapping[str, PackageRecord]
    missing: tuple[str, ...] = ()
    manifest: Manifest | None = None
    current: bool = False


def usable_folder(into: Path) -> Path:
    """The absolute path of a folder that porter may write to.

    Raises:
        TreeStateError: It is a file, or within a checkout of porter.
    """
    into = into.expanduser().resolve()
    if into.exists() and not into.is_dir():
        raise TreeStateError(f"{into} is a file", hint="Name a folder with --into.")
    for checkout in (into, *into.parents):
        top = into.relative_to(checkout).parts[:1]
        if _is_porter(checkout) and top not in _OPEN_FOLDERS:
            raise TreeStateError(
                f"{into} is inside {checkout}, which is a checkout of porter itself",
                hint="Name a folder elsewhere with --into; inside the checkout only "
                "vendor and build, which git ignores, may be ported into.",
            )
    return into


def find_ground(
    request: Request, into: Path, cache: Cache, progress: Progress | None = None
) -> Ground:
    """Find out what a port stands on, and fetch what it needs.

    Args:
        into: From ``usable_folder``.

    Raises:
        TreeStateError: The folder is in no state to be ported.
        SourceError: Pristine bytes cannot be had.
        UnsupportedVersion: There is no pin for a version asked for.
        UsageError: The versions and packages asked for do not go together.
    """
    _check_request(request)
    check_whole(into)
    if request.project:
        _check_project(request, into)
        return _present_ground(request, into, cache, progress)
    if is_vacant(into):
        return _fresh_ground(request, into, cache, progress)
    return _present_ground(request, into, cache, progress)


def check_whole(into: Path) -> None:
    """Refuse a tree in which a run was killed.

    Raises:
        TreeStateError: There is a journal.
    """
    if read_journal(into):
        raise TreeStateError(
            f"{into} is half written: a run of porter was killed there",
            hint="`porter apply` and `porter revert` finish that run first.",
        )


def _is_porter(folder: Path) -> bool:
    files = ("pyproject.toml", "porter/apply.py", "rules", "targets")
    return all((folder / name).exists() for name in files)


def _check_request(request: Request) -> None:
    for package in request.pins:
        if request.packages and package not in request.packages:
            raise UsageError(
                f"--pin {package}={request.pins[package]}: {package} is not to be ported",
                hint=f"Packages asked for: {', '.join(request.packages)}.",
            )


def _check_project(request: Request, into: Path) -> None:
    if request.packages or request.pins:
        raise UsageError(
            "--project: a project is ported as a whole",
            hint="Leave --package, --pin and --set away.",
        )
    if is_vacant(into):
        raise TreeStateError(f"{into} has nothing to port", hint="Name the project with --into.")
    found = find_trees(into, [name for name in known_packages() if (into / name).is_dir()])
    if found:
        names = ", ".join(sorted(found))
        raise TreeStateError(
            f"{into} holds {names}, which have rules of their own",
            hint="Port them without --project; for a project, name the folder of its sources.",
        )


# A vacant folder


def _fresh_ground(request: Request, into: Path, cache: Cache, progress: Progress | None) -> Ground:
    pins = [_pin(request, package) for package in request.packages or request.versions]
    trees = _fetch(request, pins, cache, progress)
    return Ground(
        into=into,
        fresh=True,
        trees={tree.package: tree for tree in trees},
        packages={
            pin.package: _record(request.origin, pin, tree.version)
            for pin, tree in zip(pins, trees, strict=True)
        },
    )


def _pin(request: Request, package: str) -> Pin:
    version = request.versions.get(package, "")
    if not version:
        raise UsageError(
            f"{package}: target {request.target.name} has no default version of it",
            hint=f"Name one with --pin {package}=VERSION."
            if known_versions(package)
            else "It is ported where it is installed: name that site-packages with --into.",
        )
    if request.origin in ("archive", "git"):
        return known_pin(package, version)
    return recorded_pin(package, version) or Pin(package, version)


def _fetch(
    request: Request, pins: Sequence[Pin], cache: Cache, progress: Progress | None
) -> list[Tree]:
    return fetch(
        pins,
        cache,
        origin=request.origin,
        mirror=request.mirror,
        offline=request.offline,
        progress=progress,
    )


def _record(origin: str, pin: Pin, version: str) -> PackageRecord:
    if origin == "archive":
        return PackageRecord(version, pin.package, origin, sha256=pin.sha256)
    if origin == "git":
        return PackageRecord(version, pin.package, origin, commit=pin.commit)
    return PackageRecord(version, pin.package, "folder")


# A folder with packages in it


def _present_ground(
    request: Request, into: Path, cache: Cache, progress: Progress | None
) -> Ground:
    applied = read_manifest(into)
    _check_target(request, applied)
    wanted = {*request.versions, *request.packages, *(applied.packages if applied else ())}
    if request.project or (applied and PROJECT in applied.packages):
        wanted = {PROJECT}
    folders = find_trees(into, sorted(wanted))
    _check_folders(request, into, folders, wanted)
    manifest = without_replaced(into, applied, folders)
    check_versions(into, manifest, folders)
    current = _is_current(request, applied, folders)
    releases = {} if current else _releases(request, manifest, folders, cache, progress)
    return Ground(
        into=into,
        fresh=False,
        trees=pristine_trees(into, folders, manifest, releases),
        packages={
            package: _present_record(into, folder, manifest, releases)
            for package, folder in folders.items()
        },
        missing=tuple(sorted(wanted - folders.keys())),
        manifest=manifest,
        current=current,
    )


def _check_target(request: Request, manifest: Manifest | None) -> None:
    if manifest and manifest.target != request.target.name:
        raise TreeStateError(
            f"{request.into} is ported to {manifest.target}, not {request.target.name}",
            hint=f"Run `porter revert --into {request.into}` first, or name another folder.",
        )


def _check_folders(
    request: Request, into: Path, folders: Mapping[str, FolderTree], wanted: Iterable[str]
) -> None:
    if not folders and not _installed_alone(request.packages):
        raise TreeStateError(
            f"{into} is not empty, and none of {', '.join(sorted(wanted))} is in it",
            hint="Name an empty or missing folder, a vendor folder, or a site-packages folder.",
        )
    for package, version in request.pins.items():
        if package in folders and not same_version(folders[package].version, version):
            raise TreeStateError(
                f"{into} has {package} {folders[package].version}, "
                f"but {version} is asked for with --pin or --set",
                hint="Name another folder with --into, or drop the pin to port what is there.",
            )


def _installed_alone(packages: Sequence[str]) -> bool:
    """Whether all packages asked for are ported only where somebody has installed them.

    Without a pinned release there is nothing to make a tree of, so it is no mistake that a
    folder has none of them.
    """
    return bool(packages) and not any(known_versions(package) for package in packages)


def _is_current(
    request: Request, manifest: Manifest | None, folders: Mapping[str, FolderTree]
) -> bool:
    return (
        manifest is not None
        and manifest.target_digest == request.target.digest
        and manifest.recipe == recipe_digest(request.rules, request.only, request.without)
        and manifest.packages.keys() == folders.keys()
        and not outdated(manifest, folders)
    )


def _releases(
    request: Request,
    manifest: Manifest | None,
    folders: Mapping[str, FolderTree],
    cache: Cache,
    progress: Progress | None,
) -> dict[str, Tree]:
    """The releases that the packages in the folder must be equal to, where that is known.

    For a package that is ported already the cache alone is asked: its pristine bytes are
    kept, so a port by newer rules must not need the network.
    """
    found: dict[str, Tree] = {}
    to_fetch: list[Pin] = []
    for package, folder in folders.items():
        pin = recorded_pin(package, folder.version)
        ported = _standing_record(manifest, folder)
        if pin and ported and ported.sha256 == pin.sha256:
            release = cached_tree(pin, cache)
            found |= {package: release} if release else {}
        elif pin and not ported and request.origin == "archive":
            to_fetch.append(pin)
    trees = _fetch(request, to_fetch, cache, progress) if to_fetch else []
    return found | {tree.package: tree for tree in trees}


def _present_record(
    into: Path,
    folder: FolderTree,
    manifest: Manifest | None,
    releases: Mapping[str, Tree],
) -> PackageRecord:
    standing = _standing_record(manifest, folder)
    if standing:
        return standing
    place = str(PurePosixPath(folder.root.relative_to(into)))
    pin = recorded_pin(folder.package, folder.version)
    if pin and folder.package in releases:
        return PackageRecord(folder.version, place, "archive", sha256=pin.sha256)
    return PackageRecord(folder.version, place, "folder")


def _standing_record(manifest: Manifest | None, folder: FolderTree) -> PackageRecord | None:
    """What the manifest says of a package, if it has not been installed anew since."""
    record = manifest.packages.get(folder.package) if manifest else None
    return record if record and same_version(record.version, folder.version) else None
